use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    domain::{
        Code, FactKey, Facts, FactsNeeded, GroupFacts, GroupId, GroupsNeeded, ProductFacts,
        ProductKind, ProductRef, Revision, Section, SubjectFacts, SubjectRef,
    },
    failpoints::{Rule, is_disabled, pause_long},
};

use super::{
    background_loads::{self, Misses},
    core::{Cache, Core, LEASE_PATIENCE},
    error::CacheError,
    load_coalescer::{self, Read},
    memory::{Fact, Known, ReadPositions},
    products,
};

/// How long a call waits for `minimum_revision`, unless its own deadline comes
/// first.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The first pause between two looks at a revision; each next one is twice as
/// long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);

const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// One call's questions, from their facts to an answer that may be given:
///
/// 1. [`FactReader::facts`] collects the facts;
/// 2. the caller decides, and renders the answer;
/// 3. [`FactReader::is_confirmed`] says whether the answer may be given; if not,
///    once more from the first step.
#[derive(Debug)]
pub struct FactReader<'a> {
    core: &'a Arc<Core>,
    tenant: &'a Code,
    needed: &'a FactsNeeded,
    minimum: Revision,
    tries: u32,
    held: Option<Collected>,
}

/// Facts, and what they stand on.
#[derive(Debug)]
enum Collected {
    /// Each was kept, as of its own place in the log.
    Memory(Option<Facts>, Box<ReadPositions>),
    /// One snapshot.
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
    /// Begins to answer questions of a tenant that need `needed`, at `minimum`
    /// or later.
    #[must_use]
    pub fn ask<'a>(
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
            held: None,
        }
    }

    /// Whether an answer that comes from one snapshot of the database, taken in
    /// this epoch, may be given; to be asked when it is ready.
    ///
    /// # Errors
    ///
    /// [`CacheError::LeaseLost`] when it may not.
    pub async fn confirm_snapshot(&self, epoch: u64) -> Result<(), CacheError> {
        if self.core.confirm_snapshot(epoch).is_ok() {
            return Ok(());
        }
        // A lease that comes back proves the snapshot as well, if it is of the
        // same epoch: the snapshot was taken after the call came.
        self.core.lease.wait(LEASE_PATIENCE).await;
        let confirmed = self.core.confirm_snapshot(epoch);
        confirmed.map_err(|_| CacheError::LeaseLost)
    }
}

