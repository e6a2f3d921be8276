//! A TCP proxy that can stop carrying bytes without closing.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::fault::{Cut, CutEnds};

/// Stops with this value: connections that are held then are closed.
pub struct Proxy {
    addr: SocketAddr,
    traffic: Arc<watch::Sender<Traffic>>,
    /// Of the next connection, from 1.
    next: Arc<AtomicU64>,
}

/// Connections are numbered in the order of arrival.
#[derive(Clone, Debug, Default)]
struct Traffic {
    /// Whether the port is closed.
    refuses: bool,
    /// Those below are closed.
    closed_below: u64,
    /// Those below this number are cut for as long as they live.
    held: Vec<Held>,
}

#[derive(Clone, Debug)]
struct Held {
    id: u64,
    below: u64,
    up: bool,
    down: bool,
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

impl Traffic {
    fn flows(&self, number: u64, direction: Direction) -> bool {
        !self.held.iter().any(|held| {
            number < held.below
                && match direction {
                    Direction::Up => held.up,
                    Direction::Down => held.down,
                }
        })
    }

    fn closes(&self, number: u64) -> bool {
        number < self.closed_below
    }
}

impl Proxy {
    /// On a port of its own.
    pub async fn start(target: SocketAddr) -> io::Result<Proxy> {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into())?;
        let addr = listener.local_addr()?;
        let traffic = Arc::new(watch::Sender::new(Traffic::default()));
        let next = Arc::new(AtomicU64::new(1));
        tokio::spawn(serve(
            listener,
            addr,
            target,
            traffic.subscribe(),
            next.clone(),
        ));
        Ok(Proxy {
            addr,
            traffic,
            next,
        })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns when the cut is over.
    pub async fn cut(&self, cut: Cut) {
        let existing = self.next.load(Ordering::SeqCst);
        let mut id = 0;
        self.traffic.send_modify(|traffic| {
            id = traffic.held.iter().map(|held| held.id).max().unwrap_or(0) + 1;
            traffic.held.push(Held {
                id,
                below: if cut.new_ones { u64::MAX } else { existing },
                up: cut.up,
                down: cut.down,
            });
        });
        sleep(cut.lasts).await;
        let all = self.next.load(Ordering::SeqCst);
        let affected = if cut.new_ones { all } else { existing };
        self.traffic.send_modify(|traffic| match cut.ends {
            CutEnds::Carried => traffic.held.retain(|held| held.id != id),
            CutEnds::Closed => {
                traffic.held.retain(|held| held.id != id);
                traffic.closed_below = traffic.closed_below.max(affected);
            }
            CutEnds::Never => {
                for held in &mut traffic.held {
                    if held.id == id {
                        held.below = affected;
                    }
                }
            }
        });
    }

