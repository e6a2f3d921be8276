//! Connections of clients: how many, how patient, and how they end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

use super::DRAIN;
use super::client::{self, Peer};

/// More wait until one ends.
const MAX_CONNECTIONS: usize = 4_096;
/// More are closed at once, so that one peer cannot keep others waiting.
const MAX_OF_PEER: usize = 256;
/// For the whole head of the first request: who connects has something to ask.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// … of each later one; so also how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// For a client to take what it asked for; without, one that never reads would keep its place for ever.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;
/// When the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How many connections each peer has.
#[derive(Default)]
struct Peers(Mutex<HashMap<IpAddr, usize>>);

impl Peers {
    /// `None` if the peer has as many as it may.
    fn admit(self: &Arc<Peers>, peer: IpAddr) -> Option<Admitted> {
        let network = client::network(peer);
        let mut peers = self.lock();
        let count = peers.entry(network).or_default();
        if *count == MAX_OF_PEER {
            return None;
        }
        *count += 1;
        Some(Admitted {
            peers: Arc::clone(self),
            network,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counted until dropped.
struct Admitted {
    peers: Arc<Peers>,
    network: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut peers = self.peers.lock();
        if let Some(count) = peers.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.network);
            }
        }
    }
}

/// Serves until told to stop, then at most [`DRAIN`] longer. `forwarded`: all come through a proxy.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    forwarded: bool,
    stop: impl Future<Output = ()>,
) {
    let peers = (!forwarded).then(|| Arc::new(Peers::default()));
    let mut told: Option<Instant> = None;
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let accept = async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "a connection cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let admitted = peers.as_ref().map(|peers| peers.admit(peer.ip()));
            if matches!(admitted, Some(None)) {
                if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                    told = Some(Instant::now());
                    tracing::warn!(
                        "connections are closed: one client may have {MAX_OF_PEER} at a time; behind a proxy that sets \
                         X-Forwarded-For, use --forwarded true"
                    );
                }
                continue;
            }
            let _ = stream.set_nodelay(true);
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(WRITE_TIMEOUT));
            let app = app.clone();
            let asked = Arc::new(AtomicBool::new(false));
            let asks = Arc::clone(&asked);
            let service = service_fn(move |mut request: hyper::Request<Incoming>| {
                asks.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(Peer(peer.ip()));
                app.clone().call(request)
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_headers(MAX_HEADERS)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(Box::pin(stream)), service);
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                let mut connection = pin!(connection);
                // Clients go away; that is their business.
                let is_over = timeout(FIRST_HEAD_TIMEOUT, &mut connection).await.is_ok();
                if !is_over && asked.load(Ordering::Relaxed) {
                    let _ = connection.await;
                }
                drop((place, admitted));
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop => {}
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_its_places_and_gets_them_back() {
        let peers = Arc::new(Peers::default());
        let admit = |peer: &str, n: usize| -> Vec<Admitted> {
            let peer = peer.parse().unwrap();
            (0..n).map_while(|_| peers.admit(peer)).collect()
        };
        let all = admit("192.0.2.1", MAX_OF_PEER + 1);
        assert_eq!(all.len(), MAX_OF_PEER);
        assert_eq!(admit("::ffff:192.0.2.1", 1).len(), 0, "written otherwise");
        assert_eq!(admit("::ffff:192.0.2.2", 1).len(), 1);
        let network = admit("2001:db8::1", MAX_OF_PEER);
        assert_eq!(admit("2001:db8::2", 1).len(), 0, "of the same network");
        assert_eq!(admit("2001:db8:0:1::1", 1).len(), 1);
        drop((all, network));
        assert!(peers.lock().is_empty());
        assert_eq!(admit("192.0.2.1", 1).len(), 1);
    }
}
