use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    domain::{Code, FactKey, Facts, FactsNeeded, GroupFacts, GroupId, Revision, Section},
    failpoints::{Gate, Rule, is_disabled, mistakes, reach},
    store::{AsOf, Notifications, ReadAsOf, Store, TenantId},
};

use super::{
    background_loads::BackgroundLoads,
    cached_vocabulary::CachedVocabulary,
    caller_loads::{CallerCache, CallerLoads},
    clock::Clock,
    counters::{Counters, Status},
    error::CacheError,
    lease::{Hold, Lease},
    live_writes::{Announced, LiveWrites, Wanted},
    load_coalescer::queue::LoadCoalescer,
    memory::{CachedSubject, Entry, Fact, Memory, ReadPositions},
    products::Products,
    revisions::Revisions,
    runtimes::Runtimes,
    settings::{CacheMode, CacheSettings},
    watermarks::{ReadPosition, Watermarks},
};

/// Maximum time that a call waits for a lease that is being renewed.
pub(super) const LEASE_PATIENCE: Duration = Duration::from_millis(500);

/// The fact cache of a server.
#[derive(Clone, Debug)]
pub struct Cache {
    pub(super) core: Arc<Core>,
}

/// State that the calls and the coherence thread share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) settings: CacheSettings,
    /// Connections for questions that memory cannot answer.
    pub(super) store: Store,
    /// Connections for background loads.
    pub(super) background: Store,
    pub(super) runtimes: Runtimes,
    pub(super) watermarks: Watermarks,
    pub(super) lease: Lease,
    pub(super) memory: Memory,
    pub(super) products: Products,
    pub(super) coalescer: LoadCoalescer,
    pub(super) background_loads: BackgroundLoads,
    pub(super) callers: CallerCache,
    pub(super) caller_loads: CallerLoads,
    pub(super) counters: Counters,
    pub(super) notifications: Notifications,
    /// Queue of writes to be announced.
    pub(super) announcements: mpsc::Sender<Wanted>,
    /// The highest revision known of each tenant.
    pub(super) revisions: Revisions,
    /// Announced writes of this server that are under way.
    pub(super) live_writes: Arc<LiveWrites>,
    /// Locked while this server announces, and while unused intents are removed:
    /// an intent of this server that is not in `live_writes` is then unused.
    pub(super) announcing: tokio::sync::Mutex<()>,
    /// Maintenances that this server began.
    maintenances: Mutex<Vec<Announced>>,
}

/// Why an answer must not be returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unconfirmed {
    /// A fact that it used was announced, or read in another epoch.
    Stale,
    /// The lease does not run.
    NoLease,
}

impl Hold {
    /// Fails if the lease does not run at this moment.
    fn require_running(self, clock: Clock) -> Result<(), Unconfirmed> {
        let needs_none = is_disabled(Rule::LeaseChecked) || is_disabled(Rule::LeaseCheckedLast);
        if clock.now() < self.until || needs_none {
            Ok(())
        } else {
            Err(Unconfirmed::NoLease)
        }
    }
}

impl Core {
    pub(super) fn new(
        [store, background]: [Store; 2],
        runtimes: Runtimes,
        settings: CacheSettings,
        announcements: mpsc::Sender<Wanted>,
    ) -> Self {
        Self {
            // Half for products, half for all other facts.
            memory: Memory::of(settings.bytes / 2),
            products: Products::of(usize::try_from(settings.bytes / 2).unwrap_or(usize::MAX)),
            settings,
            store,
            background,
            runtimes,
            announcements,
            watermarks: Watermarks::default(),
            lease: Lease::new(settings.clock),
            coalescer: LoadCoalescer::default(),
            background_loads: BackgroundLoads::default(),
            callers: CallerCache::default(),
            caller_loads: CallerLoads::default(),
            counters: Counters::default(),
            notifications: Notifications::default(),
            revisions: Revisions::default(),
            live_writes: Arc::new(LiveWrites::new(settings.longest_wait() * 2, settings.clock)),
            announcing: tokio::sync::Mutex::default(),
            maintenances: Mutex::default(),
        }
    }

    /// Creates the core of a test that does not connect.
    #[cfg(test)]
    pub(super) fn of_test() -> Self {
        let url = String::from("postgresql://nobody@127.0.0.1:1/none").into();
        let store = Store::new(&url, 1).unwrap();
        Self::new(
            [store.clone(), store],
            Runtimes::of_test(),
            CacheSettings::default(),
            mpsc::channel(1).0,
        )
    }

