use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// A port to which connecting takes for ever, as to a host behind a firewall: its queue is full, and nobody takes from
/// it.
#[derive(Debug)]
pub struct Deaf {
    addr: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Deaf {
    /// # Errors
    /// When there is no port.
    pub async fn start() -> io::Result<Self> {
        const ENOUGH: Duration = Duration::from_millis(100);
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(1)?;
        let addr = listener.local_addr()?;
        let mut queue = Vec::new();
        while let Ok(stream) = timeout(ENOUGH, TcpStream::connect(addr)).await {
            queue.push(stream?);
        }
        Ok(Self {
            addr,
            _listener: listener,
            _queue: queue,
        })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}
