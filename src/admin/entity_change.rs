use crate::{
    domain::{Edition, FactKey, Revision},
    store::{ProductCounts, WantedEntities},
};

use super::{
    audit,
    change::{Change, Pass, RunResult},
    change_set::ChangeSet,
    effect_counter,
    error::AdminError,
    guards::Guards,
    impact::{self, Editions, Staged},
    invalidated_keys,
    outcome::{Effect, Written},
    plan::Planner,
    request::EntityRequest,
    work::run_blocking,
};

/// Encodes the result of a write, to be stored for retries.
pub type EncodeWritten = fn(&Written) -> Vec<u8>;

/// The result of comparing a request with what is stored.
#[derive(Debug)]
pub(super) struct Compared {
    /// The entities as the change leaves them.
    pub(super) change_set: ChangeSet,
    /// The counts of models and of products.
    pub(super) products: [ProductCounts; 2],
    /// The effect of the whole change.
    pub(super) effect: Effect,
    /// The keys whose cached facts it invalidates.
    keys: Vec<FactKey>,
}

impl Compared {
    /// Checks the guards on the changed entities and computes the effect.
    ///
    /// # Errors
    ///
    /// [`AdminError::LockOutGuard`] (rules 2.6), [`AdminError::AppLimit`]
    /// (rules 5.2).
    pub(super) async fn of(
        pass: &Pass<'_>,
        change_set: ChangeSet,
        guards: &Guards,
        (products, staged): ([ProductCounts; 2], Staged),
        unchanged: u64,
    ) -> Result<Self, AdminError> {
        guards.judge(&change_set)?;
        let mut effect =
            effect_counter::effect_of(&change_set, &products, pass.tenant.id.is_none());
        effect.unchanged = unchanged;
        if pass.context.dry_run {
            let editions = Editions::same(pass.tenant.edition);
            impact::complete(&mut effect, pass, &change_set, editions, staged).await?;
        } else {
            effect.sample.clear();
        }
        Ok(Self {
            keys: invalidated_keys::keys(pass, &change_set, &products).await?,
            change_set,
            products,
            effect,
        })
    }

    /// Does the same for a change that does not affect products.
    ///
    /// # Errors
    ///
    /// As [`Compared::of`].
    pub(super) async fn of_entities(
        pass: &Pass<'_>,
        change_set: ChangeSet,
        guards: &Guards,
        unchanged: u64,
    ) -> Result<Self, AdminError> {
        let products = ([ProductCounts::default(); 2], Staged::Nothing);
        Self::of(pass, change_set, guards, products, unchanged).await
    }

    /// Writes the entities that differ, and an audit row for each.
    pub(super) async fn write_entities(&mut self, pass: &mut Pass<'_>) -> Result<(), AdminError> {
        self.change_set.read_names(pass).await?;
        self.change_set.write(pass).await?;
        audit::write(pass, &self.change_set).await
    }

    /// Returns the result of the run that made this comparison.
    pub(super) fn ran(&self) -> RunResult {
        RunResult {
            effect: self.effect.clone(),
            keys: self.keys.clone(),
            ..RunResult::default()
        }
    }
}

/// Reads the `wanted` entities of the tenant; in a dry run all of them, to
/// determine who is affected.
pub(super) async fn change_set(
    pass: &Pass<'_>,
    wanted: &WantedEntities,
) -> Result<ChangeSet, AdminError> {
    let everything = WantedEntities::everything();
    let wanted = if pass.context.dry_run {
        &everything
    } else {
        wanted
    };
    let tenant = pass.tenant.number();
    let stored = pass.transaction.load_entities(tenant, wanted).await?;
    Ok(ChangeSet::new(
        pass.tenant.edition,
        pass.tenant.last_id,
        stored,
    ))
}

/// A change that an [`EntityRequest`] describes.
#[derive(Debug)]
pub(super) struct EntityChange {
    request: EntityRequest,
    encode: EncodeWritten,
    compared: Option<Compared>,
}

impl EntityChange {
    pub(super) fn new(request: EntityRequest, encode: EncodeWritten) -> Self {
        Self {
            request,
            encode,
            compared: None,
        }
    }

    async fn compare(&self, pass: &Pass<'_>) -> Result<Compared, AdminError> {
        let mut change_set = change_set(pass, &self.request.wants()).await?;
        let guards = Guards::before(&change_set);
        let carry_out = || self.request.carry_out(&mut Planner::new(&mut change_set));
        let unchanged = run_blocking(carry_out)?;
        Compared::of_entities(pass, change_set, &guards, unchanged).await
    }
}

impl Change for EntityChange {
    type Answer = Written;

    fn new_tenant_edition(&self) -> Option<Edition> {
        None
    }

    async fn run(&mut self, pass: &mut Pass<'_>) -> Result<RunResult, AdminError> {
        let mut compared = match pass.reuse(self.compared.take()) {
            Some(compared) => compared,
            None => self.compare(pass).await?,
        };
        let ran = compared.ran();
        if pass.may_write() && !ran.is_nothing() {
            compared.write_entities(pass).await?;
        }
        self.compared = Some(compared);
        Ok(ran)
    }

    fn answer(&self, revision: Revision) -> Written {
        let compared = self.compared.as_ref();
        Written {
            revision,
            effect: compared.map_or_else(Effect::default, |found| found.effect.clone()),
        }
    }

    fn encode(&self, answer: &Written) -> Vec<u8> {
        (self.encode)(answer)
    }
}
