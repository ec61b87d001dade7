//! The administration as services: what is written, and what is read of it.
//!
//! Each request is a message with one [`Answer`]; the services only hand
//! messages to it.

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
    store::{Bounds, Found, Snapshot, Store, TenantRow, Turns, read_tenant},
    supervision::Supervisor,
};

use self::revisions::Revisions;
use super::{
    budget,
    calling::Calling,
    failure::{Failure, InvalidField},
    gate::Deadline,
    page_token::PageTokens,
    parse,
};

/// Answers the calls of the administration: every write goes through the coordinator,
/// every read is of one snapshot. Tells how the memory in `cache` does.
#[derive(Clone, Debug)]
pub struct AdminApi {
    coordinator: WriteCoordinator,
    cache: Cache,
    store: Store,
    /// The same database, for what reads everything of a tenant.
    whole: Store,
    tokens: PageTokens,
    default_tenant: Code,
    revisions: Revisions,
    watchers: Turns,
    watch_patience: Duration,
    /// Who makes the call.
    calling: Calling,
}

/// The database, with connections for each kind of reading.
#[derive(Clone, Debug)]
pub struct ReadStores {
    /// For pages, lists and reads of single things.
    pub reads: Store,
    /// For what reads everything of a tenant.
    pub whole: Store,
}

impl AdminApi {
    /// Writes through `coordinator` and reads from `stores`, in pages that `tokens` seal;
    /// reads that name no tenant mean `default_tenant`. A watcher that takes no event for
    /// `watch_patience` is cut off. `supervisor` reports if what all watchers
    /// need ends.
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
            calling: Calling::default(),
        }
    }
}

impl AdminApi {
    /// Returns the same for one call, which ends at its caller's deadline, and
    /// weighs it.
    fn for_call<M: prost::Message>(&self, request: &tonic::Request<M>) -> Result<Self, Failure> {
        budget::weigh(request)?;
        Ok(self.of_call(request.extensions()))
    }

    /// Returns the same for one call: it ends at its caller's deadline, and may do
    /// what that caller may.
    fn of_call(&self, extensions: &tonic::Extensions) -> Self {
        Self {
            coordinator: self.coordinator.until(Deadline::of(extensions)),
            calling: Calling::of(extensions),
            ..self.clone()
        }
    }

    /// The tenant that a request to read names; empty: the default one.
    fn tenant(&self, text: &str) -> Result<Code, Failure> {
        self.calling.tenant(text, &self.default_tenant)
    }

    /// The same where a request may mean callers instead, which belong to the
    /// installation.
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

    /// Whether what was read from a snapshot of `epoch` may be answered
    /// (`docs/coherence.md`, A4).
    async fn confirm(&self, epoch: u64) -> Result<(), Failure> {
        Ok(self.cache.confirm_snapshot(epoch).await?)
    }

    /// The row of a tenant that exists.
    async fn tenant_row(&self, tenant: &Code) -> Result<TenantRow, Failure> {
        read_tenant!(self.store, tenant, Bounds::READ, |found| {
            let snapshot = self.found(tenant, found).await?;
            self.confirm(snapshot.epoch()).await?;
            Ok(snapshot.tenant().clone())
        })
    }

    /// The snapshot of a tenant that exists; that there is none is an answer of
    /// one snapshot too.
    async fn found<'r>(&self, tenant: &Code, found: Found<'r>) -> Result<Snapshot<'r>, Failure> {
        match found {
            Found::Tenant(snapshot) => Ok(snapshot),
            Found::NoTenant { epoch } => {
                self.confirm(epoch).await?;
                Err(Failure::TenantNotFound(tenant.clone()))
            }
        }
    }
}

/// Whose audit log a request means.
#[derive(Clone, Copy, Debug, Default)]
enum LogOf {
    /// That of the tenant which it names.
    #[default]
    Tenant,
    /// That of callers, which belong to the installation.
    Callers,
}

impl LogOf {
    /// By the field `callers` of a request.
    fn said(callers: bool) -> Self {
        if callers { Self::Callers } else { Self::Tenant }
    }
}

/// Refuses a tenant where callers are meant.
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

/// What a request of the administration is answered.
trait Answer<M> {
    /// The message that answers it.
    type Message;

    /// Parses the request, carries it out and renders the answer.
    fn answer(&self, request: M) -> impl Future<Output = Result<Self::Message, Failure>> + Send;
}

/// Implements a service: one line a call, and whatever streams at the end.
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