    /// Counts an answer from memory.
    pub(super) fn count_hit(&self) {
        self.counters.hits.add(1);
        if self.counters.pending.get() > 0 {
            self.counters.answers_with_pending.add(1);
        }
    }

    /// True if facts are cached at all.
    pub(super) fn keeps(&self) -> bool {
        self.settings.mode == CacheMode::On
    }

    /// Returns the entry cached under `key` if it is of `epoch` and not stale: a hit.
    pub(super) fn hit(&self, key: &FactKey, epoch: u64) -> Option<Entry> {
        let entry = self.memory.get(key)?;
        self.is_current(&entry.position, epoch).then_some(entry)
    }

    /// True if a fact read at `position` may be answered from now, on its own
    /// (A4).
    pub(super) fn is_confirmed(&self, position: &ReadPosition) -> bool {
        let hold = self.lease.hold();
        self.is_current(position, hold.epoch) && hold.require_running(self.settings.clock).is_ok()
    }

    /// True if a fact is of `epoch` and not older than its watermark.
    pub(super) fn is_current(&self, position: &ReadPosition, epoch: u64) -> bool {
        self.watermarks.is_current(position, epoch)
    }

    /// Confirms that a decision that used these facts may be returned (A4). Must
    /// be called last.
    ///
    /// It loads the end of the lease, compares the facts with their watermarks,
    /// and then reads the clock, in this order. A renewal in between raises the
    /// watermarks before it extends the lease, so a later end cannot apply to
    /// facts that were compared with earlier watermarks.
    pub(super) fn confirm(&self, positions: &ReadPositions) -> Result<(), Unconfirmed> {
        let ReadPositions {
            facts,
            products,
            list,
        } = positions;
        self.confirm_all(facts, |epoch| {
            products.iter().all(|position| position.counts(epoch))
                && list.iter().all(|position| position.counts(epoch))
        })
    }

