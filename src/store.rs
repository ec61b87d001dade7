//! How facts are kept: PostgreSQL behind one door.
//!
//! Every statement has a name, is measured, and goes through [`Store`] or a
//! [`Transaction`] that it began; nothing else of the program names SQL. What
//! is stored twice, a code and its folding, is compared by the folding alone
//! (rules 1.5).
//!
//! The facts of any number of questions are read by one statement, so by one
//! snapshot and one round trip ([`Store::facts`]).

mod announcements;
mod door;
mod error;
mod facts;
mod noun_lists;
mod noun_writes;
mod nouns;
mod product_lists;
mod schema;
mod secret_keys;
mod snapshot;
mod staged_products;
mod tenants;
mod writes;

pub use self::{
    announcements::Announcement,
    door::{Connection, Store, Transaction},
    error::StoreError,
    noun_lists::{Listed, ListedNoun},
    noun_writes::{NounChanges, RightsChange},
    nouns::{
        AppRow, AttributeRow, GridViewRow, GroupRow, ItemRow, RoleRow, Selection, SelectionAxis,
        StoredNouns, SubjectRow,
    },
    product_lists::{ListedProduct, Nomination},
    schema::{RUNTIME_ROLE, SchemaReport, migrate},
    snapshot::{Reader, Snapshot},
    staged_products::{ProductCounts, ProductIssue, StagedProduct, StagedRefusal},
    tenants::{LockedTenant, TenantId, TenantRow},
    writes::{AuditBatch, AuditHead, AuditRow, Finished},
};
