//! How often a client may ask, and how long an answer may take.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::client::Client;
use super::problem::{self, Problem};

/// A client may ask that many times the rate at once.
const BURST: u32 = 4;
/// Clients that are remembered; when there are more, those that asked long ago are forgotten.
const CLIENTS: usize = 10_000;

/// For everything up to the head of the answer.
const TIMEOUT: Duration = Duration::from_secs(30);

pub async fn end_in_time(request: Request, next: Next) -> Result<Response, Problem> {
    tokio::time::timeout(TIMEOUT, next.run(request))
        .await
        .map_err(|_| problem::timed_out())
}

/// Counts by address; an IPv6 client has a whole /64.
pub struct Rate {
    interval: Duration,
    burst: Duration,
    /// When a client will have used up nothing of its burst.
    idle_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl Rate {
    pub fn new(per_second: NonZeroU32) -> Rate {
        let interval = Duration::from_secs(1) / per_second.get();
        Rate {
            interval,
            burst: interval * per_second.get() * BURST,
            idle_at: Mutex::default(),
        }
    }

    /// # Errors
    /// Its client has asked too often.
    pub fn take(&self, request: &Request) -> Result<(), Problem> {
        match request.extensions().get() {
            Some(Client(address)) => self.take_by(*address),
            None => Ok(()),
        }
    }

    fn take_by(&self, client: IpAddr) -> Result<(), Problem> {
        let now = Instant::now();
        // A panic in another thread leaves times behind, which are good enough.
        let mut idle_at = match self.idle_at.lock() {
            Ok(idle_at) => idle_at,
            Err(poisoned) => poisoned.into_inner(),
        };
        if idle_at.len() >= CLIENTS {
            idle_at.retain(|_, at| *at > now);
        }
        let at = idle_at.entry(network(client)).or_insert(now);
        let taken = (*at).max(now) + self.interval;
        let wait = (taken - now).saturating_sub(self.burst);
        if wait.is_zero() {
            *at = taken;
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate",
            "this client asks too often",
            "Requests are counted by address.",
            "Wait as long as Retry-After says. Events of a campaign come by themselves from /api/campaigns/{id}/events.",
        )
        .retry_after(wait.as_secs() + 1))
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn taken(rate: &Rate, client: &str, n: usize) -> usize {
        let client = client.parse().unwrap();
        (0..n).filter(|_| rate.take_by(client).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_its_rate_and_a_burst() {
        let rate = Rate::new(NonZeroU32::new(5).unwrap());
        assert_eq!(taken(&rate, "192.0.2.1", 100), 20);
        assert_eq!(taken(&rate, "192.0.2.2", 100), 20);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(&rate, "192.0.2.1", 100), 5);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(taken(&rate, "192.0.2.1", 100), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_client_is_a_network() {
        let rate = Rate::new(NonZeroU32::new(5).unwrap());
        assert_eq!(taken(&rate, "2001:db8::1", 100), 20);
        assert_eq!(taken(&rate, "2001:db8::ffff:2", 100), 0);
        assert_eq!(taken(&rate, "2001:db8:0:1::1", 100), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_are_gone_are_forgotten() {
        let rate = Rate::new(NonZeroU32::new(5).unwrap());
        for n in 0..CLIENTS as u32 {
            rate.take_by(IpAddr::from(n.to_be_bytes())).unwrap();
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(taken(&rate, "192.0.2.1", 1), 1);
        assert_eq!(rate.idle_at.lock().unwrap().len(), 1);
    }
}
