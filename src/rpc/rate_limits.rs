use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use tonic::{Status, body::Body, codegen::http};

use crate::domain::Code;

use super::{
    caller_identity::CallerIdentity,
    caller_rate::CallerRate,
    failure::Failure,
    layers::{Behind, Handler},
};

/// Number of calls between two evictions of idle callers.
const REMOVED_EVERY: u32 = 16 << 10;

/// Rejects calls of callers that exceed their rate.
///
/// It stands behind [`super::Authentication`], so that no caller uses up the
/// quota of another, and before the message is read: a rejected call costs only
/// its authentication. Every call counts as one, including a batch, a stream and
/// an import. Calls without credentials and health checks are not limited.
#[derive(Clone, Debug)]
pub struct RateLimits {
    meter: Option<Arc<Meter<DefaultClock>>>,
}

impl RateLimits {
    /// Limits each caller to `rate`; `None`: no limit.
    #[must_use]
    pub fn new(rate: Option<CallerRate>) -> Self {
        let meter = rate.map(|rate| Meter::new(rate, DefaultClock::default()));
        Self {
            meter: meter.map(Arc::new),
        }
    }

    fn check(&self, extensions: &http::Extensions) -> Result<(), Failure> {
        let Some(meter) = &self.meter else {
            return Ok(());
        };
        let Some(caller) = extensions
            .get::<CallerIdentity>()
            .and_then(CallerIdentity::name)
        else {
            return Ok(());
        };
        meter.check(caller)
    }
}

/// Token buckets of the callers.
///
/// Only authenticated callers have an entry. It is evicted once its bucket is
/// full again, so there are at most as many entries as callers.
#[derive(Debug)]
struct Meter<C: Clock> {
    rate: CallerRate,
    limiter: RateLimiter<Code, DefaultKeyedStateStore<Code>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    /// Number of calls since the last eviction.
    calls: AtomicU32,
}

impl<C: Clock + Clone> Meter<C> {
    fn new(rate: CallerRate, clock: C) -> Self {
        let quota = Quota::per_second(rate.calls_per_second).allow_burst(rate.burst);
        let states = DefaultKeyedStateStore::default();
        Self {
            rate,
            limiter: RateLimiter::new(quota, states, clock.clone()),
            clock,
            calls: AtomicU32::new(0),
        }
    }

    /// Counts a call of `caller`; fails if its bucket is empty.
    fn check(&self, caller: &Code) -> Result<(), Failure> {
        if self.calls.fetch_add(1, Ordering::Relaxed) == REMOVED_EVERY {
            self.calls.store(0, Ordering::Relaxed);
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        self.limiter.check_key(caller).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            Failure::RateLimited {
                caller: caller.clone(),
                rate: self.rate,
                wait: wait.max(Duration::from_millis(1)),
            }
        })
    }
}

impl<S: Handler> Handler for Behind<RateLimits, S> {
    async fn handle(&self, request: http::Request<Body>) -> http::Response<Body> {
        match self.layer.check(request.extensions()) {
            Ok(()) => self.inner.handle(request).await,
            Err(failure) => Status::from(failure).into_http(),
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use std::num::NonZeroU32;

    use super::*;

    fn meter(calls_per_second: u32, burst: u32) -> (Meter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let rate = CallerRate {
            calls_per_second: NonZeroU32::new(calls_per_second).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
        };
        (Meter::new(rate, clock.clone()), clock)
    }

    fn named(caller: &str) -> Code {
        caller.parse().unwrap()
    }

    /// Returns the time that a rejected caller has to wait.
    fn wait(refused: &Result<(), Failure>) -> Duration {
        let Err(Failure::RateLimited { wait, .. }) = refused else {
            panic!("{refused:?}");
        };
        *wait
    }

    #[test]
    fn each_caller_has_its_own_burst_and_rate() {
        let (meter, clock) = meter(10, 3);
        let (shop, erp) = (named("shop"), named("erp"));
        for _ in 0..3 {
            meter.check(&shop).unwrap();
        }
        assert_eq!(wait(&meter.check(&shop)), Duration::from_millis(100));
        // Codes are compared case-insensitively: this is the same caller.
        assert_eq!(
            wait(&meter.check(&named("SHOP"))),
            Duration::from_millis(100)
        );
        meter.check(&erp).unwrap();
        clock.advance(Duration::from_millis(99));
        assert_eq!(wait(&meter.check(&shop)), Duration::from_millis(1));
        clock.advance(Duration::from_millis(1));
        meter.check(&shop).unwrap();
        assert_eq!(wait(&meter.check(&shop)), Duration::from_millis(100));
        // The bucket never exceeds the burst, however long the caller was idle.
        clock.advance(Duration::from_hours(1));
        let taken = (0..10).filter(|_| meter.check(&shop).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn idle_callers_are_evicted() {
        let (meter, clock) = meter(1_000, 1);
        for number in 0..100 {
            meter.check(&named(&format!("caller_{number}"))).unwrap();
        }
        assert_eq!(meter.limiter.len(), 100);
        clock.advance(Duration::from_mins(1));
        let last = named("last");
        for _ in 0..=REMOVED_EVERY {
            clock.advance(Duration::from_millis(1));
            meter.check(&last).unwrap();
        }
        assert_eq!(meter.limiter.len(), 1);
    }
}