    /// Closes the port and all connections; returns when the port is open again.
    pub async fn refuse(&self, lasts: Duration) {
        self.traffic.send_modify(|traffic| {
            traffic.refuses = true;
            traffic.closed_below = self.next.load(Ordering::SeqCst);
        });
        sleep(lasts).await;
        self.traffic.send_modify(|traffic| traffic.refuses = false);
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(1024)
}

async fn serve(
    first: TcpListener,
    addr: SocketAddr,
    target: SocketAddr,
    mut traffic: watch::Receiver<Traffic>,
    next: Arc<AtomicU64>,
) {
    let mut listener = Some(first);
    loop {
        if traffic.borrow_and_update().refuses {
            listener = None;
        } else if listener.is_none() {
            // A connection may have got the port meanwhile: it is tried again.
            listener = listen(addr).ok();
        }
        tokio::select! {
            changed = traffic.changed() => if changed.is_err() { return },
            Some(taken) = accept(listener.as_ref()) => if let Ok((stream, _)) = taken {
                let number = next.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(stream, target, number, traffic.clone()));
            },
            () = sleep(Duration::from_millis(20)), if listener.is_none() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    match listener {
        Some(listener) => Some(listener.accept().await),
        None => None,
    }
}

async fn carry(
    client: TcpStream,
    target: SocketAddr,
    number: u64,
    traffic: watch::Receiver<Traffic>,
) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    if client
        .set_nodelay(true)
        .and(server.set_nodelay(true))
        .is_err()
    {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // An end or an error of either direction is passed on by closing, as the peers expect it.
    let _ = tokio::try_join!(
        pump(
            from_client,
            to_server,
            number,
            Direction::Up,
            traffic.clone()
        ),
        pump(from_server, to_client, number, Direction::Down, traffic),
    );
}

/// Returns when the proxy closes this connection, or is gone.
async fn closed(traffic: &mut watch::Receiver<Traffic>, number: u64) {
    let _ = traffic.wait_for(|traffic| traffic.closes(number)).await;
}

/// The error ends the other direction too.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    direction: Direction,
    mut traffic: watch::Receiver<Traffic>,
) -> io::Result<()> {
    let aborted = || io::Error::from(io::ErrorKind::ConnectionAborted);
    let mut buffer = vec![0; 16 * 1024];
    let mut watched = traffic.clone();
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            () = closed(&mut watched, number) => return Err(aborted()),
        };
        let carried = traffic
            .wait_for(|traffic| traffic.closes(number) || traffic.flows(number, direction))
            .await
            .is_ok_and(|traffic| !traffic.closes(number));
        if !carried {
            return Err(aborted());
        }
        match read? {
            0 => return to.shutdown().await,
            n => to.write_all(&buffer[..n]).await?,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(200);

    /// A server that says back what it hears, and a proxy before it.
    async fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        Proxy::start(addr).await.unwrap()
    }

    async fn says_back(stream: &mut TcpStream) -> Option<io::Result<u8>> {
        let said = async {
            stream.write_all(b"x").await?;
            stream.read_u8().await
        };
        timeout(SOON, said).await.ok()
    }

    #[tokio::test]
    async fn what_a_cut_holds_back_is_carried_in_the_end_or_never() {
        for (ends, expected) in [(CutEnds::Carried, 2), (CutEnds::Never, 0)] {
            let proxy = echo().await;
            let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
            assert!(matches!(says_back(&mut stream).await, Some(Ok(b'x'))));
            let cut = Cut {
                up: true,
                down: false,
                new_ones: false,
                lasts: 2 * SOON,
                ends,
            };
            let (cut_off, ()) = tokio::join!(says_back(&mut stream), proxy.cut(cut));
            assert!(cut_off.is_none());
            stream.write_all(b"y").await.unwrap();
            let mut carried = [0; 2];
            let read = timeout(SOON, stream.read_exact(&mut carried)).await;
            assert_eq!(read.map_or(0, |read| read.unwrap()), expected);
            let mut other = TcpStream::connect(proxy.addr()).await.unwrap();
            assert!(matches!(says_back(&mut other).await, Some(Ok(b'x'))));
        }
    }

    #[tokio::test]
    async fn a_cut_may_end_by_closing() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        assert!(matches!(says_back(&mut stream).await, Some(Ok(b'x'))));
        let cut = Cut {
            up: false,
            down: true,
            new_ones: true,
            lasts: SOON,
            ends: CutEnds::Closed,
        };
        proxy.cut(cut).await;
        assert!(matches!(says_back(&mut stream).await, Some(Err(_))));
    }

    #[tokio::test]
    async fn a_port_that_is_down_refuses_and_comes_back() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        assert!(matches!(says_back(&mut stream).await, Some(Ok(b'x'))));
        let refused = async {
            sleep(SOON).await;
            (
                TcpStream::connect(proxy.addr()).await.is_err(),
                says_back(&mut stream).await,
            )
        };
        let ((refused, ended), ()) = tokio::join!(refused, proxy.refuse(2 * SOON));
        assert!(refused);
        assert!(matches!(ended, Some(Err(_))));
        sleep(SOON).await;
        let mut other = TcpStream::connect(proxy.addr()).await.unwrap();
        assert!(matches!(says_back(&mut other).await, Some(Ok(b'x'))));
    }
}
