use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hashbrown::HashMap;
use tokio::time::{Instant, sleep};

use crate::{
    domain::{
        Code, FactKey, Facts, FactsNeeded, GroupFacts, GroupId, GroupsNeeded, ProductFacts,
        ProductKind, ProductRef, Revision, Section, SubjectFacts, SubjectRef,
    },
    failpoints::{Rule, is_disabled, pause_long},
    store::Unconfirmed,
};

use super::{
    background_loads::{self, Misses},
    core::{Cache, Core, LEASE_PATIENCE},
    error::CacheError,
    load_coalescer::{self, Read},
    memory::{CachedSubject, CachedVocabulary, Fact, ReadPosition, ReadPositions},
    products,
};

/// Maximum time that a call waits for `minimum_revision`, unless its own deadline
/// is earlier.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// First pause between two reads of a revision; each next one is twice as long,
/// up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);

const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Answers a call from facts that are confirmed to be current: reads the facts
/// `$needed` of a tenant at revision `$minimum` or later, evaluates `$decide` (which
/// may await) to the whole answer, and confirms the facts; if they were invalidated
/// meanwhile, repeats all of it. Evaluates to the answer, or `None` if the tenant
/// does not exist.
///
/// There is no other way to answer from facts. A macro, because the compiler cannot
/// prove that the future of an asynchronous closure is `Send` for every lifetime of
/// the facts.
///
/// # Errors
///
/// Returns from the caller, with [`CacheError::LeaseLost`] or [`CacheError::Store`]
/// if this server cannot read or confirm the facts, though another server may, or
/// with [`CacheError::RevisionNotReached`].
macro_rules! with_current_facts {
    ($cache:expr, $tenant:expr, $needed:expr, $minimum:expr, |$facts:ident| $decide:expr) => {{
        let mut reader = $cache.fact_reader($tenant, $needed, $minimum);
        loop {
            let answer = match reader.facts().await? {
                Some($facts) => Some($decide),
                None => None,
            };
            if reader.is_confirmed()? {
                break answer;
            }
        }
    }};
}
pub(crate) use with_current_facts;

/// Reads the facts of one call's questions and confirms that an answer may be
/// returned; used by [`with_current_facts`] alone.
#[derive(Debug)]
pub(crate) struct FactReader<'a> {
    core: &'a Arc<Core>,
    tenant: &'a Code,
    needed: &'a FactsNeeded,
    minimum: Revision,
    tries: u32,
    collected: Option<Collected>,
}

/// Collected facts with their source.
#[derive(Debug)]
enum Collected {
    /// Cached facts, each with its own position in the log.
    Memory(Option<Facts>, Box<ReadPositions>),
    /// Facts of one snapshot.
    Statement(Read),
}

impl Collected {
    fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Memory(facts, _) => facts.as_ref(),
            Self::Statement(read) => read.found.as_ref(),
        }
    }
}

