//! The administration as services: what is written, and what is read of it.
//!
//! Each request is a message with one [`Answer`]; the services only hand
//! messages to it.

mod access_rights_service;
mod access_writes;
mod app_service;
mod app_writes;
mod audit_service;
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

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::{admin::Door, cache::Cache, domain::Code, store::Store};

use self::revisions::Revisions;
use super::{failure::Failure, page_token::PageTokens};

/// Answers the calls of the administration: every write goes through the door,
/// every read is of one snapshot. Tells how the memory in `cache` does.
#[derive(Clone, Debug)]
pub struct AdminApi {
    door: Door,
    cache: Cache,
    store: Store,
    tokens: PageTokens,
    default_tenant: Code,
    revisions: Revisions,
    watchers: Arc<Semaphore>,
    watch_patience: Duration,
}

impl AdminApi {
    /// Writes through `door` and reads from `store`; reads that name no tenant
    /// mean `default_tenant`. A watcher that takes no event for
    /// `watch_patience` is cut off.
    #[must_use]
    pub fn new(
        door: Door,
        cache: Cache,
        store: Store,
        default_tenant: Code,
        watch_patience: Duration,
    ) -> Self {
        Self {
            revisions: Revisions::new(store.clone()),
            watchers: watch::watchers(),
            watch_patience,
            door,
            cache,
            tokens: PageTokens::new(store.clone()),
            store,
            default_tenant,
        }
    }
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
                    let answer: pb::$response = self.answer(request.into_inner()).await?;
                    Ok(tonic::Response::new(answer))
                }
            )+
            $($streams)*
        }
    };
}
use service;
