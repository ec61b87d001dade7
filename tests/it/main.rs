//! Integration tests of a real server on a real PostgreSQL, called over gRPC.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::panic,
    reason = "a test that meets what it does not expect fails"
)]
#![expect(
    clippy::unnecessary_wraps,
    reason = "messages as the fields of other messages take them"
)]

mod administered_rules;
mod administration;
mod answers;
mod app_rules;
mod app_scopes;
mod audit_chain;
mod audit_facts;
mod bounded;
mod caller_tls;
mod callers;
mod category_levels;
mod changed_columns;
mod changes;
mod crowded;
mod database_tls;
mod described_products;
mod differential;
mod dry_runs;
mod effective_access;
mod effective_twins;
mod fuzzed_requests;
mod generated;
#[path = "../../src/bin/pim-authz-gen/generator.rs"]
mod generator;
mod harness;
mod hostile;
mod http;
mod icecat;
mod import_files;
mod import_plans;
mod import_writes;
mod imported_rules;
mod imports;
mod installations;
mod killed;
mod limits;
mod list_plans;
mod list_refusals;
mod list_writes;
mod listings;
mod lost_logs;
mod new_codes;
mod observed;
mod operations;
mod outage_conditions;
mod outages;
mod page_tokens;
mod partial_files;
mod past_failures;
mod poolers;
mod prunes;
mod refusals;
mod remedies;
mod serving;
mod small_calls;
mod stored_answers;
mod supervised;
#[path = "../support/support.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "the worlds of the rules can do more"
)]
mod support;
mod unrelated_writes;
mod waiting;
mod watches;
mod write_refusals;
