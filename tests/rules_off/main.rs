//! Each rule of the coherence protocol is needed: a schedule of a few steps, the
//! shortest counterexample of `tests/coherence-model` where it has one, ends in a
//! wrong response if the rule is switched off, and in a right one with all rules.
//!
//! Nothing depends on chance: statements are held on their way to PostgreSQL, and calls
//! at gates between two steps (`src/failpoints/gates.rs`).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it does not expect fails"
)]

mod clocks;
mod epochs;
mod facts;
mod harness;
#[path = "../support/history.rs"]
#[expect(dead_code, reason = "a failure prints it")]
mod history;
mod joins;
mod leases;
mod lists;
mod log;
#[path = "../support/postgres_proxy/proxy.rs"]
#[expect(dead_code, unused_imports, reason = "other tests use more of it")]
mod postgres_proxy;
#[path = "../support/registers.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod registers;
mod seeds;
mod waits;
mod writes;
