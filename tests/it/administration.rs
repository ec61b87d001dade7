//! Administration: random writes against a naive model, replay of the audit
//! log, retries, and concurrent writers.

mod administered;
mod affected;
mod calls;
mod concurrent;
mod deep_trees;
mod dry_runs;
mod file_rows;
mod focused;
mod listed;
mod properties;
mod random_call;
mod replay;
mod retries;
mod snapshot;
mod steps;
