//! Which facts are at hand, and that they are current.
//!
//! Decisions come from memory and are never older than a write that had
//! returned, on any server (rules 6.1). `docs/coherence.md` says what is
//! promised and assumed; in short:
//!
//! - A server may answer from memory while its *lease* runs. It renews it and
//!   reads the log of announced writes, in this order, every few moments.
//! - Before a write is committed it is *announced*, and waits until each server
//!   that holds a lease has *acknowledged*: from then on none of them answers
//!   from what it kept of the announced keys. So at the moment of the commit
//!   nobody holds the old state.
//! - Whatever is kept carries the place in the log as of which it was read. An
//!   announcement raises the *watermark* of its keys to its own place; what is older
//!   than its watermark does not count, whenever it was put into memory. A load that
//!   began before an announcement and ends after it is therefore harmless.
//! - What a pending write may change is read from the database by every question
//!   and not kept.
//!
//! The products of a tenant are kept as one index (`products`).
//!
//! An answer is one of two: all its facts come from memory, and each is compared
//! with its watermark after the decision was made; or all come from one statement,
//! which is one snapshot. Mixtures were set aside: they need the facts with
//! pending writes to be read last and together, for a saving of some tenths of a
//! millisecond on a question that goes to the database anyway. Only lists mix:
//! of a million products a few are always being written.

mod announcer;
mod background_loads;
mod callers;
mod clock;
mod core;
mod error;
mod fact_reader;
mod figures;
mod follower;
mod lease;
mod load_coalescer;
mod maintenance;
mod memory;
mod page_facts;
mod products;
mod runtimes;
mod settings;
mod thread;
mod turns;
mod upkeep;
mod watermarks;

pub use self::{
    announcer::Announced,
    core::Cache,
    error::CacheError,
    fact_reader::FactReader,
    figures::Status,
    page_facts::CachedPageFacts,
    products::{ListedProducts, SeenProduct},
    settings::{CacheMode, CacheSettings},
    thread::CoherenceThread,
};