impl Cache {
    /// Creates the reader for questions of a tenant that need `needed`, at
    /// revision `minimum` or later.
    #[must_use]
    pub(crate) fn fact_reader<'a>(
        &'a self,
        tenant: &'a Code,
        needed: &'a FactsNeeded,
        minimum: Revision,
    ) -> FactReader<'a> {
        FactReader {
            core: &self.core,
            tenant,
            needed,
            minimum,
            tries: 0,
            collected: None,
        }
    }

    /// Waits until a tenant has reached revision `minimum`; later reads are at least
    /// as new. False: the tenant does not exist.
    ///
    /// # Errors
    ///
    /// [`CacheError::RevisionNotReached`] after some seconds;
    /// [`CacheError::LeaseLost`], [`CacheError::Store`].
    pub async fn wait_for_revision(
        &self,
        tenant: &Code,
        minimum: Revision,
    ) -> Result<bool, CacheError> {
        if minimum == Revision::default() {
            return Ok(true);
        }
        let nothing = FactsNeeded::default();
        let reached = with_current_facts!(self, tenant, &nothing, minimum, |_facts| ());
        Ok(reached.is_some())
    }

    /// Confirms a value that was read from one snapshot of the database, and returns
    /// it; must be called when the answer is ready.
    ///
    /// # Errors
    ///
    /// [`CacheError::LeaseLost`] if the value must not be returned.
    pub async fn confirmed<T>(&self, read: Unconfirmed<T>) -> Result<T, CacheError> {
        self.confirm_snapshot(read.epoch()).await?;
        Ok(read.into_unconfirmed_value())
    }

    /// Confirms an answer that comes from one snapshot of the database, taken in
    /// this epoch; must be called when the answer is ready. For writes, whose
    /// rehearsal is an answer only sometimes; a read is [`Cache::confirmed`].
    ///
    /// # Errors
    ///
    /// [`CacheError::LeaseLost`] if the answer must not be returned.
    pub async fn confirm_snapshot(&self, epoch: u64) -> Result<(), CacheError> {
        if self.core.confirm_snapshot(epoch).is_ok() {
            return Ok(());
        }
        // A lease that is renewed confirms the snapshot as well, if it is of the
        // same epoch: the snapshot was taken after the call arrived.
        self.core.lease.wait(LEASE_PATIENCE).await;
        let confirmed = self.core.confirm_snapshot(epoch);
        confirmed.map_err(|_| CacheError::LeaseLost)
    }
}

impl FactReader<'_> {
    /// Collects the facts. `None`: the tenant does not exist.
    pub(crate) async fn facts(&mut self) -> Result<Option<&Facts>, CacheError> {
        self.await_minimum().await?;
        let from_memory = self.tries == 0;
        let mut collected = collect(self.core, self.tenant, self.needed, from_memory).await?;
        if is_before(&collected, self.minimum) && from_memory {
            collected = collect(self.core, self.tenant, self.needed, false).await?;
        }
        if let Some(facts) = collected
            .facts()
            .filter(|_| is_before(&collected, self.minimum))
        {
            // The tenant was deleted and created again meanwhile.
            return Err(CacheError::RevisionNotReached {
                wanted: self.minimum,
                found: facts.revision,
            });
        }
        let collected = self.collected.insert(collected);
        Ok(collected.facts())
    }

    /// Waits until the tenant has reached the requested revision, without
    /// collecting facts.
    async fn await_minimum(&self) -> Result<(), CacheError> {
        if self.minimum == Revision(0) || self.tries > 0 {
            return Ok(());
        }
        // Only the tenant's revision is needed.
        let nothing = FactsNeeded::default();
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut from_memory = true;
        loop {
            let collected = collect(self.core, self.tenant, &nothing, from_memory).await?;
            let Some(facts) = collected
                .facts()
                .filter(|_| is_before(&collected, self.minimum))
            else {
                return Ok(());
            };
            if begun.elapsed() + pause > LONGEST_WAIT {
                return Err(CacheError::RevisionNotReached {
                    wanted: self.minimum,
                    found: facts.revision,
                });
            }
            if !from_memory {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            from_memory = false;
        }
    }

    /// Confirms that a decision on the facts may be returned; must be called
    /// last. False: the facts must be collected again.
    pub(crate) fn is_confirmed(&mut self) -> Result<bool, CacheError> {
        let core = self.core;
        let confirmed = match &self.collected {
            None => return Ok(false),
            Some(Collected::Memory(_, positions)) => core.confirm(positions),
            Some(Collected::Statement(read)) => core.confirm_snapshot(read.as_of.epoch),
        };
        self.tries += 1;
        let counters = &core.counters;
        if confirmed.is_err() {
            counters.stale_answers_refused.add(1);
            // One retry, and no more.
            return if self.tries < 2 {
                Ok(false)
            } else {
                Err(CacheError::LeaseLost)
            };
        }
        if matches!(self.collected, Some(Collected::Memory(..))) {
            counters.hits.add(1);
            if counters.pending.get() > 0 {
                counters.answers_with_pending.add(1);
            }
        } else {
            counters.misses.add(1);
        }
        Ok(true)
    }
}

/// True if facts are of an earlier revision; false if the tenant does not exist.
fn is_before(collected: &Collected, minimum: Revision) -> bool {
    collected
        .facts()
        .is_some_and(|facts| facts.revision < minimum)
}

