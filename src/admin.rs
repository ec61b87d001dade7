//! How a change is made: one door, and a function for each kind of change.
//!
//! Every write, an import included, is a [`Change`]: ordinary code that checks
//! the rules, changes the facts and reports what it touched. The [`Door`] runs
//! it once as a rehearsal, which is also the dry run; announces what it is
//! going to touch; and runs it again in the transaction that commits it, with
//! its audit rows, the tenant's next revision and the answer for a retry
//! (`ARCHITECTURE.md`, W0 to W5). A change that the rehearsal finds to change
//! nothing ends there and takes no revision.
//!
//! Not taken: writing first and telling the others after. Between the two an
//! answer from memory would be older than a write that has returned.

mod app_change;
mod caller_change;
mod category_removal;
mod change;
mod door;
pub mod entry;
mod error;
mod fault;
mod guards;
mod impact;
mod import;
mod noun_change;
mod outcome;
mod plan;
mod product_change;
mod refusals;
pub mod request;
mod rights;
mod staging;
mod tally;
mod tenant_change;
mod touched;
mod trail;
mod work;
mod world;

pub use self::{
    app_change::{
        AppRequest, AppRightEntry, AppWritten, AskedScopes, ConnectionStep, EncodeAppWritten,
    },
    caller_change::{CallerEntry, CallerRequest, CreatedKey},
    change::{AuditEntry, Change, Pass, Ran, Rehearsal, TenantState},
    door::{Door, WriteContext},
    error::AdminError,
    fault::{Fault, Refused},
    noun_change::EncodeWritten,
    outcome::{
        Answered, Effect, FileReport, ImportOptions, ImportOutcome, ImportPhase, KeptItem, Prune,
        Written,
    },
    plan::{Cascade, DefaultRights},
    product_change::ProductRequest,
    staging::Staging,
    tenant_change::TenantRequest,
};
