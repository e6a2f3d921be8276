//! How often a client may ask, and how long an answer may take.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::client::{Client, network};
use super::problem::{self, Problem};

/// A client may ask that many times the rate at once.
const BURST: NonZeroU32 = NonZeroU32::new(4).unwrap();
/// Clients that are remembered; when there are more, those that asked long ago are forgotten.
const CLIENTS: usize = 10_000;

/// For everything up to the head of the answer.
const TIMEOUT: Duration = Duration::from_secs(30);

pub async fn end_in_time(request: Request, next: Next) -> Result<Response, Problem> {
    tokio::time::timeout(TIMEOUT, next.run(request))
        .await
        .map_err(|_| problem::unanswered())
}

/// Counts by address.
pub struct Rate<C: Clock = MonotonicClock> {
    limiter: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, C, NoOpMiddleware<C::Instant>>,
}

impl Rate {
    pub fn new(per_second: NonZeroU32) -> Rate {
        Rate::with_clock(per_second, MonotonicClock)
    }
}

impl<C: Clock> Rate<C> {
    fn with_clock(per_second: NonZeroU32, clock: C) -> Rate<C> {
        let quota = Quota::per_second(per_second).allow_burst(per_second.saturating_mul(BURST));
        let clients = HashMapStateStore::default();
        Rate {
            limiter: RateLimiter::new(quota, clients, clock),
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
        if self.limiter.len() >= CLIENTS {
            self.limiter.retain_recent();
        }
        let Err(not_until) = self.limiter.check_key(&network(client)) else {
            return Ok(());
        };
        let wait = not_until.wait_time_from(self.limiter.clock().now());
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

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn rate_and_clock() -> (Rate<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let rate = Rate::with_clock(NonZeroU32::new(5).unwrap(), clock.clone());
        (rate, clock)
    }

    fn taken(rate: &Rate<FakeRelativeClock>, client: &str, n: usize) -> usize {
        let client = client.parse().unwrap();
        (0..n).filter(|_| rate.take_by(client).is_ok()).count()
    }

    #[test]
    fn a_client_has_its_rate_and_a_burst() {
        let (rate, clock) = rate_and_clock();
        assert_eq!(taken(&rate, "192.0.2.1", 100), 20);
        assert_eq!(taken(&rate, "192.0.2.2", 100), 20);
        clock.advance(Duration::from_secs(1));
        assert_eq!(taken(&rate, "192.0.2.1", 100), 5);
        clock.advance(Duration::from_secs(60));
        assert_eq!(taken(&rate, "192.0.2.1", 100), 20);
    }

    #[test]
    fn an_ipv6_client_is_a_network() {
        let (rate, _) = rate_and_clock();
        assert_eq!(taken(&rate, "2001:db8::1", 100), 20);
        assert_eq!(taken(&rate, "2001:db8::ffff:2", 100), 0);
        assert_eq!(taken(&rate, "2001:db8:0:1::1", 100), 20);
    }

    #[test]
    fn clients_that_are_gone_are_forgotten() {
        let (rate, clock) = rate_and_clock();
        for n in 0..CLIENTS as u32 {
            rate.take_by(IpAddr::from(n.to_be_bytes())).unwrap();
        }
        clock.advance(Duration::from_secs(10));
        assert_eq!(taken(&rate, "192.0.2.1", 1), 1);
        assert_eq!(rate.limiter.len(), 1);
    }
}
