//! Deterministic interleavings: single statements of one server are stopped on their
//! way to PostgreSQL while other servers act (`docs/coherence.md`). Each interleaving
//! is a test of a second or two, and does not depend on chance.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it does not expect fails"
)]

mod bounds;
mod epochs;
mod harness;
mod intents;
mod isolation;
mod outcomes;
#[path = "../support/postgres_proxy/proxy.rs"]
mod postgres_proxy;
mod proxied;
mod remade;
mod retries;
mod shared_commits;
mod standbys;
