use crate::{domain::FactKey, store::ProductCounts};

use super::{
    audit,
    change::{Change, ComparedWith, Pass},
    change_set::ChangeSet,
    compared::Compared,
    effect_counter,
    error::AdminError,
    guards,
    impact::{self, Editions, Staged},
    invalidated_keys,
    outcome::Effect,
    plan::Planner,
    request::EntityRequest,
    work::run_blocking,
};

/// The entities of a tenant as a change leaves them, products as counts.
#[derive(Debug)]
pub(crate) struct Entities {
    pub(super) change_set: ChangeSet,
    /// The counts of models and of products.
    pub(super) products: [ProductCounts; 2],
}

impl Entities {
    /// Returns entities of which no product changes.
    pub(super) fn without_products(change_set: ChangeSet) -> Self {
        Self {
            change_set,
            products: [ProductCounts::default(); 2],
        }
    }

    /// Checks the guards, and returns the effect and the invalidation keys.
    /// `unchanged` is the number of requested entities and rights that stay.
    ///
    /// # Errors
    ///
    /// [`AdminError::LockOutGuard`] (rules 2.6), [`AdminError::AppLimit`]
    /// (rules 5.2), [`AdminError::DeadlinePassed`] when the caller no longer waits.
    pub(super) async fn effect(
        &self,
        pass: &Pass<'_>,
        staged: Staged,
        unchanged: u64,
    ) -> Result<(Effect, Vec<FactKey>), AdminError> {
        let Self {
            change_set,
            products,
        } = self;
        let mut effect = run_blocking(|| {
            guards::check(change_set)?;
            effect_counter::effect_of(change_set, products, pass.tenant.is_new(), &mut pass.work())
        })?;
        effect.unchanged = unchanged;
        if pass.context.dry_run {
            let editions = Editions::same(pass.tenant.edition);
            impact::complete(&mut effect, pass, change_set, editions, staged).await?;
        } else {
            effect.sample.clear();
        }
        let keys = invalidated_keys::keys(pass, change_set, products).await?;
        Ok((effect, keys))
    }

    /// Returns the comparison of a change whose answer has no details.
    ///
    /// # Errors
    ///
    /// As [`Entities::effect`].
    pub(super) async fn compared(
        self,
        pass: &Pass<'_>,
        staged: Staged,
        unchanged: u64,
    ) -> Result<Compared<Self, ()>, AdminError> {
        let found = self.effect(pass, staged, unchanged).await?;
        Ok(Compared::of(found, self, ()))
    }

    /// Writes the entities that differ, and an audit row for each.
    ///
    /// # Errors
    ///
    /// [`AdminError::Store`] when the database does not answer.
    pub(super) async fn write(&mut self, pass: &mut Pass<'_>) -> Result<(), AdminError> {
        self.change_set.read_names(pass).await?;
        self.change_set.write(pass).await?;
        audit::write(pass, &self.change_set).await
    }

    /// Returns the number of products and models that are created.
    pub(super) fn created_products(&self) -> u64 {
        self.products.iter().map(|counts| counts.created).sum()
    }

    /// Returns the number of stored products and models that change.
    pub(super) fn changed_products(&self) -> u64 {
        self.products.iter().map(|counts| counts.changed).sum()
    }
}

impl Change for EntityRequest {
    type Plan = Entities;
    type Details = ();

    async fn compare(&self, pass: &Pass<'_>) -> Result<ComparedWith<Self>, AdminError> {
        let mut change_set = ChangeSet::read(pass, &self.wants()).await?;
        let unchanged = run_blocking(|| self.carry_out(&mut Planner::new(&mut change_set)))?;
        let entities = Entities::without_products(change_set);
        entities.compared(pass, Staged::Nothing, unchanged).await
    }

    async fn write(
        &self,
        pass: &mut Pass<'_>,
        compared: &mut ComparedWith<Self>,
    ) -> Result<(), AdminError> {
        compared.plan.write(pass).await
    }
}
