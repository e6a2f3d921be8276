//! From the name of a relay to a connection that is ready for a message: resolve, connect, TLS, greeting, EHLO, login.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lettre::transport::smtp::commands::{Ehlo, Starttls};
use lettre::transport::smtp::extension::ClientId;
use message::reply::{Answer, Phase};
use rustix::net::sockopt;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::session::{Abilities, Limits, Session};
use super::tls::{TlsError, Trust};
use super::wire::{Lost, Stream, Wire};
use super::{DialError, Dialer, Fault, Relay, Trace, seconds};
use crate::secret::Secret;
use crate::storage::{AddressFamily, IntegrationSpec, TlsMode};

#[derive(Default)]
pub struct NetDialer {
    trust: Trust,
}

#[async_trait]
impl Dialer for NetDialer {
    async fn dial(
        &self,
        relay: &IntegrationSpec,
        trace: &mut Trace,
    ) -> Result<Box<dyn Relay>, DialError> {
        let login = login(relay)?;
        let stream = connect(relay, trace).await?;
        let hello = hello(&stream);
        let loopback = (stream.peer_addr()).is_ok_and(|peer| peer.ip().is_loopback());
        let mut call = Call {
            trust: &self.trust,
            relay,
            limits: Limits::new(relay),
            trace,
        };
        let (mut wire, abilities, encrypted) = match mode(relay, loopback) {
            Mode::Implicit => {
                let wire = call.encrypt(Box::new(stream)).await?;
                let (wire, abilities) = call.greet(wire, &hello).await?;
                (wire, abilities, true)
            }
            mode => {
                let wire = Wire::new(Box::new(stream));
                let (wire, abilities) = call.greet(wire, &hello).await?;
                call.start_tls(wire, abilities, mode, &hello).await?
            }
        };
        if let Some((username, password)) = login {
            if !encrypted && !loopback {
                let reason = "without TLS no login is sent in plain text; set tls to starttls or implicit in the \
                              integration's config";
                return Err(mend(Phase::Auth, Fault::Auth, reason));
            }
            call.log_in(&mut wire, &abilities, username, &password)
                .await?;
        }
        Ok(Box::new(Session::new(
            wire,
            abilities,
            call.limits,
            relay.pipelining,
        )))
    }
}

/// How TLS comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plain,
    /// STARTTLS where it is offered.
    Opportunistic,
    Starttls,
    Implicit,
}

/// The ports of submission with STARTTLS (RFC 6409), its usual second, and that between servers.
const STARTTLS_PORTS: [u16; 3] = [587, 2525, 25];

/// By the integration's `tls`; `auto` goes by port, `secure` and login.
fn mode(relay: &IntegrationSpec, loopback: bool) -> Mode {
    match relay.tls {
        TlsMode::None => Mode::Plain,
        TlsMode::Starttls => Mode::Starttls,
        TlsMode::Implicit => Mode::Implicit,
        TlsMode::Auto if relay.port == 465 => Mode::Implicit,
        TlsMode::Auto if relay.secure && !STARTTLS_PORTS.contains(&relay.port) => Mode::Implicit,
        TlsMode::Auto if relay.secure || relay.port == 587 => Mode::Starttls,
        TlsMode::Auto if loopback => Mode::Plain,
        TlsMode::Auto if relay.username.is_some() || relay.port == 2525 => Mode::Starttls,
        TlsMode::Auto => Mode::Opportunistic,
    }
}

fn login(relay: &IntegrationSpec) -> Result<Option<(&str, Secret)>, DialError> {
    let bad = |reason| mend(Phase::Auth, Fault::Config, reason);
    match (&relay.username, &relay.password) {
        (Some(username), Some(password)) => {
            let variable = |name: &str| std::env::var(name).ok();
            let password = Secret::resolve(password.reveal(), variable).map_err(|why| {
                let host = rustix::system::uname();
                let host = host.nodename().to_string_lossy();
                bad(format!(
                    "the integration's password {why} for campaign-runner on {host}"
                ))
            })?;
            Ok(Some((username, password)))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(bad(
            "the integration has a username and no password".to_owned()
        )),
        (None, Some(_)) => Err(bad(
            "the integration has a password and no username".to_owned()
        )),
    }
}

/// Tries the addresses of the host one after another, IPv4 first.
async fn connect(relay: &IntegrationSpec, trace: &mut Trace) -> Result<TcpStream, DialError> {
    let limit = seconds(relay.timeouts.connect_s);
    let addresses = resolve(relay, limit).await?;
    let shown: Vec<String> = addresses.iter().map(|at| at.ip().to_string()).collect();
    trace.done(
        Phase::Resolve,
        format!("{} is {}", relay.host, shown.join(", ")),
    );
    let mut reason = String::new();
    for address in addresses {
        let begun = Instant::now();
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it each final dot waits for the acknowledgement of the body (40 ms a mail).
                stream
                    .set_nodelay(true)
                    .and_then(|()| keep_alive(&stream))
                    .map_err(|error| failed(Phase::Connect, error.to_string()))?;
                let took = begun.elapsed().as_millis();
                trace.done(Phase::Connect, format!("{address} answered in {took} ms"));
                return Ok(stream);
            }
            Ok(Err(error)) => reason = format!("{address}: {error}"),
            Err(_) => reason = format!("{address}: no connection within {limit:?}"),
        }
    }
    Err(failed(Phase::Connect, reason))
}