impl FactReader<'_> {
    /// The facts; `None`: there is no such tenant.
    ///
    /// # Errors
    ///
    /// [`CacheError::LeaseLost`], [`CacheError::Store`]: not to be told from
    /// here; another server may. [`CacheError::RevisionNotReached`].
    pub async fn facts(&mut self) -> Result<Option<&Facts>, CacheError> {
        self.await_minimum().await?;
        let from_memory = self.tries == 0;
        let mut held = collect(self.core, self.tenant, self.needed, from_memory).await?;
        if is_before(&held, self.minimum) && from_memory {
            held = collect(self.core, self.tenant, self.needed, false).await?;
        }
        if let Some(facts) = held.facts().filter(|_| is_before(&held, self.minimum)) {
            // The tenant was made again meanwhile.
            return Err(CacheError::RevisionNotReached {
                wanted: self.minimum,
                found: facts.revision,
            });
        }
        let held = self.held.insert(held);
        Ok(held.facts())
    }

    /// Waits until the tenant is at the revision asked for, without collecting
    /// facts meanwhile.
    async fn await_minimum(&self) -> Result<(), CacheError> {
        if self.minimum == Revision(0) || self.tries > 0 {
            return Ok(());
        }
        // Nothing but the tenant's revision.
        let nothing = FactsNeeded::default();
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut from_memory = true;
        loop {
            let held = collect(self.core, self.tenant, &nothing, from_memory).await?;
            let Some(facts) = held.facts().filter(|_| is_before(&held, self.minimum)) else {
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

    /// Whether what was decided by the facts may be answered; else they are to
    /// be collected again. To be asked last.
    ///
    /// # Errors
    ///
    /// [`CacheError::LeaseLost`] when this server cannot tell at the moment.
    pub fn is_confirmed(&mut self) -> Result<bool, CacheError> {
        let core = self.core;
        let confirmed = match &self.held {
            None => return Ok(false),
            Some(Collected::Memory(_, positions)) => core.confirm(positions),
            Some(Collected::Statement(read)) => core.confirm_snapshot(read.as_of.epoch),
        };
        self.tries += 1;
        let figures = &core.figures;
        if confirmed.is_err() {
            figures.stale_answers_refused.add(1);
            // Once more, and not again.
            return if self.tries < 2 {
                Ok(false)
            } else {
                Err(CacheError::LeaseLost)
            };
        }
        if matches!(self.held, Some(Collected::Memory(..))) {
            figures.hits.add(1);
            if figures.pending.get() > 0 {
                figures.answers_with_pending.add(1);
            }
        } else {
            figures.misses.add(1);
        }
        Ok(true)
    }
}

/// Whether facts are of an earlier revision; those of a tenant that is not there
/// are not.
fn is_before(held: &Collected, minimum: Revision) -> bool {
    held.facts().is_some_and(|facts| facts.revision < minimum)
}

/// Collects facts from memory if all are there, else all by one statement.
async fn collect(
    core: &Arc<Core>,
    tenant: &Code,
    needed: &FactsNeeded,
    from_memory: bool,
) -> Result<Collected, CacheError> {
    // Without a lease the answer could not be given, so nothing is asked.
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

/// What memory holds of a set of questions: all of it, or what is missing that
/// the statement will not bring.
pub(super) fn look_up(
    core: &Arc<Core>,
    tenant: &Code,
    needed: &FactsNeeded,
) -> Result<(Option<Facts>, Option<Known>, ReadPositions), Misses> {
    let mut lookup = Lookup {
        core,
        tenant,
        positions: ReadPositions::default(),
        missing: Misses::default(),
        is_whole: true,
    };
    let known = match lookup.vocabulary() {
        Some(Some(known)) => known,
        Some(None) => return Ok((None, None, lookup.positions)),
        None => {
            lookup.missing.vocabulary = true;
            return Err(lookup.missing);
        }
    };
    let subjects = lookup.subjects(&needed.subjects);
    let groups = match needed.groups {
        GroupsNeeded::All => known.vocabulary.groups.iter().copied().collect(),
        GroupsNeeded::OfSubjects => {
            let groups = subjects.values().flat_map(|subject| &subject.groups);
            groups.copied().collect()
        }
    };
    let groups = lookup.groups(&groups);
    pause_long();
    let products = lookup.products(&needed.products, &known);
    if !lookup.is_whole {
        return Err(lookup.missing);
    }
    // Read after the facts: they are at least as new as it, and it is never
    // older than what an answer before has told.
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
    is_whole: bool,
}

impl Lookup<'_> {
    fn hit(&mut self, key: &FactKey) -> Option<Fact> {
        let entry = self.core.hit(key);
        let Some(entry) = entry else {
            self.is_whole = false;
            return None;
        };
        self.positions.facts.push(entry.position);
        Some(entry.fact)
    }

    /// The vocabulary; inside, `None`: there is no such tenant.
    #[expect(clippy::option_option, reason = "not there, and known not to be")]
    fn vocabulary(&mut self) -> Option<Option<Known>> {
        let key = FactKey::Section(self.tenant.clone(), Section::Vocabulary);
        match self.hit(&key)? {
            Fact::Vocabulary(known) => Some(known),
            Fact::Subject(_) | Fact::Rights(_) | Fact::Product(_) => None,
        }
    }

    fn subjects(
        &mut self,
        needed: &BTreeSet<SubjectRef>,
    ) -> HashMap<SubjectRef, Arc<SubjectFacts>> {
        let mut found = HashMap::with_capacity(needed.len());
        for subject in needed {
            let key = FactKey::Subject(self.tenant.clone(), subject.clone());
            if let Some(Fact::Subject(Some(facts))) = self.hit(&key) {
                found.insert(subject.clone(), facts);
            }
        }
        found
    }

    fn groups(&mut self, needed: &BTreeSet<GroupId>) -> HashMap<GroupId, Arc<GroupFacts>> {
        let mut found = HashMap::with_capacity(needed.len());
        for group in needed {
            let key = FactKey::Rights(self.tenant.clone(), *group);
            match self.hit(&key) {
                Some(Fact::Rights(facts)) => {
                    found.insert(*group, facts);
                }
                Some(Fact::Vocabulary(_) | Fact::Subject(_) | Fact::Product(_)) => {}
                None => self.missing.groups.push(*group),
            }
        }
        found
    }

    /// The products, and the models above them.
    fn products(
        &mut self,
        needed: &BTreeSet<ProductRef>,
        known: &Known,
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

    /// A product by the tenant's index, or else as it was kept by itself.
    fn product(&mut self, product: &ProductRef, known: &Known) -> Option<Arc<ProductFacts>> {
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
