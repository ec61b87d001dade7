//! Failpoints: rules of the coherence protocol that a test build can switch off, and
//! places at which it can stop calls. This shows that each rule is needed: without it,
//! a schedule of `tests/rules_off` ends in a wrong response, or the checker of
//! `tests/coherence` detects one.
//!
//! Active only with the feature `failpoints`, which no release has. Without it
//! every rule applies and the checks below cost nothing. Most rules are a check that
//! is skipped; what a server does wrong without one of the others is in
//! [`mistakes`].

pub mod gates;
pub mod mistakes;
pub mod rules;

pub use self::{
    gates::{Gate, reach},
    rules::{Rule, is_disabled},
};

#[cfg(not(feature = "failpoints"))]
mod rates {
    /// Returns the clock unchanged in this build.
    #[must_use]
    #[inline]
    pub const fn clock(nanoseconds: u64) -> u64 {
        nanoseconds
    }
}

#[cfg(feature = "failpoints")]
mod rates {
    use std::{env::var, sync::LazyLock};

    /// Rate of the clock, in percent of the real one.
    static CLOCK_PERCENT: LazyLock<u64> = LazyLock::new(|| {
        var("PIM_AUTHZ_FAILPOINT_CLOCK_PERCENT")
            .map_or(100, |percent| percent.parse().unwrap_or(100))
    });

    /// Returns the clock scaled by the configured rate.
    #[must_use]
    pub fn clock(nanoseconds: u64) -> u64 {
        nanoseconds / 100 * *CLOCK_PERCENT
    }
}

pub use self::rates::clock;
