//! Checks the sources against ARCHITECTURE.md and CONTRIBUTING.md: the modules and
//! their dependencies, the shape of files, and that rules, tests and citations
//! agree.
//!
//! Each check is a function of text that returns complaints, so that a test can
//! show that the check fails when it should.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot read its files fails"
)]

mod arrows;
mod assertions;
mod circles;
mod citations;
mod code;
mod confirmations;
mod functions;
mod languages;
mod links;
mod manual;
mod paths;
mod scan;
mod shape;
mod sources;
mod tour;
mod twins;
