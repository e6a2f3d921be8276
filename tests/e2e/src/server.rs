use std::net::{Ipv4Addr, SocketAddr};
use std::ops::{Deref, DerefMut};

use tokio::net::TcpStream;

use crate::db::{Db, SERVER_ROLE};
use crate::http::{Answer, connect_from, request_from};
use crate::process::{Process, command};

/// A process `campaign-runner serve` on a port of its own.
pub struct Server {
    process: Process,
    addr: SocketAddr,
}

impl Server {
    /// Returns when it listens.
    pub async fn spawn(db: &Db, flags: &[&str]) -> Server {
        let mut command = command(db, SERVER_ROLE, "serve", flags);
        command.args(["--listen", "127.0.0.1:0"]);
        let mut process = Process::spawn(command);
        let addr = process
            .until("the server listens", async |process| {
                let log = process.log();
                let (_, listen) = log.split_once("listen=")?;
                let (listen, _) = listen.split_once(['\n', ' '])?;
                Some(listen.parse().expect("an address"))
            })
            .await;
        Server { process, addr }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What links begin with.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[], "").await
    }

    pub async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        request_from(
            Ipv4Addr::LOCALHOST,
            self.addr,
            method,
            target,
            headers,
            body,
        )
        .await
    }

    /// Asked from another address of the loopback network.
    pub async fn request_from(
        &self,
        from: Ipv4Addr,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        request_from(from, self.addr, method, target, headers, body).await
    }

    pub async fn connect_from(&self, from: Ipv4Addr) -> TcpStream {
        connect_from(from, self.addr).await
    }
}

impl Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
