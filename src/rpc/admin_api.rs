//! The administration services: writes, and reads of what was written.
//!
//! Each request is a message type that implements [`Answer`]; the services only
//! dispatch to it.

mod access_rights_service;
mod access_writes;
mod app_service;
mod app_writes;
mod audit_service;
mod caller_service;
mod caller_writes;
mod callers;
mod catalog_service;
mod catalog_writes;
mod changes;
mod directory_service;
mod directory_writes;
mod entity_messages;
mod lists;
mod operations;
mod operations_service;
mod parse_entries;
mod product_stream;
mod reads;
mod revisions;
mod tenant_service;
mod tenant_writes;
mod watch;
mod writes;

use std::time::Duration;

use crate::{
    admin::WriteCoordinator,
    cache::Cache,
    domain::{CallerRight, Code},
    store::{Bounds, Store, TenantLimiter, TenantRow, Unconfirmed, read_tenant},
    supervision::Supervisor,
};

use self::revisions::Revisions;
use super::{
    budget,
    caller_identity::CallerIdentity,
    failure::{Failure, InvalidField},
    gate::Deadline,
    page_token::PageTokens,
    parse,
};

/// Implements the administration calls: every write goes through the coordinator,
/// every read uses one snapshot. Also reports the state of the `cache`.
#[derive(Clone, Debug)]
pub struct AdminApi {
    coordinator: WriteCoordinator,
    cache: Cache,
    store: Store,
    /// The same database, for reads of everything in a tenant.
    whole: Store,
    tokens: PageTokens,
    default_tenant: Code,
    revisions: Revisions,
    watchers: TenantLimiter,
    watch_patience: Duration,
    /// The caller of the current call.
    calling: CallerIdentity,
}

/// The database, with a connection pool for each kind of read.
#[derive(Clone, Debug)]
pub struct ReadStores {
    /// For pages, lists and reads of single entities.
    pub reads: Store,
    /// For reads of everything in a tenant.
    pub whole: Store,
}

impl AdminApi {
    /// Creates the services: writes go through `coordinator`, reads use `stores`,
    /// and `tokens` seals the page tokens. Reads that name no tenant use
    /// `default_tenant`. A watcher that receives no event for `watch_patience`
    /// because it does not read is disconnected. `supervisor` reports the end of
    /// a task that all watchers depend on.
    #[must_use]
    pub fn new(
        coordinator: WriteCoordinator,
        cache: Cache,
        stores: ReadStores,
        tokens: PageTokens,
        default_tenant: Code,
        watch_patience: Duration,
        supervisor: Supervisor,
    ) -> Self {
        let ReadStores {
            reads: store,
            whole,
        } = stores;
        Self {
            revisions: Revisions::new(store.clone(), supervisor),
            watchers: watch::watchers(),
            watch_patience,
            coordinator,
            cache,
            tokens,
            store,
            whole,
            default_tenant,
            calling: CallerIdentity::default(),
        }
    }
}

impl AdminApi {
    /// Returns a copy for one call, as [`Self::of_call`] does, and accounts for
    /// its message in the budget.
    fn for_call<M: prost::Message>(&self, request: &tonic::Request<M>) -> Result<Self, Failure> {
        budget::weigh(request)?;
        Ok(self.of_call(request.extensions()))
    }

    /// Returns a copy for one call, with the caller's rights; its writes time out
    /// at the caller's deadline.
    fn of_call(&self, extensions: &tonic::Extensions) -> Self {
        Self {
            coordinator: self.coordinator.until(Deadline::of(extensions)),
            calling: CallerIdentity::of(extensions),
            ..self.clone()
        }
    }

    /// Returns the tenant named by a read request, or the default one if empty.
    fn tenant(&self, text: &str) -> Result<Code, Failure> {
        self.calling.tenant(text, &self.default_tenant)
    }

    /// Returns the tenant of a read request, or the installation if it is about
    /// callers, which belong to no tenant.
    fn tenant_or_callers(&self, text: &str, log: LogOf) -> Result<Code, Failure> {
        match log {
            LogOf::Tenant => self.tenant(text),
            LogOf::Callers => {
                check_no_tenant(text)?;
                self.calling.check_all_tenants(CallerRight::Audit)?;
                Ok(Code::of_installation())
            }
        }
    }

    /// Confirms what was read from a tenant (`docs/coherence.md`, A4), and returns it
    /// if the tenant exists.
    async fn confirmed<T>(
        &self,
        tenant: &Code,
        read: Unconfirmed<Option<T>>,
    ) -> Result<T, Failure> {
        let found = self.cache.confirmed(read).await?;
        found.ok_or_else(|| Failure::TenantNotFound(tenant.clone()))
    }

    /// Returns the row of an existing tenant.
    async fn tenant_row(&self, tenant: &Code) -> Result<TenantRow, Failure> {
        let read = read_tenant!(self.store, tenant, Bounds::READ, |snapshot| {
            Ok::<_, Failure>(snapshot.tenant().clone())
        })?;
        self.confirmed(tenant, read).await
    }
}

/// Whose audit log a request reads.
#[derive(Clone, Copy, Debug, Default)]
enum LogOf {
    /// The log of the tenant that the request names.
    #[default]
    Tenant,
    /// The log of callers, which belong to the installation.
    Callers,
}

impl LogOf {
    /// Converts the field `callers` of a request.
    fn requested(callers: bool) -> Self {
        if callers { Self::Callers } else { Self::Tenant }
    }
}

/// Rejects a non-empty tenant in a request about callers.
fn check_no_tenant(text: &str) -> Result<(), InvalidField> {
    if text.is_empty() {
        return Ok(());
    }
    let message = format!(
        "is `{}`; callers belong to no tenant: leave it empty",
        parse::quoted(text)
    );
    Err(InvalidField::new("tenant", message))
}

/// Handler of one request message.
trait Answer<M> {
    /// The response message.
    type Message;

    /// Parses the request, executes it and renders the response.
    fn answer(&self, request: M) -> impl Future<Output = Result<Self::Message, Failure>> + Send;
}

/// Implements a service: one line per unary call, then its streaming calls.
macro_rules! service {
    ($service:path { $($call:ident($request:ident) -> $response:ident;)+ } $($streams:tt)*) => {
        #[tonic::async_trait]
        impl $service for AdminApi {
            $(
                async fn $call(
                    &self,
                    request: tonic::Request<pb::$request>,
                ) -> Result<tonic::Response<pb::$response>, tonic::Status> {
                    let api = self.for_call(&request)?;
                    let answer: pb::$response = api.answer(request.into_inner()).await?;
                    Ok(tonic::Response::new(answer))
                }
            )+
            $($streams)*
        }
    };
}
use service;
