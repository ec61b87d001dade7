//! How facts are kept: PostgreSQL behind one door.
//!
//! Every statement has a name, is measured, and goes through [`Store`] or a
//! [`Transaction`] that it began; nothing else of the program names SQL. What
//! is stored twice, a code and its folding, is compared by the folding alone
//! (rules 1.5).
//!
//! The facts of any number of questions are read by one statement, so by one
//! snapshot and one round trip ([`Store::facts`]).

mod door;
mod error;
mod facts;
mod schema;
mod tenants;

pub use self::{
    door::{Connection, Store, Transaction},
    error::StoreError,
    schema::{RUNTIME_ROLE, SchemaReport, migrate},
    tenants::{LockedTenant, TenantId, TenantRow},
};
