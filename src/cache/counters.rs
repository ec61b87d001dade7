use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Counters and gauges of the cache since the start of the server.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: Count,
    pub(super) misses: Count,
    pub(super) loads: Count,
    pub(super) loads_with_pending: Count,
    pub(super) answers_with_pending: Count,
    pub(super) floors_raised: Count,
    pub(super) stale_answers_refused: Count,
    pub(super) leases_lost: Count,
    pub(super) leases_reaped: Count,
    pub(super) intents_reaped: Count,
    pub(super) announcements: Count,
    pub(super) last_wait_us: Count,
    pub(super) longest_wait_us: Count,
    pub(super) applied: Count,
    pub(super) seq: Count,
    pub(super) pending: Count,
    pub(super) index_loads: Count,
    pub(super) products_patched: Count,
    pub(super) pages: Count,
}

/// One counter or gauge.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn at_least(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// State and counters of the cache of this server. Counters start at zero with
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Remaining time of the lease; zero if there is none.
    pub lease_remaining: Duration,
    /// Number of the last announcement that this server has applied.
    pub applied: u64,
    /// Number of announcements that it had not applied at its last read of the
    /// log.
    pub lag: u64,
    /// Questions answered from memory: hits.
    pub hits: u64,
    /// Questions that read from the database: misses.
    pub misses: u64,
    /// Reads that load facts into memory.
    pub loads: u64,
    /// Of these, reads during which a write was pending, whose facts were not
    /// cached.
    pub loads_with_pending: u64,
    /// Questions answered from memory while a write was pending on some server.
    pub answers_with_pending: u64,
    /// Number of announced keys whose watermark was raised.
    pub floors_raised: u64,
    /// Decisions that were made and then rejected, because a fact that they used
    /// had been announced meanwhile or the lease had expired.
    pub stale_answers_refused: u64,
    /// How often this server lost its lease.
    pub leases_lost: u64,
    /// Leases of other servers that this one ended because they did not
    /// acknowledge in time.
    pub leases_reaped: u64,
    /// Announced writes of dead writers that this server removed.
    pub intents_reaped: u64,
    /// Pending writes on all servers.
    pub pending: u64,
    /// Number of groups of writes that this server announced.
    pub announcements: u64,
    /// Time that the last group waited until all servers had acknowledged.
    pub last_wait: Duration,
    /// The longest wait of a group.
    pub longest_wait: Duration,
    /// Number of cached facts.
    pub entries: u64,
    /// Their estimated bytes.
    pub bytes: u64,
    /// Approximate number of products and models in the product indexes.
    pub indexed_products: u64,
    /// Approximate bytes of these indexes.
    pub index_bytes: u64,
    /// Number of loads of a product index.
    pub index_loads: u64,
    /// Number of products of an index that were read again after a write.
    pub products_patched: u64,
    /// Pages of lists that were built from memory.
    pub pages_from_memory: u64,
}

impl Counters {
    /// Returns the values of all of them.
    pub(super) fn status(
        &self,
        lease_remaining: Duration,
        ((entries, bytes), (indexed_products, index_bytes)): ((u64, u64), (u64, u64)),
    ) -> Status {
        Status {
            lease_remaining,
            applied: self.applied.get(),
            lag: self.seq.get().saturating_sub(self.applied.get()),
            hits: self.hits.get(),
            misses: self.misses.get(),
            loads: self.loads.get(),
            loads_with_pending: self.loads_with_pending.get(),
            answers_with_pending: self.answers_with_pending.get(),
            floors_raised: self.floors_raised.get(),
            stale_answers_refused: self.stale_answers_refused.get(),
            leases_lost: self.leases_lost.get(),
            leases_reaped: self.leases_reaped.get(),
            intents_reaped: self.intents_reaped.get(),
            pending: self.pending.get(),
            announcements: self.announcements.get(),
            last_wait: Duration::from_micros(self.last_wait_us.get()),
            longest_wait: Duration::from_micros(self.longest_wait_us.get()),
            entries,
            bytes,
            indexed_products,
            index_bytes,
            index_loads: self.index_loads.get(),
            products_patched: self.products_patched.get(),
            pages_from_memory: self.pages.get(),
        }
    }
}
