//! A worker carries one message at a time over at most one connection.

use std::sync::Arc;
use std::time::Duration;

use message::reply::{Outcome, Phase, classify};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::Instrument;
use uuid::Uuid;

use super::job::WorkerId;
use super::plan::Plan;
use super::state::Event;
use crate::fence::{Fences, Gate};
use crate::smtp::{DialError, Dialer, Mail, Permit, Relay, Sent};
use crate::storage::{Fact, LeaseKey, Recipient};

/// An idle connection is closed after this time.
const IDLE: Duration = Duration::from_secs(30);

/// One message to carry.
pub struct Assignment {
    pub key: LeaseKey,
    pub recipient: Recipient,
    pub plan: Arc<Plan>,
    pub gate: Arc<Gate>,
    pub span: tracing::Span,
}

/// What became of an assignment.
#[derive(Debug)]
pub enum End {
    Fact(Fact),
    /// Nothing was begun for this recipient.
    Unstarted(Recipient),
    /// Nothing was begun: the relay cannot be reached.
    Unreached {
        recipient: Recipient,
        relay: Uuid,
        error: DialError,
    },
}

pub struct Worker {
    id: WorkerId,
    dialer: Arc<dyn Dialer>,
    fences: Fences,
    /// True = give up what is in flight.
    hurry: watch::Receiver<bool>,
    events: mpsc::UnboundedSender<Event>,
    /// With the plan whose relay it leads to.
    connection: Option<(Box<dyn Relay>, Arc<Plan>)>,
}

impl Worker {
    pub fn new(
        id: WorkerId,
        dialer: Arc<dyn Dialer>,
        fences: Fences,
        hurry: watch::Receiver<bool>,
        events: mpsc::UnboundedSender<Event>,
    ) -> Worker {
        Worker {
            id,
            dialer,
            fences,
            hurry,
            events,
            connection: None,
        }
    }

    /// Works until the other side of `inbox` is dropped.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Assignment>) {
        loop {
            let next = match &self.connection {
                Some(_) => timeout(IDLE, inbox.recv()).await,
                None => Ok(inbox.recv().await),
            };
            match next {
                Ok(Some(assignment)) => {
                    let key = assignment.key;
                    let span = assignment.span.clone();
                    let end = self.carry(assignment).instrument(span).await;
                    let connected =
                        (self.connection.as_ref()).is_some_and(|(relay, _)| relay.is_reusable());
                    let ended = Event::Ended {
                        worker: self.id,
                        key,
                        end,
                        connected,
                    };
                    if self.events.send(ended).is_err() {
                        return;
                    }
                    if !connected {
                        self.hang_up().await;
                    }
                }
                Ok(None) => return self.hang_up().await,
                Err(_) => self.hang_up().await,
            }
        }
    }

    async fn carry(&mut self, assignment: Assignment) -> End {
        let Assignment {
            recipient,
            plan,
            gate,
            ..
        } = assignment;
        let pos = recipient.pos;
        let mail = match plan.mail(&recipient) {
            Ok(mail) => mail,
            Err(why) => return End::Fact(fact(pos, Phase::Render, None, Some(why))),
        };
        let permit = Permit::new(gate, self.fences.clone());
        let mut hurry = self.hurry.clone();
        let sent = tokio::select! {
            sent = self.send(&mail, &plan, &permit) => Some(sent),
            () = hurried(&mut hurry) => None,
        };
        let end = match sent {
            Some(Ok(Sent::Ended {
                phase,
                answer,
                lost,
            })) => End::Fact(fact(pos, phase, answer, lost)),
            Some(Ok(Sent::NotStarted)) => End::Unstarted(recipient),
            // No final dot: the relay has no message (RFC 5321 section 4.1.1.4), so no try is spent.
            Some(Ok(Sent::Withheld)) => {
                End::Fact(given_up(pos, Outcome::Returned, Some(Phase::Body)))
            }
            Some(Ok(Sent::DeadIdle(lost))) => End::Fact(fact(pos, Phase::Mail, None, Some(lost))),
            Some(Err(error)) => End::Unreached {
                recipient,
                relay: plan.relay.id,
                error,
            },
            None => {
                self.connection = None;
                if permit.finishing() {
                    End::Fact(given_up(pos, Outcome::Uncertain, Some(Phase::Dot)))
                } else {
                    End::Fact(given_up(pos, Outcome::Returned, None))
                }
            }
        };
        if let End::Fact(fact) = &end {
            log(fact);
        }
        end
    }

    /// A connection that died while it was idle is replaced once, at once: it has attempted nobody.
    async fn send(
        &mut self,
        mail: &Mail,
        plan: &Arc<Plan>,
        permit: &Permit,
    ) -> Result<Sent, DialError> {
        if self
            .connection
            .as_ref()
            .is_some_and(|(_, old)| old.relay != plan.relay)
        {
            self.hang_up().await;
        }
        if let Some((relay, _)) = &mut self.connection {
            match relay.send(mail, permit).await {
                Sent::DeadIdle(_) => self.connection = None,
                sent => return Ok(sent),
            }
        }
        if !permit.may_start() {
            return Ok(Sent::NotStarted);
        }
        let mut relay = self.dialer.dial(&plan.relay).await?;
        // Only the engine's end can close the channel, and then nobody waits for this.
        let _ = self.events.send(Event::Dialed(self.id));
        let sent = relay.send(mail, permit).await;
        self.connection = Some((relay, Arc::clone(plan)));
        Ok(sent)
    }

    async fn hang_up(&mut self) {
        if let Some((mut relay, _)) = self.connection.take() {
            relay.quit().await;
        }
    }
}

