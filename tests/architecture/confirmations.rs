//! Nothing is returned from facts or snapshots without a confirmation
//! (`docs/coherence.md`, A4): what could be used to forget it stays inside the
//! few files that confirm.

use super::{
    scan::without_comments,
    sources::{self, Source},
};

/// Calls by which an answer could be returned unconfirmed, with the files that may
/// make them.
const INTERNAL: [(&str, &[&str]); 10] = [
    ("fact_reader(", &["src/cache/"]),
    (".lend(", &["src/cache/"]),
    (".confirm_lent(", &["src/cache/"]),
    (".is_confirmed()", &["src/cache/"]),
    (".page_facts(", &["src/cache/", "src/listing/ahead.rs"]),
    (".confirm_page(", &["src/cache/", "src/listing/ahead.rs"]),
    (
        ".confirm_snapshot(",
        &["src/cache/", "src/admin/write_coordinator.rs"],
    ),
    (
        "into_unconfirmed_value(",
        &["src/cache/", "src/store/unconfirmed.rs"],
    ),
    (".snapshot($tenant", &["src/store/snapshot.rs"]),
    (".reader(", &["src/store/snapshot.rs"]),
];

fn confirmation_complaints(source: &Source) -> Vec<String> {
    let code = without_comments(&source.text);
    let used = INTERNAL.iter().filter(|(call, files)| {
        let is_allowed = files.iter().any(|file| source.path.starts_with(file));
        code.contains(call) && !is_allowed
    });
    used.map(|(call, files)| {
        format!(
            "{}: calls `{call}…`, which only {files:?} may: use `with_current_facts!`, \
             `with_lent_facts!`, `with_page_facts!` or `read_tenant!`, which confirm",
            source.path
        )
    })
    .collect()
}

#[test]
fn answers_are_confirmed_where_they_are_read() {
    let complaints: Vec<String> = sources::rust("src")
        .iter()
        .flat_map(confirmation_complaints)
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_internal_call_exists() {
    let sources = sources::rust("src");
    for (call, files) in INTERNAL {
        for file in files {
            let exists = sources.iter().any(|source| {
                source.path.starts_with(file) && without_comments(&source.text).contains(call)
            });
            assert!(exists, "{file} has no `{call}…`");
        }
    }
}

#[test]
fn unconfirmed_answer_is_reported() {
    let careless = "fn f() { let facts = cache.fact_reader(tenant).facts(); }";
    let complaints = confirmation_complaints(&Source::new("src/rpc/x.rs", careless));
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    let confirmed = "fn f() { with_current_facts!(cache, tenant, needed, minimum, |facts| 1) }";
    assert!(confirmation_complaints(&Source::new("src/rpc/x.rs", confirmed)).is_empty());
}
