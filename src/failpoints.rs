//! Failpoints: rules of the coherence protocol that a test build can switch off, places
//! at which it can stop calls, and clocks that it can set. This shows that each rule is
//! needed: without it, a schedule of `tests/rules_off` ends in a wrong response, or the
//! checker of `tests/coherence` detects one.
//!
//! Active only with the feature `failpoints`, which no release has. Without it
//! every rule applies and the checks below cost nothing. Most rules are a check that
//! is skipped; what a server does wrong without one of the others is in
//! [`mistakes`].

pub mod clocks;
pub mod gates;
pub mod mistakes;
pub mod rules;

pub use self::{
    clocks::Skew,
    gates::{Gate, reach},
    rules::{Rule, is_disabled},
};
