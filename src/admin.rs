//! The write path: one coordinator, and one implementation per kind of change.
//!
//! Every write, an import included, is a `Change`: ordinary code that checks the
//! rules, compares a request with what is stored, and writes the difference. The
//! [`WriteCoordinator`] has it compared once as a rehearsal, which is also the dry
//! run; announces the keys that it invalidates; and has it compared again, unless
//! the tenant is still the same, and written in the transaction that commits it,
//! with its audit rows, the tenant's next revision and the answer stored for
//! retries (`ARCHITECTURE.md`, W0 to W5). A change whose rehearsal has no effect
//! ends there and takes no revision.
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
mod coded_kind;
mod compared;
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
mod run;
mod staging;
mod tenant_change;
mod tracked;
mod work;
mod write_context;
mod write_coordinator;

pub(crate) use self::change::Change;
pub use self::{
    app_change::{AppDetails, AppRequest, ConnectionStep, RequestedScopes},
    caller_change::{CallerEntry, CallerRequest, CreatedKey},
    category_removal::CategoryRemoval,
    coded_kind::CodedKind,
    error::AdminError,
    fault::{Fault, Refused},
    outcome::{
        Answered, Effect, Encode, FileReport, ImportOptions, ImportPhase, ImportReport, KeptItem,
        Prune, Written,
    },
    plan::{Cascade, DefaultRights},
    product_change::ProductRequest,
    staging::Staging,
    tenant_change::TenantRequest,
    write_context::WriteContext,
    write_coordinator::WriteCoordinator,
};
