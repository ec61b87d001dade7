//! The cache of facts, and the protocol that keeps it current.
//!
//! Decisions come from memory and are never older than a write that had returned,
//! on any server (rules 6.1). `docs/coherence.md` states what is promised and
//! assumed; in short:
//!
//! - A server may answer from memory while its *lease* runs. Every few moments it
//!   renews the lease and reads the log of announced writes, in this order.
//! - Before a write is committed it is *announced*, and waits until each server
//!   that holds a lease has *acknowledged*: from then on none of them answers
//!   from cached facts of the announced keys. So at the moment of the commit no
//!   server holds the old state.
//! - Each cached fact carries the log position at which it was read. An
//!   announcement raises the *watermark* of its keys to its own position; a fact
//!   older than its watermark is stale, whenever it was put into memory. A load
//!   that began before an announcement and ends after it is therefore harmless.
//! - Facts that a pending write may change are read from the database by every
//!   question and not cached.
//!
//! The products of a tenant are cached as one index (`products`).
//!
//! The facts of an answer come from one of two sources: all from memory, each
//! compared with its watermark after the decision was made; or all from one
//! statement, which is one snapshot. Mixtures were rejected: they need the facts
//! with pending writes to be read last and together, to save some tenths of a
//! millisecond on a question that reads from the database anyway. Only lists mix:
//! of a million products a few are always pending.

mod announcer;
mod background_loads;
mod cached_vocabulary;
mod caller_loads;
mod callers;
mod clock;
mod core;
mod counters;
mod error;
mod fact_lookup;
mod fact_reader;
mod follower;
mod lease;
mod live_writes;
mod load_coalescer;
mod maintenance;
mod memory;
mod noted_facts;
mod page_facts;
mod products;
mod revisions;
mod rights_set;
mod runtimes;
mod settings;
mod thread;
mod turns;
mod upkeep;
mod watermarks;

pub use self::{
    clock::Clock,
    core::Cache,
    counters::Status,
    error::CacheError,
    live_writes::Announced,
    settings::{CacheMode, CacheSettings},
    thread::CoherenceThread,
};
pub(crate) use self::{
    fact_lookup::LentFacts,
    fact_reader::{with_current_facts, with_lent_facts},
    page_facts::{CachedPageFacts, PAGE_TRIES, with_page_facts},
    products::{SeenProduct, View as ProductView},
};
