use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Counts since the start of the server.
#[derive(Debug, Default)]
pub(super) struct Figures {
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

/// One of them.
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

/// How the memory of this server is doing. Counts are since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What is left of the lease; zero: none.
    pub lease_remaining: Duration,
    /// The last announcement that this server has applied.
    pub applied: u64,
    /// How many announcements it had not applied when it last looked.
    pub lag: u64,
    /// Questions answered from memory.
    pub hits: u64,
    /// Questions that asked the database.
    pub misses: u64,
    /// Reads that filled the memory.
    pub loads: u64,
    /// Of these, reads that met a write under way, so that it was not kept.
    pub loads_with_pending: u64,
    /// Questions answered from memory while some write was under way.
    pub answers_with_pending: u64,
    /// How often something was announced that may be in memory.
    pub floors_raised: u64,
    /// Decisions that were made and then not given, since something they used
    /// had been announced meanwhile or the lease had run out.
    pub stale_answers_refused: u64,
    /// How often this server lost its lease.
    pub leases_lost: u64,
    /// Leases of other servers that this one ended because they did not
    /// acknowledge in time.
    pub leases_reaped: u64,
    /// Announced writes whose writer was gone, that this server removed.
    pub intents_reaped: u64,
    /// Writes under way on all servers.
    pub pending: u64,
    /// How many groups of writes this server announced.
    pub announcements: u64,
    /// How long the last group waited until all servers had acknowledged.
    pub last_wait: Duration,
    /// The longest of these.
    pub longest_wait: Duration,
    /// How many facts are in memory.
    pub entries: u64,
    /// Their bytes, as far as they can be counted.
    pub bytes: u64,
    /// How many products and models are at hand in indexes of whole tenants.
    pub indexed_products: u64,
    /// The bytes of these indexes, about.
    pub index_bytes: u64,
    /// How often an index was loaded.
    pub index_loads: u64,
    /// How many products of an index were read again after a write.
    pub products_patched: u64,
    /// Pages of lists that were made from memory.
    pub pages_from_memory: u64,
}

impl Figures {
    /// All of them.
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
