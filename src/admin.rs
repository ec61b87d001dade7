//! The write path: one coordinator, and one implementation per kind of change.
//!
//! Every write, an import included, is a [`Change`]: ordinary code that checks
//! the rules, changes the entities and reports the keys it invalidates. The
//! [`WriteCoordinator`] runs it once as a rehearsal, which is also the dry run;
//! announces the keys; and runs it again in the transaction that commits it, with
//! its audit rows, the tenant's next revision and the answer stored for retries
//! (`ARCHITECTURE.md`, W0 to W5). A change whose rehearsal has no effect ends
//! there and takes no revision.
//!
//! Rejected alternative: commit first, invalidate the caches of other servers
//! afterwards. In between, a cached answer would be older than a write that has
//! already returned.

mod app_change;
mod audit;
mod caller_change;
mod category_removal;
mod change;
mod change_set;
mod effect_counter;
mod entity_change;
pub mod entry;
mod error;
mod fault;
mod guards;
mod impact;
mod import;
mod interned_names;
mod invalidated_keys;
mod outcome;
mod plan;
mod product_change;
mod refusals;
pub mod request;
mod rights;
mod staging;
mod tenant_change;
mod work;
mod write_context;
mod write_coordinator;

pub use self::{
    app_change::{AppRequest, AppWritten, ConnectionStep, EncodeAppWritten, RequestedScopes},
    caller_change::{CallerEntry, CallerRequest, CreatedKey},
    change::{AuditEntry, Change, Pass, Rehearsal, RunResult, TenantState},
    entity_change::EncodeWritten,
    error::AdminError,
    fault::{Fault, Refused},
    outcome::{
        Answered, Effect, FileReport, ImportOptions, ImportOutcome, ImportPhase, KeptItem, Prune,
        Written,
    },
    plan::{Cascade, DefaultRights},
    product_change::ProductRequest,
    staging::Staging,
    tenant_change::TenantRequest,
    write_context::WriteContext,
    write_coordinator::WriteCoordinator,
};
