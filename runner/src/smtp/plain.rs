//! Connections without TLS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use message::reply::Phase;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::session::{self, Session};
use super::{DialError, Dialer, Relay};
use crate::logging::chain;
use crate::storage::IntegrationSpec;

/// For one address.
const CONNECT: Duration = Duration::from_secs(30);

/// Speaks plain SMTP, and so refuses what must not travel in plain text.
pub struct PlainDialer;

#[async_trait]
impl Dialer for PlainDialer {
    async fn dial(&self, relay: &IntegrationSpec) -> Result<Box<dyn Relay>, DialError> {
        if relay.secure || relay.username.is_some() || relay.password.is_some() {
            return Err(DialError {
                phase: Phase::Connect,
                reason: "the integration asks for TLS or credentials, which this version cannot do; \
                         credentials are never sent in plain text. Use a relay that takes mail without them"
                    .to_owned(),
            });
        }
        let stream = connect(&relay.host, relay.port)
            .await
            .map_err(|reason| DialError {
                phase: Phase::Connect,
                reason,
            })?;
        let hello = hello(&stream);
        let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
        let reason = match timeout(session::COMMAND, greeting).await {
            Ok(Ok(connection)) => return Ok(Box::new(Session::new(connection))),
            Ok(Err(error)) => session::reply(&error).map_or_else(
                || chain(&error),
                |answer| format!("{} {}", answer.code, answer.text),
            ),
            Err(_) => format!("no greeting within {:?}", session::COMMAND),
        };
        Err(DialError {
            phase: Phase::Greeting,
            reason,
        })
    }
}

/// Tries the addresses of the host one after another, IPv4 first.
async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let lookup = timeout(CONNECT, tokio::net::lookup_host((host, port))).await;
    let mut addresses: Vec<SocketAddr> = match lookup {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(format!("{host} cannot be resolved: {error}")),
        Err(_) => return Err(format!("{host} cannot be resolved within {CONNECT:?}")),
    };
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut reason = format!("{host} has no address");
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it each final dot waits for the acknowledgement of the body (40 ms a mail).
                return stream
                    .set_nodelay(true)
                    .map(|()| stream)
                    .map_err(|error| error.to_string());
            }
            Ok(Err(error)) => reason = format!("{address}: {error}"),
            Err(_) => reason = format!("{address}: not connected within {CONNECT:?}"),
        }
    }
    Err(reason)
}

/// A full host name, else the literal of our address (RFC 5321 section 4.1.4).
fn hello(stream: &TcpStream) -> ClientId {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    match stream.local_addr().map(|address| address.ip()) {
        _ if name.contains('.') => ClientId::Domain(name.into_owned()),
        Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) => ClientId::default(),
    }
}
