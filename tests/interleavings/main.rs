//! Single statements of one server stopped on their way to PostgreSQL while
//! others act (`docs/coherence.md`): each interleaving is a test of a second or
//! two, not a matter of luck.
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
mod standbys;