/// Collects all facts from memory if they are cached, else all by one statement.
async fn collect(
    core: &Arc<Core>,
    tenant: &Code,
    needed: &FactsNeeded,
    from_memory: bool,
) -> Result<Collected, CacheError> {
    // Without a lease the answer could not be returned, so nothing is read.
    if !is_disabled(Rule::LeaseChecked) {
        core.require_lease().await?;
    }
    if from_memory && core.keeps() {
        match look_up(core, tenant, needed) {
            Ok((facts, _, positions)) => {
                return Ok(Collected::Memory(facts, Box::new(positions)));
            }
            Err(missing) => background_loads::start(core, tenant, missing),
        }
    }
    let read = load_coalescer::read(core, tenant, needed).await?;
    Ok(Collected::Statement(read))
}

/// Looks up the facts of some questions in the cache. Returns all of them, or the
/// misses that the statement for the questions will not load.
pub(super) fn look_up(
    core: &Arc<Core>,
    tenant: &Code,
    needed: &FactsNeeded,
) -> Result<(Option<Facts>, Option<CachedVocabulary>, ReadPositions), Misses> {
    let mut lookup = Lookup {
        core,
        tenant,
        positions: ReadPositions::default(),
        missing: Misses::default(),
        is_complete: true,
        groups: HashMap::new(),
    };
    let known = match lookup.vocabulary() {
        Some(Some(known)) => known,
        Some(None) => return Ok((None, None, lookup.positions)),
        None => {
            lookup.missing.vocabulary = true;
            return Err(lookup.missing);
        }
    };
    let (subjects, groups) = match needed.groups {
        GroupsNeeded::All => (
            lookup.subjects(&needed.subjects, |_, _| {}),
            lookup.groups(&known.vocabulary.groups),
        ),
        GroupsNeeded::OfSubjects => {
            let mut groups = HashMap::new();
            let subjects = lookup.subjects(&needed.subjects, |lookup, subject| {
                lookup.groups_of(subject, &mut groups);
            });
            (subjects, groups)
        }
    };
    pause_long();
    let products = lookup.products(&needed.products, &known);
    if !lookup.is_complete {
        return Err(lookup.missing);
    }
    // Loaded after the facts: they are at least as new as the revision, and it is
    // never older than one returned before.
    let revision = Revision(known.revision.load(Ordering::SeqCst));
    let facts = Facts {
        revision,
        vocabulary: Arc::clone(&known.vocabulary),
        subjects,
        groups,
        products,
    };
    Ok((Some(facts), Some(known), lookup.positions))
}

struct Lookup<'a> {
    core: &'a Arc<Core>,
    tenant: &'a Code,
    positions: ReadPositions,
    missing: Misses,
    is_complete: bool,
    /// The user groups that were looked up; `None`: not cached.
    groups: HashMap<GroupId, Option<(Arc<GroupFacts>, ReadPosition)>>,
}

