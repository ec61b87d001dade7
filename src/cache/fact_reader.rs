use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    domain::{Code, Facts, FactsNeeded, Question, Revision},
    failpoints::{Rule, is_disabled},
    store::Unconfirmed,
};

use super::{
    background_loads,
    core::{Cache, Core, LEASE_PATIENCE},
    error::CacheError,
    fact_lookup::{LentFacts, lend, look_up},
    load_coalescer::{self, Read},
    memory::ReadPositions,
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
/// The only other way to answer from facts is [`with_lent_facts`]. A macro, because the
/// compiler cannot prove that the future of an asynchronous closure is `Send` for every
/// lifetime of the facts.
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

/// Answers some questions from facts that are lent where they are cached, without copying
/// them: evaluates `$decide` (which may await) to the whole answer, and confirms the facts.
/// Evaluates to the answer with its revision.
///
/// `None`: [`with_current_facts`] must be used, since a fact is not cached, has changed
/// meanwhile or is older than `$minimum`, or a decision takes so long that it must yield.
/// `$questions` is evaluated again at the end, to the same questions.
macro_rules! with_lent_facts {
    ($cache:expr, $tenant:expr, $questions:expr, $minimum:expr, |$facts:ident| $decide:expr) => {
        match $cache.lend($tenant, $questions, $minimum) {
            None => None,
            Some($facts) => {
                let answer = $decide;
                let revision = $cache.confirm_lent(&$facts, $questions);
                revision.map(|revision| (answer, revision))
            }
        }
    };
}
pub(crate) use with_lent_facts;

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

    /// Lends the facts of some questions; used by [`with_lent_facts`] alone. `None`: some
    /// are not cached, or older than `minimum`.
    pub(crate) fn lend<'a>(
        &self,
        tenant: &Code,
        questions: impl Iterator<Item = &'a Question> + Clone,
        minimum: Revision,
    ) -> Option<LentFacts<'a>> {
        if !self.core.keeps() {
            return None;
        }
        let facts = lend(&self.core, tenant, questions)?;
        (facts.revision >= minimum).then_some(facts)
    }

    /// Confirms an answer to the questions that facts were lent for, and returns its
    /// revision; must be called last. `None`: it must not be returned.
    pub(crate) fn confirm_lent<'a>(
        &self,
        facts: &LentFacts<'a>,
        questions: impl Iterator<Item = &'a Question>,
    ) -> Option<Revision> {
        let core = &self.core;
        if facts.confirm(core, questions).is_err() {
            if !facts.lacks_a_fact() {
                core.counters.stale_answers_refused.add(1);
            }
            return None;
        }
        core.count_hit();
        Some(facts.revision)
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
            core.count_hit();
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
