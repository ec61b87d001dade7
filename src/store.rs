//! Stores facts in PostgreSQL; the only module that contains SQL.
//!
//! Every statement is named, measured and run through [`Store`] or through a
//! [`Transaction`] begun by it. A code is stored twice, as written and folded;
//! comparisons use only the folded form (rules 1.5).
//!
//! One statement reads the facts of any number of questions, in one snapshot and
//! one round trip ([`Store::facts`]).

mod affected_products;
mod announcements;
mod app_requests;
mod as_of;
mod audit_chain;
mod audit_facts;
mod begun_write;
mod callers;
mod changes;
mod clean_up;
mod condition;
mod connection_pool;
mod connector;
mod database_url;
mod durability;
mod entities;
mod entity_lists;
mod entity_removals;
mod entity_rows;
mod entity_writes;
pub mod entries;
mod error;
mod facts;
mod hosts;
mod id_columns;
mod lease_connection;
mod lease_id;
mod leases;
mod loan;
mod migrate_error;
mod migration;
mod outage_log;
mod pooler;
mod pools;
mod product_index;
mod product_lists;
mod product_removals;
mod round_trip;
mod runtime_role;
mod schema;
mod secret_keys;
mod server_verifier;
mod snapshot;
mod sqlstate;
mod staged_lists;
mod staged_products;
mod statement;
mod stored_responses;
mod tenant_limiter;
mod tenant_removal;
mod tenants;
mod tls_faults;
mod tls_settings;
mod transaction;
mod unconfirmed;
mod wanted_entities;
mod writes;

pub(crate) use self::snapshot::read_tenant;
pub use self::{
    affected_products::{AffectedBy, AffectedProduct},
    announcements::{AnnouncedGroup, Announcement},
    app_requests::AppRequestRow,
    as_of::{AsOf, ReadAsOf},
    audit_chain::ChainReport,
    audit_facts::FactsReport,
    begun_write::{BegunRehearsal, BegunWrite, StoredUnder},
    callers::{CallerChanges, CallerRow, NewKey},
    changes::{ChangeFilter, ChangePlace, ChangeRow},
    condition::Condition,
    connection_pool::Store,
    database_url::InvalidUrl,
    durability::Durability,
    entities::StoredEntities,
    entity_lists::{Listed, ListedEntity},
    entity_removals::EntityRemovals,
    entity_writes::EntityChanges,
    error::{Outage, StoreError},
    facts::GroupRights,
    lease_connection::{LeaseConnection, LogRead, Notifications},
    lease_id::LeaseId,
    leases::{IntentRow, LeaseRow},
    migrate_error::MigrateError,
    migration::{SchemaReport, migrate},
    pools::{PoolName, PoolUse},
    product_index::{IndexedProduct, IndexedRow},
    product_lists::{ListedProduct, Nomination},
    product_removals::ModelInUse,
    runtime_role::RuntimeRole,
    snapshot::{Found, Reader, Snapshot},
    staged_lists::{ResolvedList, StagedList},
    staged_products::{ProductCounts, ProductIssue, RowRead, StagedProduct, StagedRefusal},
    stored_responses::{ResponseScope, StoredResponse},
    tenant_limiter::{Permit, TenantLimiter},
    tenants::{LockedTenant, SeenTenant, TenantId, TenantRow},
    tls_faults::TlsFault,
    tls_settings::{SslMode, TlsParameters, TlsSettingError},
    transaction::{Bounds, Connection, Isolation, Planning, Transaction},
    unconfirmed::Unconfirmed,
    wanted_entities::{GroupedWanted, Relatives, RightsWanted, WantedEntities},
    writes::{AuditBatch, AuditHead, AuditRow, Finished},
};
