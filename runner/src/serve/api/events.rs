//! Progress of a campaign as server-sent events, driven by the database: nothing here runs by a clock while it is quiet, but
//! for one look every few seconds that finds what a lost notification did not tell.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::extract::{Path, Token};
use super::no_campaign;
use super::shares::Shares;
use super::types::{Job, OneJob};
use crate::config::Settings;
use crate::listener;
use crate::secret::Secret;
use crate::serve::AppState;
use crate::serve::problem::Problem;
use crate::storage::api::{Api, ApiError};

const CHANNEL: &str = "campaign_progress";
const MAX_STREAMS: usize = 256;
const STREAMS_OF_A_TOKEN: usize = 16;
/// Between two looks at the same campaign, while notifications come.
const RESTED: Duration = Duration::from_millis(200);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Without a notification.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// News that a slow stream may leave unread; then it looks as if all were new.
const UNREAD: usize = 64;

/// What the database notifies of, for all streams.
pub struct Hub {
    news: broadcast::Sender<Option<Uuid>>,
    places: Arc<Semaphore>,
    shares: Shares,
    look_every: Duration,
    stopping: watch::Receiver<bool>,
}

impl Hub {
    /// Listens as long as the process runs, if the settings say so.
    pub fn start(settings: &Settings, stopping: watch::Receiver<bool>) -> Hub {
        let (news, _) = broadcast::channel(UNREAD);
        if settings.notify {
            let news = news.clone();
            // What is no id is news for everybody: a token was revoked, or the connection is there again.
            let tell = move |payload: &str| {
                // Nobody listens: fine.
                let _ = news.send(payload.parse().ok());
            };
            tokio::spawn(listener::listen(
                settings.database.to_config(),
                CHANNEL,
                tell,
            ));
        }
        Hub {
            news,
            places: Arc::new(Semaphore::new(MAX_STREAMS)),
            shares: Shares::new(STREAMS_OF_A_TOKEN),
            look_every: match settings.notify {
                true => LOOK_EVERY,
                false => settings.poll,
            },
            stopping,
        }
    }
}

/// Tells how far a campaign is, now and whenever that changes, until it has ended
#[utoipa::path(
    get, path = "/api/campaigns/{id}/events", tag = "campaigns", operation_id = "watch_campaign", params(("id" = Uuid, Path)),
    responses((status = 200, description = "Events `progress`, whose data is {job}, as of GET /api/campaigns/{id}. After the last \
        one the stream ends; it ends with an event `problem` when the token is not valid any more.",
        body = String, content_type = "text/event-stream")))]
pub async fn events(
    State(state): State<AppState>,
    Token(token): Token,
    Path(id): Path<Uuid>,
) -> Result<Sse<impl Stream<Item = Result<Event, axum::Error>>>, Problem> {
    let Ok(share) = state.hub.shares.of(&token).try_acquire_owned() else {
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "streams",
            "this token has too many streams of events",
            format!("A token has {STREAMS_OF_A_TOKEN} at most."),
            "Close those that nobody watches, or ask GET /api/campaigns/{id}.",
        )
        .retry_after(10));
    };
    let Ok(place) = state.hub.places.clone().try_acquire_owned() else {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "streams",
            "there are too many streams of events",
            format!("There are {MAX_STREAMS} at most."),
            "Close those that nobody watches, or ask GET /api/campaigns/{id}.",
        )
        .retry_after(10));
    };
    // Before the first look, so that nothing happens between the two.
    let news = state.hub.news.subscribe();
    let OneJob { job } = state.api.campaign(&token, id).await.map_err(no_campaign)?;
    let watch = Watch {
        api: state.api,
        token,
        id,
        news,
        look_every: state.hub.look_every,
        stopping: state.hub.stopping.clone(),
        next: Next::Tell(Box::new(job)),
        told: None,
        number: 0,
        looked_at: Instant::now(),
        _places: (share, place),
    };
    let stream = unfold(watch, |mut watch| async {
        let event = watch.next().await?;
        Some((event, watch))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Watch {
    api: Api,
    token: Secret,
    id: Uuid,
    news: broadcast::Receiver<Option<Uuid>>,
    look_every: Duration,
    stopping: watch::Receiver<bool>,
    next: Next,
    told: Option<Box<Job>>,
    number: u64,
    looked_at: Instant,
    _places: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

enum Next {
    Tell(Box<Job>),
    Wait,
    End,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<Event, axum::Error>> {
        loop {
            match std::mem::replace(&mut self.next, Next::Wait) {
                Next::End => return None,
                Next::Tell(job) => {
                    if has_ended(&job) {
                        self.next = Next::End;
                    }
                    if self.told.as_deref().is_none_or(|told| differ(told, &job)) {
                        self.number += 1;
                        let event = Event::default()
                            .event("progress")
                            .id(self.number.to_string())
                            .json_data(OneJob {
                                job: (*job).clone(),
                            });
                        self.told = Some(job);
                        return Some(event);
                    }
                }
                Next::Wait => {
                    if !self.wait().await {
                        return None;
                    }
                    // Each look begins with the token.
                    let looked = self.api.campaign(&self.token, self.id).await;
                    self.looked_at = Instant::now();
                    match looked {
                        Ok(OneJob { job }) => self.next = Next::Tell(Box::new(job)),
                        Err(ApiError::Busy | ApiError::Unavailable(_) | ApiError::TimedOut) => {}
                        Err(error) => {
                            self.next = Next::End;
                            let problem = no_campaign(error);
                            return Some(Event::default().event("problem").json_data(problem));
                        }
                    }
                }
            }
        }
    }

    /// Until there may be something new; false: the server stops.
    async fn wait(&mut self) -> bool {
        let new = async {
            loop {
                match self.news.recv().await {
                    Ok(Some(id)) if id != self.id => {}
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    // Only when there is no listener.
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let new = async {
            tokio::select! {
                () = new => sleep_until(self.looked_at + RESTED).await,
                () = sleep(self.look_every) => {}
            }
        };
        tokio::select! {
            () = new => true,
            _ = self.stopping.wait_for(|stopping| *stopping) => false,
        }
    }
}

/// Apart from what changes by the clock alone.
fn differ(told: &Job, job: &Job) -> bool {
    let still = |job: &Job| {
        let mut job = job.clone();
        job.entry.per_minute = None;
        job.entry.eta_seconds = None;
        job
    };
    still(told) != still(job)
}

/// Those of whom nothing more is heard: a cancelled campaign is told of until its runners have given back what they hold.
fn has_ended(job: &Job) -> bool {
    ["completed", "failed", "cancelled"].contains(&job.entry.status.as_str())
        && job.entry.pending_count == 0
}
