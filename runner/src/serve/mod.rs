//! `campaign-runner serve`: HTTP. Thin: each route is one call of one database function.

mod api;
mod client;
mod connections;
mod headers;
mod health;
mod limits;
mod openapi;
mod problem;
mod track;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::FromRef;
use axum::{Router, middleware};
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Flags, ServeFlags, Settings};
use crate::signals::Signals;
use crate::storage::api::Api;
use limits::Rate;
use track::Tracker;

pub use openapi::document;

/// What is under way when the server is told to stop may take this long.
pub const DRAIN: Duration = Duration::from_secs(10);

/// Serves the API, and the links in mails: opens, clicks, unsubscribing
///
/// Logs in as a member of `campaign_server`. Plain HTTP: others than this host come through a proxy that speaks TLS.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub serve: ServeFlags,
    #[command(flatten)]
    pub flags: Flags,
}

/// What routes have in common.
#[derive(Clone)]
struct AppState {
    api: Api,
    tracker: Arc<Tracker>,
    hub: Arc<api::Hub>,
    calls: Arc<api::Calls>,
    rate: Arc<Rate>,
}

impl FromRef<AppState> for Arc<Tracker> {
    fn from_ref(state: &AppState) -> Arc<Tracker> {
        Arc::clone(&state.tracker)
    }
}

/// Serves until SIGTERM or SIGINT, then ends what is under way. The database may be away, also at the start.
///
/// # Errors
/// The address is not free.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("cannot wait for signals")?;
    let listener = TcpListener::bind(settings.serve.listen)
        .await
        .with_context(|| {
            format!(
                "cannot listen on {}; choose another address by --listen",
                settings.serve.listen
            )
        })?;
    let (tracker, tail) = Tracker::start(&settings.database)?;
    let (stop, stopping) = watch::channel(false);
    let state = AppState {
        api: Api::new(&settings.database)?,
        tracker,
        hub: Arc::new(api::Hub::start(settings, stopping)),
        calls: Arc::default(),
        rate: Arc::new(Rate::new(settings.serve.rate)),
    };
    tracing::info!(listen = %listener.local_addr()?, "serving");
    let stop = async move {
        signals.next().await;
        tracing::info!("stopping");
        // Streams of events end now; nothing else waits for it.
        let _ = stop.send(true);
    };
    let app = router(state, settings);
    connections::serve(listener, app, settings.serve.forwarded, stop).await;
    tail.drain().await;
    Ok(())
}

fn router(state: AppState, settings: &Settings) -> Router {
    let docs = match settings.serve.docs {
        true => openapi::routes(),
        false => Router::new(),
    };
    Router::new()
        .merge(Router::from(health::documented()))
        .merge(api::routes(&state, settings.serve.cors_origin.as_ref()))
        .merge(docs)
        .merge(Router::from(track::documented()))
        .fallback(api::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(middleware::from_fn(limits::end_in_time))
        .layer(middleware::from_fn_with_state(
            settings.serve.forwarded,
            client::identify,
        ))
        .layer(middleware::map_response(headers::secure))
        .with_state(state)
}