async fn hurried(hurry: &mut watch::Receiver<bool>) {
    if hurry.wait_for(|&hurry| hurry).await.is_err() {
        // The engine has ended, and with it whoever could hurry.
        std::future::pending().await
    }
}

fn fact(
    pos: i64,
    phase: Phase,
    answer: Option<message::reply::Answer>,
    lost: Option<String>,
) -> Fact {
    let outcome = classify(phase, answer.as_ref());
    let (code, enhanced, text) = match answer {
        Some(answer) => (Some(answer.code), answer.enhanced, Some(answer.text)),
        None => (None, None, lost),
    };
    Fact {
        pos,
        outcome: outcome.as_str(),
        phase: Some(phase.as_str()),
        code,
        enhanced,
        detail: text,
    }
}

fn given_up(pos: i64, outcome: Outcome, phase: Option<Phase>) -> Fact {
    Fact {
        pos,
        outcome: outcome.as_str(),
        phase: phase.map(Phase::as_str),
        code: None,
        enhanced: None,
        detail: Some("given up by the runner".to_owned()),
    }
}

/// Texts of replies may contain addresses: they are in the database, not here.
fn log(fact: &Fact) {
    let Fact {
        pos,
        outcome,
        phase,
        code,
        ..
    } = fact;
    if *outcome == Outcome::Sent.as_str() {
        tracing::debug!(recipient.pos = pos, smtp.code = code, "message accepted");
    } else if *outcome == Outcome::Uncertain.as_str() {
        tracing::warn!(
            recipient.pos = pos,
            smtp.phase = phase,
            "no reply to the final dot: whether the message was accepted is not known"
        );
    } else {
        tracing::info!(
            recipient.pos = pos,
            attempt.outcome = outcome,
            smtp.phase = phase,
            smtp.code = code,
            "message not accepted"
        );
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::time::SystemTime;

    use async_trait::async_trait;
    use message::reply::Answer;
    use serde_json::{Map, json};

    use super::*;
    use crate::fence::Fence;
    use crate::storage::{IntegrationSpec, JobSpec};

    /// What a connection does with each message.
    #[derive(Clone, Copy)]
    enum Does {
        Accept,
        Die,
        HangBeforeDot,
        HangAfterDot,
    }

    /// Each dial takes the next list; none left = not reached.
    struct Script(Mutex<VecDeque<Vec<Does>>>);

    struct Scripted(VecDeque<Does>);

    #[async_trait]
    impl Dialer for Script {
        async fn dial(&self, _: &IntegrationSpec) -> Result<Box<dyn Relay>, DialError> {
            match self.0.lock().unwrap().pop_front() {
                Some(does) => Ok(Box::new(Scripted(does.into()))),
                None => Err(DialError {
                    phase: Phase::Connect,
                    reason: "refused".to_owned(),
                }),
            }
        }
    }

    #[async_trait]
    impl Relay for Scripted {
        async fn send(&mut self, _: &Mail, permit: &Permit) -> Sent {
            match self.0.pop_front().unwrap() {
                Does::Accept => Sent::Ended {
                    phase: Phase::Dot,
                    answer: Some(Answer::parse(250, "2.0.0 queued")),
                    lost: None,
                },
                Does::Die => Sent::DeadIdle("incomplete response".to_owned()),
                Does::HangBeforeDot => std::future::pending().await,
                Does::HangAfterDot => {
                    permit.may_finish();
                    std::future::pending().await
                }
            }
        }

        fn is_reusable(&self) -> bool {
            true
        }

        async fn quit(&mut self) {}
    }

    struct Bench {
        worker: Worker,
        dialer: Arc<Script>,
        hurry: watch::Sender<bool>,
        _events: mpsc::UnboundedReceiver<Event>,
    }

    fn bench(connections: &[&[Does]]) -> Bench {
        let connections = connections.iter().map(|does| does.to_vec()).collect();
        let dialer = Arc::new(Script(Mutex::new(connections)));
        let fence = Fence::new(Duration::from_secs(20), Duration::ZERO, || Duration::ZERO);
        let hurry = watch::Sender::new(false);
        let (sender, events) = mpsc::unbounded_channel();
        let id = WorkerId {
            job_no: 1,
            number: 1,
        };
        let fences = Fences::without_news(fence);
        let worker = Worker::new(id, dialer.clone(), fences, hurry.subscribe(), sender);
        Bench {
            worker,
            dialer,
            hurry,
            _events: events,
        }
    }

    fn assignment(pos: i64) -> Assignment {
        let relay: IntegrationSpec = serde_json::from_value(json!({
            "id": Uuid::nil(), "name": "relay", "host": "127.0.0.1", "port": 25, "secure": false,
            "username": null, "password": null
        }))
        .unwrap();
        let job: JobSpec = serde_json::from_value(json!({
            "id": Uuid::nil(), "integration_id": Uuid::nil(), "concurrency": 1, "window": 1,
            "message": {
                "from_email": "team@example.org", "from_name": null, "reply_to": null, "headers": {},
                "template": {"subject": "Hi {{name}}", "html": "<p>Hi</p>", "text": null, "variables": []}
            }
        }))
        .unwrap();
        let mut vars = Map::new();
        vars.insert("name".to_owned(), json!("Ana"));
        Assignment {
            key: LeaseKey {
                job_no: 1,
                chunk_no: 1,
                epoch: 1,
            },
            recipient: Recipient {
                pos,
                email: "ana@example.com".to_owned(),
                vars,
                first_leased_at: SystemTime::UNIX_EPOCH,
            },
            plan: Arc::new(Plan::new(job, relay)),
            gate: Arc::default(),
            span: tracing::Span::none(),
        }
    }

    fn outcome(end: End) -> (&'static str, Option<&'static str>) {
        match end {
            End::Fact(fact) => (fact.outcome, fact.phase),
            other => panic!("no outcome: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_connection_that_died_idle_is_replaced_at_once_and_spends_no_try() {
        let mut bench = bench(&[&[Does::Accept, Does::Die], &[Does::Accept]]);
        assert_eq!(outcome(bench.worker.carry(assignment(1)).await).0, "sent");
        assert_eq!(outcome(bench.worker.carry(assignment(2)).await).0, "sent");
        assert!(bench.dialer.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_cannot_be_reached_is_given_back_unattempted() {
        let mut bench = bench(&[]);
        let end = bench.worker.carry(assignment(7)).await;
        assert!(matches!(end, End::Unreached { recipient, .. } if recipient.pos == 7));
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_made_fails_without_a_connection() {
        let mut bench = bench(&[&[Does::Accept]]);
        let mut assignment = assignment(1);
        assignment.recipient.vars.clear();
        let end = bench.worker.carry(assignment).await;
        assert_eq!(outcome(end), ("failed", Some("render")));
        assert_eq!(bench.dialer.0.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_closed_gate_starts_nothing() {
        let mut bench = bench(&[&[Does::Accept]]);
        let assignment = assignment(1);
        assignment.gate.close();
        let end = bench.worker.carry(assignment).await;
        assert!(matches!(end, End::Unstarted(recipient) if recipient.pos == 1));
        assert_eq!(bench.dialer.0.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_up_before_the_dot_goes_back_and_after_it_is_uncertain() {
        for (does, expected) in [
            (Does::HangBeforeDot, ("returned", None)),
            (Does::HangAfterDot, ("uncertain", Some("dot"))),
        ] {
            let mut bench = bench(&[&[does]]);
            let give_up = async {
                tokio::time::sleep(Duration::from_secs(30)).await;
                bench.hurry.send_replace(true);
            };
            let (end, ()) = tokio::join!(bench.worker.carry(assignment(1)), give_up);
            assert_eq!(outcome(end), expected);
            assert!(bench.worker.connection.is_none());
        }
    }
}
