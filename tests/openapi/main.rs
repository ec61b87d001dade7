//! Generates `proto/openapi.json`, which the server serves, from the descriptors of the
//! contract, and compares the result with the committed file.
//! `UPDATE=1 cargo test --test openapi` rewrites that file.
//!
//! The document describes what HTTP can call: each RPC without a stream of requests, and
//! the endpoints in [`authzen`]. Comments of the contract become descriptions.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot read the contract fails"
)]

mod authzen;
mod calls;
mod comments;
mod connect;
mod contract;
mod document;
mod schemas;
mod soundness;

use std::{env, fs, path::Path};

/// The committed document, from the root of the repository.
const COMMITTED: &str = "proto/openapi.json";

/// Returns the first line at which two texts differ, with its number.
fn first_difference(committed: &str, generated: &str) -> String {
    let (mut before, mut after) = (committed.lines(), generated.lines());
    let mut number = 0_usize;
    loop {
        number += 1;
        let lines = (before.next(), after.next());
        match lines {
            (None, None) => return "only in their line breaks".to_owned(),
            (before, after) if before == after => {}
            (before, after) => {
                let [before, after] = [before, after].map(|line| line.unwrap_or("nothing"));
                return format!("in line {number}: {before}\ninstead of: {after}");
            }
        }
    }
}

#[test]
fn committed_document_describes_the_contract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(COMMITTED);
    let generated = document::text();
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, generated).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{COMMITTED} does not match the contract; run `UPDATE=1 cargo test --test openapi`\n\
         it differs {}",
        first_difference(&committed, &generated)
    );
}

#[test]
fn first_difference_is_reported() {
    let cases = [
        ("a\nb", "a\nc", "in line 2: b\ninstead of: c"),
        ("a", "a\nb", "in line 2: nothing\ninstead of: b"),
        ("a\nb", "a", "in line 2: b\ninstead of: nothing"),
        ("a", "a\n", "only in their line breaks"),
    ];
    for (committed, generated, expected) in cases {
        assert_eq!(first_difference(committed, generated), expected);
    }
}