/// A relay that has vanished is noticed after two minutes, not when a reply is ten minutes late.
fn keep_alive(stream: &TcpStream) -> std::io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(stream, 4)?;
    Ok(())
}

async fn resolve(relay: &IntegrationSpec, limit: Duration) -> Result<Vec<SocketAddr>, DialError> {
    let host = &relay.host;
    let mut addresses: Vec<SocketAddr> =
        match timeout(limit, lookup_host((host.as_str(), relay.port))).await {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(error)) => {
                let text = error.to_string();
                // EAI_NONAME and EAI_NODATA; others, like EAI_AGAIN, pass.
                let unknown = text.contains("not known") || text.contains("No address");
                return Err(match unknown {
                    true => mend(
                        Phase::Resolve,
                        Fault::Config,
                        format!("there is no host {host}"),
                    ),
                    false => failed(Phase::Resolve, format!("{host} cannot be resolved: {text}")),
                });
            }
            Err(_) => {
                let reason = format!("{host} was not resolved within {limit:?}");
                return Err(failed(Phase::Resolve, reason));
            }
        };
    if relay.address_family == AddressFamily::Ipv4 {
        addresses.retain(SocketAddr::is_ipv4);
    }
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    match addresses.is_empty() {
        true => {
            let reason = format!(
                "{host} has no IPv4 address; to use IPv6 set address_family to auto in the integration's config"
            );
            Err(mend(Phase::Resolve, Fault::Config, reason))
        }
        false => Ok(addresses),
    }
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

/// What the steps after the connection share.
struct Call<'a> {
    trust: &'a Trust,
    relay: &'a IntegrationSpec,
    limits: Limits,
    trace: &'a mut Trace,
}

impl Call<'_> {
    async fn encrypt(&mut self, stream: Box<dyn Stream>) -> Result<Wire, DialError> {
        let ca_file = self.relay.ca_file.as_deref();
        let limit = self.limits.command;
        let handshake = (self.trust).handshake(stream, &self.relay.host, ca_file, limit);
        match handshake.await {
            Ok((stream, line)) => {
                self.trace.done(Phase::Tls, line);
                Ok(Wire::encrypted(stream))
            }
            Err(TlsError { reason, fault }) => Err(DialError {
                phase: Phase::Tls,
                answer: None,
                reason,
                fault,
            }),
        }
    }

    async fn greet(
        &mut self,
        mut wire: Wire,
        hello: &ClientId,
    ) -> Result<(Wire, Abilities), DialError> {
        let greeting = wire.reply(self.limits.greeting).await;
        let greeting = expect(Phase::Greeting, greeting, 220)?;
        self.trace.done(Phase::Greeting, greeting.text);
        let abilities = self.say_hello(&mut wire, hello).await?;
        Ok((wire, abilities))
    }

    async fn say_hello(
        &mut self,
        wire: &mut Wire,
        hello: &ClientId,
    ) -> Result<Abilities, DialError> {
        let limit = self.limits.command;
        let ehlo = wire.command(Ehlo::new(hello.clone()), limit);
        match ehlo.await {
            // A server from before 1995: no extensions.
            Ok(answer) if matches!(answer.code, 500 | 502) => {
                let helo = wire.command(format!("HELO {hello}\r\n"), limit).await;
                expect(Phase::Ehlo, helo, 250)?;
                Ok(Abilities::default())
            }
            answer => {
                let answer = expect(Phase::Ehlo, answer, 250)?;
                Ok(Abilities::parse(&answer.text))
            }
        }
    }

    /// Returns whether the connection is encrypted now.
    async fn start_tls(
        &mut self,
        mut wire: Wire,
        abilities: Abilities,
        mode: Mode,
        hello: &ClientId,
    ) -> Result<(Wire, Abilities, bool), DialError> {
        match mode {
            Mode::Plain | Mode::Opportunistic if mode == Mode::Plain || !abilities.starttls => {
                return Ok((wire, abilities, false));
            }
            _ if !abilities.starttls => {
                let reason = format!(
                    "the relay offers no STARTTLS on port {}; set another port, or tls to implicit (or none, without a \
                     login) in the integration's config",
                    self.relay.port
                );
                return Err(mend(Phase::Tls, Fault::Tls, reason));
            }
            _ => {}
        }
        let answer = wire.command(Starttls, self.limits.command).await;
        expect(Phase::Tls, answer, 220)?;
        let Some(stream) = wire.into_stream() else {
            // RFC 3207 section 6: what came before the handshake may be from somebody else.
            let reason =
                "the relay said more after STARTTLS than it should: somebody may be tampering";
            return Err(mend(Phase::Tls, Fault::Tls, reason));
        };
        let mut wire = self.encrypt(stream).await?;
        // RFC 3207 section 4.2: what was offered before is forgotten.
        let abilities = self.say_hello(&mut wire, hello).await?;
        Ok((wire, abilities, true))
    }

    /// RFC 4954. PLAIN (RFC 4616) takes one round trip, LOGIN three.
    async fn log_in(
        &mut self,
        wire: &mut Wire,
        abilities: &Abilities,
        username: &str,
        password: &Secret,
    ) -> Result<(), DialError> {
        let limit = self.limits.command;
        let encode = |text: &str| BASE64_STANDARD.encode(text);
        let whole = encode(&format!("\0{username}\0{}", password.reveal()));
        let secrets = [
            whole.clone(),
            encode(password.reveal()),
            password.reveal().to_owned(),
        ];
        let (mechanism, answer) = if abilities.offers_login_by("PLAIN") {
            let plain = wire.command(format!("AUTH PLAIN {whole}\r\n"), limit);
            ("PLAIN", plain.await)
        } else if abilities.offers_login_by("LOGIN") {
            let mut answer = wire.command("AUTH LOGIN\r\n", limit).await;
            for text in [username, password.reveal()] {
                expect(Phase::Auth, without(answer, &secrets), 334)?;
                answer = wire.command(format!("{}\r\n", encode(text)), limit).await;
            }
            ("LOGIN", answer)
        } else {
            let offered = match abilities.logins.is_empty() {
                true => "no login at all".to_owned(),
                false => format!("only {}", abilities.logins.join(", ")),
            };
            let reason = format!("the relay offers {offered}; PLAIN or LOGIN is needed");
            return Err(mend(Phase::Auth, Fault::Auth, reason));
        };
        expect(Phase::Auth, without(answer, &secrets), 235)?;
        let line = format!("the relay accepts the login, by {mechanism}");
        self.trace.done(Phase::Auth, line);
        Ok(())
    }
}

