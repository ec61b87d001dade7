//! Holds what ARCHITECTURE.md and CONTRIBUTING.md promise of the sources: the
//! modules and their arrows, the shape of files, and that rules, tests and
//! citations go together.
//!
//! Each guard is a function of text that returns complaints, so that a guard
//! can be shown to fail.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read its files fails"
)]

mod arrows;
mod citations;
mod languages;
mod links;
mod manual;
mod scan;
mod shape;
mod sources;
mod tour;
