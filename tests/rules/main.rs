//! What the service decides, rule by rule, on worlds in memory.
//!
//! Every rule of `docs/rules.md` that the engine applies has a test that
//! carries its number; the product's own examples have theirs; and random
//! worlds are compared with a naive reference.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that meets what it does not expect fails"
)]

#[path = "../support/support.rs"]
mod support;

mod actions;
mod app_scopes;
mod apps;
mod descriptions;
mod examples;
mod files;
mod items;
mod levels;
mod matrix;
mod permissions;
mod products;
mod random;
mod reasons;
mod remedies;
mod shared_levels;
mod subjects;
mod suggestions;
mod unknown_names;
mod values;