    /// Confirms a decision, as [`Core::confirm`] does: it used the facts of these
    /// positions, and others that count if they were read in the epoch that is passed and
    /// have not changed.
    pub(super) fn confirm_all<'p>(
        &self,
        facts: impl IntoIterator<Item = &'p ReadPosition>,
        others_count: impl FnOnce(u64) -> bool,
    ) -> Result<(), Unconfirmed> {
        let hold = self.lease.hold();
        reach(Gate::LeaseLoaded);
        let mut facts = facts.into_iter();
        let are_current =
            facts.all(|position| self.is_current(position, hold.epoch)) && others_count(hold.epoch);
        if !are_current && !is_disabled(Rule::FinalFloorCheck) {
            return Err(Unconfirmed::Stale);
        }
        reach(Gate::WatermarksCompared);
        mistakes::reloaded_end(hold, || self.lease.hold()).require_running(self.settings.clock)
    }

    /// Confirms a decision whose facts all come from one snapshot of this epoch,
    /// without watermarks.
    pub(super) fn confirm_snapshot(&self, epoch: u64) -> Result<(), Unconfirmed> {
        let hold = self.lease.hold();
        if hold.epoch != epoch {
            return Err(Unconfirmed::Stale);
        }
        hold.require_running(self.settings.clock)
    }

    /// Waits up to [`LEASE_PATIENCE`] for the lease if it does not run.
    pub(super) async fn require_lease(&self) -> Result<(), CacheError> {
        if self.lease.is_running() || self.lease.wait(LEASE_PATIENCE).await {
            return Ok(());
        }
        Err(CacheError::LeaseLost)
    }

    /// Caches a fact unless a write of it is pending. True if it was cached.
    pub(super) fn insert(&self, key: FactKey, as_of: &AsOf, fact: Fact) -> bool {
        let Some(position) = self.position(&key, as_of) else {
            return false;
        };
        self.memory.put(key, Entry { position, fact });
        true
    }

    /// Returns the log position of a fact that was just read. `None`: it must not
    /// be cached, because a write of it is pending.
    pub(super) fn position(&self, key: &FactKey, as_of: &AsOf) -> Option<ReadPosition> {
        if !as_of.may_keep(key) && !is_disabled(Rule::PendingNotCached) {
            return None;
        }
        reach(Gate::FactRead);
        self.counters.seq.at_least(as_of.seq);
        Some(ReadPosition {
            as_of: mistakes::position_of_load(as_of.seq, || self.counters.applied.get()),
            epoch: as_of.epoch,
            slots: self.watermarks.slots(key),
        })
    }

    /// Caches the facts of questions that were read completely: the requested
    /// subjects and products, stored or not, and the roles that they hold.
    pub(super) fn cache_facts(
        &self,
        tenant: &Code,
        needed: &FactsNeeded,
        taken: &ReadAsOf<Option<Facts>>,
    ) {
        self.counters.loads.add(1);
        if !taken.as_of.pending.is_empty() {
            self.counters.loads_with_pending.add(1);
        }
        let Some((id, revision)) = taken.tenant else {
            let key = FactKey::Section(tenant.clone(), Section::Vocabulary);
            if self.keeps() {
                self.insert(key, &taken.as_of, Fact::Vocabulary(None));
            }
            return;
        };
        self.revisions.record(id, revision);
        let Some(facts) = taken.found.as_ref().filter(|_| self.keeps()) else {
            return;
        };
        for subject in &needed.subjects {
            let key = FactKey::Subject(tenant.clone(), subject.clone());
            let found = facts.subjects.get(subject).cloned().map(CachedSubject::of);
            self.insert(key, &taken.as_of, Fact::Subject(found));
        }
        for (role, found) in &facts.roles {
            let key = FactKey::Role(tenant.clone(), *role);
            self.insert(key, &taken.as_of, Fact::Role(Arc::clone(found)));
        }
        for (product, found) in &facts.products {
            let key = FactKey::Product(tenant.clone(), product.clone());
            self.insert(key, &taken.as_of, Fact::Product(Some(found.clone())));
        }
        for product in &needed.products {
            if !facts.products.contains_key(product) {
                let key = FactKey::Product(tenant.clone(), product.clone());
                self.insert(key, &taken.as_of, Fact::Product(None));
            }
        }
    }

    /// Caches a tenant's vocabulary. True if it was cached.
    pub(super) fn insert_vocabulary(
        &self,
        tenant: &Code,
        taken: ReadAsOf<Option<crate::domain::Vocabulary>>,
    ) -> bool {
        let known = taken.tenant.zip(taken.found);
        let known = known.map(|((id, revision), vocabulary)| {
            Arc::new(CachedVocabulary {
                revision: self.revisions.record(id, revision),
                products: self.products.of_tenant(tenant, id),
                vocabulary: Arc::new(vocabulary),
            })
        });
        let key = FactKey::Section(tenant.clone(), Section::Vocabulary);
        self.insert(key, &taken.as_of, Fact::Vocabulary(known))
    }

    /// Caches the rights of a user group. True if they were cached.
    ///
    /// The absence of a group is not cached. The rights of a new group are not
    /// announced, since its number is known only once it is created, and a tenant
    /// that is deleted and created again counts from 1: the late result "group 2
    /// does not exist" would hide the rights of the new group 2.
    pub(super) fn insert_rights(
        &self,
        tenant: &Code,
        group: GroupId,
        as_of: &AsOf,
        found: Option<GroupFacts>,
    ) -> bool {
        let Some(found) = found else {
            return false;
        };
        let key = FactKey::Rights(tenant.clone(), group);
        self.insert(key, as_of, Fact::Rights(Arc::new(found)))
    }

    /// Returns the maintenances that this server began.
    pub(super) fn maintenances(&self) -> MutexGuard<'_, Vec<Announced>> {
        self.maintenances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the maintenances of earlier epochs, whose intents ended with those.
    pub(super) fn forget_ended_maintenances(&self) {
        let epoch = self.lease.hold().epoch;
        self.maintenances()
            .retain(|announced| announced.announcement().epoch == epoch);
    }
}

impl Cache {
    /// Returns the state and the counters of the cache.
    #[must_use]
    pub fn status(&self) -> Status {
        let core = &self.core;
        let sizes = (core.memory.size(), core.products.size());
        core.counters.status(core.lease.remaining(), sizes)
    }

    /// True if this server may answer at the moment.
    #[must_use]
    pub fn has_lease(&self) -> bool {
        self.core.lease.is_running()
    }

    /// Waits up to 500 ms for the lease if it does not run.
    ///
    /// # Errors
    ///
    /// [`CacheError::LeaseLost`] if the lease is not renewed in time.
    pub async fn require_lease(&self) -> Result<(), CacheError> {
        self.core.require_lease().await
    }

