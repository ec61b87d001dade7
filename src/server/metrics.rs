//! What is exposed to Prometheus, and to probes over HTTP.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch};

use crate::{
    cache::{Cache, CacheSettings, Status},
    http::{Readiness, Shown},
    rpc::Budget,
    store::Store,
    telemetry::{DecisionLogSettings, Exposition, metrics},
};

use super::{ServerError, accepting::Connections, certificates::Certificates};

/// Settings of metrics, probes and logs.
#[derive(Clone, Debug, Default)]
pub struct ObservationSettings {
    /// The address that serves metrics and probes over HTTP; `None`: not served.
    pub http: Option<SocketAddr>,
    /// Minimum duration at which a call is logged as slow; `None`: never.
    pub slow: Option<Duration>,
    /// Which decisions are logged; `None`: none.
    pub decisions: Option<DecisionLogSettings>,
}

/// The listener for metrics and probes, and the recorder of the metrics.
#[derive(Debug)]
pub(super) struct HttpListener {
    listener: TcpListener,
    exposition: Exposition,
}

impl HttpListener {
    /// Binds the listener, and starts recording metrics; `None`: neither.
    pub(super) async fn bind(at: Option<SocketAddr>) -> Result<Option<Self>, ServerError> {
        let Some(listen) = at else {
            return Ok(None);
        };
        let refused = |source| ServerError::HttpListen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let exposition = Exposition::start();
        tracing::info!(
            http.address = %address,
            "metrics and probes on http://{address}/metrics, /livez and /readyz"
        );
        Ok(Some(Self {
            listener,
            exposition,
        }))
    }

    /// Serves metrics and probes for as long as it is polled.
    pub(super) async fn serve(self, gauges: Gauges) {
        let readiness = gauges.0.readiness.clone();
        let shown = Shown {
            exposition: self.exposition,
            refresh: Arc::new(move || gauges.set()),
            readiness,
        };
        crate::http::serve(self.listener, shown).await;
    }
}

/// Gauges that are sampled when the metrics are rendered, rather than counted.
#[derive(Clone, Debug)]
pub(super) struct Gauges(Arc<Sampled>);

/// What the gauges are sampled from.
#[derive(Debug)]
pub(super) struct Sampled {
    pub(super) readiness: watch::Receiver<Readiness>,
    pub(super) connections: Connections,
    pub(super) budget: Budget,
    pub(super) call_bytes: usize,
    pub(super) certificates: Option<Certificates>,
    /// Set once the database is available.
    pub(super) memory: OnceLock<(Cache, Store)>,
}

impl Gauges {
    pub(super) fn of(sampled: Sampled) -> Self {
        Self(Arc::new(sampled))
    }

    /// Exposes this cache and the connection pools of its database from now on.
    pub(super) fn show(&self, cache: Cache, store: Store) {
        let _only_once = self.0.memory.set((cache, store));
    }

    fn set(&self) {
        let Sampled {
            readiness,
            connections,
            budget,
            call_bytes,
            certificates,
            memory,
        } = &*self.0;
        let is_ready = *readiness.borrow() == Readiness::Ready;
        metrics::READY.set(f64::from(u8::from(is_ready)));
        metrics::CONNECTIONS.set(number(connections.open()));
        metrics::CONNECTION_LIMIT.set(number(connections.most));
        metrics::REQUEST_MEMORY.set(number(budget.used()));
        metrics::REQUEST_MEMORY_LIMIT.set(number(*call_bytes));
        let expiry = certificates.as_ref().and_then(Certificates::expiry);
        if let Some(expiry) = expiry {
            #[expect(clippy::cast_precision_loss, reason = "seconds of a date")]
            metrics::CERTIFICATE_EXPIRY.set(expiry as f64);
        }
        let Some((cache, store)) = memory.get() else {
            return;
        };
        show_memory(&cache.status(), cache.settings());
        for pool in store.pools() {
            metrics::show_pool(
                pool.name.into(),
                pool.idle,
                pool.busy,
                pool.limit,
                pool.waiting,
            );
        }
    }
}

fn show_memory(status: &Status, settings: CacheSettings) {
    metrics::CACHE_HITS.total(status.hits);
    metrics::CACHE_MISSES.total(status.misses);
    metrics::CACHE_LOADS.total(status.loads);
    metrics::CACHE_ENTRIES.set(count(status.entries));
    metrics::CACHE_BYTES.set(count(status.bytes));
    metrics::CACHE_LIMIT.set(count(settings.bytes));
    metrics::INDEXED_PRODUCTS.set(count(status.indexed_products));
    metrics::INDEX_BYTES.set(count(status.index_bytes));
    metrics::INDEX_LOADS.total(status.index_loads);
    metrics::PRODUCTS_PATCHED.total(status.products_patched);
    metrics::PAGES.total(status.pages_from_memory);
    metrics::LEASE_REMAINING.set(status.lease_remaining.as_secs_f64());
    metrics::LEASES_LOST.total(status.leases_lost);
    metrics::LEASES_ENDED.total(status.leases_reaped);
    metrics::ANSWERS_WITHHELD.total(status.stale_answers_refused);
    metrics::ANNOUNCEMENTS.total(status.announcements);
    metrics::ANNOUNCEMENTS_BEHIND.set(count(status.lag));
    metrics::WRITES_PENDING.set(count(status.pending));
    metrics::WRITES_GIVEN_UP.total(status.intents_reaped);
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn number(value: usize) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn count(value: u64) -> f64 {
    value as f64
}
