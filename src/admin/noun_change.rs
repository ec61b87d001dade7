use crate::{
    domain::{Edition, FactKey, Revision},
    store::{NounsWanted, ProductCounts},
};

use super::{
    change::{Change, Pass, Ran},
    error::AdminError,
    guards::Guards,
    impact::{self, Editions, Staged},
    outcome::{Effect, Written},
    plan::Planner,
    request::NounRequest,
    tally, touched, trail,
    work::off_the_runtime,
    world::World,
};

/// Encodes what a write came to, to be kept for a retry.
pub type EncodeWritten = fn(&Written) -> Vec<u8>;

/// What a change found when it compared what is asked with what is stored.
#[derive(Debug)]
pub(super) struct Compared {
    /// The nouns as the change leaves them.
    pub(super) world: World,
    /// What it does to models and to products.
    pub(super) products: [ProductCounts; 2],
    /// All of it, counted.
    pub(super) effect: Effect,
    /// What it touches.
    keys: Vec<FactKey>,
}

impl Compared {
    /// Judges a world that a change was carried out on, and counts.
    ///
    /// # Errors
    ///
    /// [`AdminError::LockOutGuard`] (rules 2.6), [`AdminError::AppLimit`]
    /// (rules 5.2).
    pub(super) async fn of(
        pass: &Pass<'_>,
        world: World,
        guards: &Guards,
        (products, staged): ([ProductCounts; 2], Staged),
        unchanged: u64,
    ) -> Result<Self, AdminError> {
        guards.judge(&world)?;
        let mut effect = tally::effect_of(&world, &products, pass.tenant.id.is_none());
        effect.unchanged = unchanged;
        if pass.context.dry_run {
            let editions = Editions::same(pass.tenant.edition);
            impact::complete(&mut effect, pass, &world, editions, staged).await?;
        } else {
            effect.sample.clear();
        }
        Ok(Self {
            keys: touched::keys(pass, &world, &products).await?,
            world,
            products,
            effect,
        })
    }

    /// The same of a change that does nothing to products.
    ///
    /// # Errors
    ///
    /// As [`Compared::of`].
    pub(super) async fn of_nouns(
        pass: &Pass<'_>,
        world: World,
        guards: &Guards,
        unchanged: u64,
    ) -> Result<Self, AdminError> {
        let products = ([ProductCounts::default(); 2], Staged::Nothing);
        Self::of(pass, world, guards, products, unchanged).await
    }

    /// Writes the nouns that differ, and an audit row for each.
    pub(super) async fn write_nouns(&mut self, pass: &mut Pass<'_>) -> Result<(), AdminError> {
        self.world.read_names(pass).await?;
        self.world.write(pass).await?;
        trail::write(pass, &self.world).await
    }

    /// What a run came to that found this.
    pub(super) fn ran(&self) -> Ran {
        Ran {
            effect: self.effect.clone(),
            keys: self.keys.clone(),
            ..Ran::default()
        }
    }
}

/// Reads what is wanted of the tenant; everything in a dry run, which tells who
/// is affected.
pub(super) async fn world(pass: &Pass<'_>, wanted: &NounsWanted) -> Result<World, AdminError> {
    let everything = NounsWanted::everything();
    let wanted = if pass.context.dry_run {
        &everything
    } else {
        wanted
    };
    let tenant = pass.tenant.number();
    let stored = pass.transaction.load_nouns(tenant, wanted).await?;
    Ok(World::new(pass.tenant.edition, pass.tenant.last_id, stored))
}

/// A change of nouns alone.
#[derive(Debug)]
pub(super) struct NounChange {
    request: NounRequest,
    encode: EncodeWritten,
    compared: Option<Compared>,
}

impl NounChange {
    pub(super) fn new(request: NounRequest, encode: EncodeWritten) -> Self {
        Self {
            request,
            encode,
            compared: None,
        }
    }

    async fn compare(&self, pass: &Pass<'_>) -> Result<Compared, AdminError> {
        let mut world = world(pass, &self.request.wants()).await?;
        let guards = Guards::before(&world);
        let carry_out = || self.request.carry_out(&mut Planner::new(&mut world));
        let unchanged = off_the_runtime(carry_out)?;
        Compared::of_nouns(pass, world, &guards, unchanged).await
    }
}

impl Change for NounChange {
    type Answer = Written;

    fn new_tenant_edition(&self) -> Option<Edition> {
        None
    }

    async fn run(&mut self, pass: &mut Pass<'_>) -> Result<Ran, AdminError> {
        let mut compared = match pass.still_true(self.compared.take()) {
            Some(compared) => compared,
            None => self.compare(pass).await?,
        };
        let ran = compared.ran();
        if pass.may_write() && !ran.is_nothing() {
            compared.write_nouns(pass).await?;
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
