//! Tests the commands in the documentation: each command of README.md and of other
//! pages is read from the page and run in order in a demonstration, and its output
//! is compared with the output that the page shows.
//!
//! Optional programs (grpcurl, ghz, buf, go, python) are run if they are installed;
//! otherwise the tests print the commands that were not run.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets what it does not expect fails"
)]

#[path = "../support/demonstration.rs"]
mod demonstration;
mod page;
mod pages;
mod printed;
mod shown;
mod terminal;
