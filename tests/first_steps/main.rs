//! The first steps of a newcomer, as the documentation has them: each command
//! of README.md and of the pages beside it is read from the page, run in
//! order in a demonstration, and compared with the output that is shown.
//!
//! Programs that a machine may lack (grpcurl, ghz, buf, go, python) are run
//! where they are, and named where they are not.
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