impl Lookup<'_> {
    fn hit(&mut self, key: &FactKey) -> Option<Fact> {
        let entry = self.core.hit(key);
        let Some(entry) = entry else {
            self.is_complete = false;
            return None;
        };
        self.positions.facts.push(entry.position);
        Some(entry.fact)
    }

    /// Returns the vocabulary; the inner value is `None` if the tenant does not
    /// exist.
    #[expect(clippy::option_option, reason = "not there, and known not to be")]
    fn vocabulary(&mut self) -> Option<Option<CachedVocabulary>> {
        let key = FactKey::Section(self.tenant.clone(), Section::Vocabulary);
        match self.hit(&key)? {
            Fact::Vocabulary(known) => Some(known),
            Fact::Subject(_) | Fact::Rights(_) | Fact::Product(_) => None,
        }
    }

    /// Returns the subjects, each of which is also passed to `found`.
    fn subjects(
        &mut self,
        needed: &BTreeSet<SubjectRef>,
        mut found: impl FnMut(&mut Self, &CachedSubject),
    ) -> HashMap<SubjectRef, Arc<SubjectFacts>> {
        let mut subjects = HashMap::with_capacity(needed.len());
        for subject in needed {
            let key = FactKey::Subject(self.tenant.clone(), subject.clone());
            if let Some(Fact::Subject(Some(cached))) = self.hit(&key) {
                found(self, &cached);
                subjects.insert(subject.clone(), cached.facts);
            }
        }
        subjects
    }

    fn groups(&mut self, needed: &[GroupId]) -> HashMap<GroupId, Arc<GroupFacts>> {
        let mut found = HashMap::with_capacity(needed.len());
        for group in needed {
            if let Some((rights, _)) = self.group(*group) {
                found.insert(*group, rights);
            }
        }
        found
    }

    /// Adds the user groups of a subject to those that were `found`.
    fn groups_of(
        &mut self,
        subject: &CachedSubject,
        found: &mut HashMap<GroupId, Arc<GroupFacts>>,
    ) {
        let core = self.core;
        let epoch = core.lease.hold().epoch;
        found.reserve(subject.facts.groups.len());
        let are_known = subject.rights.all(
            |position| core.is_current(position, epoch),
            |group, rights, position| {
                found.entry(group).or_insert_with(|| {
                    self.positions.facts.push(position);
                    rights
                });
            },
        );
        if are_known {
            return;
        }
        let mut noted = Vec::with_capacity(subject.facts.groups.len());
        for group in &subject.facts.groups {
            let Some((rights, position)) = self.group(*group) else {
                continue;
            };
            noted.push((*group, Arc::downgrade(&rights), position));
            found.insert(*group, rights);
        }
        if noted.len() == subject.facts.groups.len() {
            subject.rights.note(noted);
        }
    }

    /// Looks up the rights of a user group, once.
    fn group(&mut self, group: GroupId) -> Option<(Arc<GroupFacts>, ReadPosition)> {
        let known = self.groups.get(&group);
        known.cloned().unwrap_or_else(|| {
            let found = self.look_up_group(group);
            self.groups.insert(group, found.clone());
            found
        })
    }

    fn look_up_group(&mut self, group: GroupId) -> Option<(Arc<GroupFacts>, ReadPosition)> {
        let key = FactKey::Rights(self.tenant.clone(), group);
        let Some(entry) = self.core.hit(&key) else {
            self.is_complete = false;
            self.missing.groups.push(group);
            return None;
        };
        self.positions.facts.push(entry.position);
        match entry.fact {
            Fact::Rights(rights) => Some((rights, entry.position)),
            Fact::Vocabulary(_) | Fact::Subject(_) | Fact::Product(_) => None,
        }
    }

    /// Returns the products and their ancestors.
    fn products(
        &mut self,
        needed: &BTreeSet<ProductRef>,
        known: &CachedVocabulary,
    ) -> HashMap<ProductRef, Arc<ProductFacts>> {
        let mut found = HashMap::with_capacity(needed.len());
        if !needed.is_empty() {
            products::want(self.core, &known.products);
        }
        for product in needed {
            let mut at = Some(product.clone());
            while let Some(product) = at.take() {
                if found.contains_key(&product) {
                    break;
                }
                if let Some(facts) = self.product(&product, known) {
                    at = facts.parent.clone().map(|code| ProductRef {
                        kind: ProductKind::Model,
                        code,
                    });
                    found.insert(product, facts);
                }
            }
        }
        found
    }

    /// Returns a product from the tenant's index, or else from the cache of
    /// single products.
    fn product(
        &mut self,
        product: &ProductRef,
        known: &CachedVocabulary,
    ) -> Option<Arc<ProductFacts>> {
        let epoch = self.core.lease.hold().epoch;
        if let Some((facts, position)) = known.products.product(product, epoch) {
            self.positions.products.push(position);
            return facts.map(Arc::new);
        }
        let key = FactKey::Product(self.tenant.clone(), product.clone());
        match self.hit(&key)? {
            Fact::Product(facts) => facts,
            Fact::Vocabulary(_) | Fact::Subject(_) | Fact::Rights(_) => None,
        }
    }
}