/// Some relays repeat what they do not understand.
fn without(answer: Result<Answer, Lost>, secrets: &[String]) -> Result<Answer, Lost> {
    let without = |text: String| {
        let replace = |text: String, secret: &String| text.replace(secret.as_str(), "***");
        secrets.iter().fold(text, replace)
    };
    match answer {
        Ok(answer) => Ok(Answer {
            text: without(answer.text),
            ..answer
        }),
        Err(Lost(how)) => Err(Lost(without(how))),
    }
}

fn expect(phase: Phase, answer: Result<Answer, Lost>, code: u16) -> Result<Answer, DialError> {
    match answer {
        Ok(answer) if answer.code == code => Ok(answer),
        Ok(answer) => Err(DialError {
            phase,
            reason: format!("{} {}", answer.code, answer.text),
            answer: Some(answer),
            fault: None,
        }),
        Err(Lost(how)) => Err(failed(phase, how)),
    }
}

/// May pass by itself.
fn failed(phase: Phase, reason: String) -> DialError {
    DialError {
        phase,
        answer: None,
        reason,
        fault: None,
    }
}

fn mend(phase: Phase, fault: Fault, reason: impl Into<String>) -> DialError {
    DialError {
        phase,
        answer: None,
        reason: reason.into(),
        fault: Some(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::tests::spec;

    #[test]
    fn tls_follows_from_port_login_and_secure() {
        let decided = |port, secure, login: bool, loopback| {
            let mut relay = spec(port);
            relay.secure = secure;
            relay.username = login.then(|| "me".to_owned());
            mode(&relay, loopback)
        };
        for (port, secure, login, loopback, expected) in [
            (465, false, false, false, Mode::Implicit),
            (465, false, false, true, Mode::Implicit),
            (587, false, false, false, Mode::Starttls),
            (587, false, true, true, Mode::Starttls),
            (587, true, true, false, Mode::Starttls),
            (2525, false, false, false, Mode::Starttls),
            (2525, false, false, true, Mode::Plain),
            (25, false, true, false, Mode::Starttls),
            (25, true, false, false, Mode::Starttls),
            (25, false, false, false, Mode::Opportunistic),
            (25, false, false, true, Mode::Plain),
            (4465, true, false, false, Mode::Implicit),
            (1025, false, true, true, Mode::Plain),
            (1025, false, true, false, Mode::Starttls),
            (1025, false, false, false, Mode::Opportunistic),
        ] {
            let case = (port, secure, login, loopback);
            assert_eq!(decided(port, secure, login, loopback), expected, "{case:?}");
        }
    }

    #[test]
    fn the_setting_wins_over_the_port() {
        for (tls, expected) in [
            (TlsMode::None, Mode::Plain),
            (TlsMode::Starttls, Mode::Starttls),
            (TlsMode::Implicit, Mode::Implicit),
        ] {
            let mut relay = spec(465);
            relay.tls = tls;
            assert_eq!(mode(&relay, true), expected);
        }
    }
}