    /// Returns the settings of the cache.
    #[must_use]
    pub fn settings(&self) -> CacheSettings {
        self.core.settings
    }

    /// Returns the highest revision of a tenant that this server knows.
    #[must_use]
    pub fn known_revision(&self, tenant: TenantId) -> Revision {
        let known = self.core.revisions.record(tenant, Revision(0));
        Revision(known.load(Ordering::SeqCst))
    }

    /// Leaves the removal of an announcement that could not be withdrawn to the
    /// upkeep.
    pub fn withdraw_later(&self) {
        self.core.live_writes.expect_leftovers();
    }

    /// Records the revision that a write of this server committed, before it is
    /// read from the log.
    pub fn record_commit(&self, tenant: TenantId, revision: Revision) {
        self.core.revisions.record(tenant, revision);
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::domain::SubjectRef;

    const EPOCH: u64 = 1;

    fn core() -> Core {
        let core = Core::of_test();
        core.lease.extend(Hold {
            until: Clock::default().now().plus(Duration::from_hours(1)),
            epoch: EPOCH,
        });
        core
    }

    fn key() -> FactKey {
        let julia = SubjectRef {
            kind: crate::domain::SubjectKind::User,
            code: "julia".parse().unwrap(),
        };
        FactKey::Subject("acme".parse().unwrap(), julia)
    }

    fn positions_of(core: &Core) -> ReadPositions {
        ReadPositions {
            facts: smallvec![core.hit(&key(), EPOCH).unwrap().position],
            ..ReadPositions::default()
        }
    }

    fn as_of(seq: u64, pending: Vec<FactKey>) -> AsOf {
        AsOf {
            seq,
            epoch: EPOCH,
            pending,
        }
    }

    #[test]
    fn fact_read_before_an_announcement_misses_when_cached_after_it() {
        let core = core();
        // Missed and read …
        let read = as_of(3, Vec::new());
        // … announced and evicted …
        core.watermarks.raise(&key(), 4);
        core.memory.free(&key());
        // … and only now cached.
        assert!(core.insert(key(), &read, Fact::Subject(None)));
        assert!(core.hit(&key(), EPOCH).is_none());
        assert!(core.insert(key(), &as_of(4, Vec::new()), Fact::Subject(None)));
        assert!(core.hit(&key(), EPOCH).is_some());
        // Nor may it replace a fact that was read later and be used.
        core.insert(key(), &read, Fact::Subject(None));
        assert!(core.hit(&key(), EPOCH).is_none());
    }

    #[test]
    fn facts_invalidated_after_they_were_read_are_rejected() {
        let core = core();
        core.insert(key(), &as_of(4, Vec::new()), Fact::Subject(None));
        let positions = positions_of(&core);
        assert_eq!(core.confirm(&positions), Ok(()));
        core.watermarks
            .raise(&FactKey::Tenant("acme".parse().unwrap()), 5);
        assert_eq!(core.confirm(&positions), Err(Unconfirmed::Stale));
    }

    #[test]
    fn facts_with_a_pending_write_are_not_cached() {
        let core = core();
        let above = FactKey::Section("acme".parse().unwrap(), Section::Subjects);
        for pending in [key(), above, FactKey::Everything] {
            assert!(!core.insert(key(), &as_of(4, vec![pending]), Fact::Subject(None)));
        }
        let other = FactKey::Section("acme".parse().unwrap(), Section::Rights);
        assert!(core.insert(key(), &as_of(4, vec![other]), Fact::Subject(None)));
    }

    #[test]
    fn facts_are_rejected_without_a_lease_or_from_another_epoch() {
        let core = core();
        core.insert(key(), &as_of(4, Vec::new()), Fact::Subject(None));
        let positions = positions_of(&core);
        core.lease.end();
        assert!(core.confirm(&positions).is_err());
        assert!(core.confirm_snapshot(EPOCH).is_err());
        core.lease.extend(Hold {
            until: Clock::default().now().plus(Duration::from_hours(1)),
            epoch: EPOCH + 1,
        });
        assert_eq!(core.confirm(&positions), Err(Unconfirmed::Stale));
        assert_eq!(core.confirm_snapshot(EPOCH), Err(Unconfirmed::Stale));
        assert_eq!(core.confirm_snapshot(EPOCH + 1), Ok(()));
        assert!(core.hit(&key(), EPOCH + 1).is_none());
    }
}
