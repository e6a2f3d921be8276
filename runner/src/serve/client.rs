//! The address of whoever asks.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::Response;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of the connection: the client, or a proxy.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// The client, as far as the proxy is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client(pub IpAddr);

/// Adds [`Client`] to the request.
pub async fn identify(State(forwarded): State<bool>, mut request: Request, next: Next) -> Response {
    if let Some(Peer(peer)) = request.extensions().get().copied() {
        let told = forwarded.then(|| told(request.headers())).flatten();
        let client = Client(told.unwrap_or(peer).to_canonical());
        request.extensions_mut().insert(client);
    }
    next.run(request).await
}

/// The entry that the proxy itself added: those before it are whatever the client wrote.
fn told(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED_FOR).iter().next_back()?;
    let last = last.to_str().ok()?.rsplit(',').next()?;
    let last = last.trim();
    // Some proxies add the port.
    let with_port = || Some(last.parse::<SocketAddr>().ok()?.ip());
    last.parse().ok().or_else(with_port)
}

/// What counts as one: an IPv6 client has a whole /64.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn from(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        told(&headers).map(|address| address.to_string())
    }

    #[test]
    fn only_the_last_entry_is_believed() {
        assert_eq!(from(&[]), None);
        assert_eq!(from(&["192.0.2.1"]).unwrap(), "192.0.2.1");
        assert_eq!(from(&["198.51.100.9, 192.0.2.1"]).unwrap(), "192.0.2.1");
        assert_eq!(
            from(&["198.51.100.9", "2001:db8::1"]).unwrap(),
            "2001:db8::1"
        );
        assert_eq!(from(&["192.0.2.1, nonsense"]), None);
    }

    #[test]
    fn an_entry_may_have_a_port() {
        assert_eq!(from(&["192.0.2.1:5678"]).unwrap(), "192.0.2.1");
        assert_eq!(from(&["[2001:db8::1]:5678"]).unwrap(), "2001:db8::1");
        assert_eq!(from(&["192.0.2.1:nonsense"]), None);
    }
}
