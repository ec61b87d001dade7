use std::collections::{BTreeSet, HashMap};

use crate::{
    admin::{change::Pass, error::AdminError, world::World},
    domain::{ItemKind, Level},
    store::ProductReached,
};

use super::{
    Staged,
    levels::{self, GroupSets},
};

/// The most products that are looked at one by one.
pub(super) const MOST: usize = 100_000;

/// Which products change hands.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// Products and models whose level changes for anyone.
    pub(super) affected: u64,
    pub(super) sentences: Vec<String>,
}

/// The levels of a set of groups on each category; `None`: of nobody.
type Levels = Option<HashMap<i32, Level>>;

/// The levels of each set of groups on each category, before and after.
struct CategoryLevels {
    pairs: Vec<(Levels, Levels)>,
}

impl CategoryLevels {
    fn of(world: &World, sets: &GroupSets) -> Self {
        let (before, after) = levels::by_group(world);
        let categories = |mut levels: HashMap<i32, Level>| {
            let is_category = |id: &i32| {
                let item = world.items.ever(*id);
                item.is_some_and(|item| item.kind == ItemKind::Category)
            };
            levels.retain(|id, _| is_category(id));
            levels
        };
        let of = |rights, groups: Option<&BTreeSet<i32>>| {
            groups.map(|groups| categories(levels::merged(rights, Some(groups))))
        };
        let pairs = sets.pairs.iter();
        Self {
            pairs: pairs
                .map(|(was, is)| (of(&before, was.as_ref()), of(&after, is.as_ref())))
                .collect(),
        }
    }

    /// The categories whose level is different for some set.
    fn different(&self) -> BTreeSet<i32> {
        let nothing = HashMap::new();
        let mut found = BTreeSet::new();
        for (before, after) in &self.pairs {
            let before = before.as_ref().unwrap_or(&nothing);
            let after = after.as_ref().unwrap_or(&nothing);
            let categories = before.keys().chain(after.keys());
            found.extend(categories.filter(|id| before.get(id) != after.get(id)));
        }
        found
    }

    /// Whether somebody comes or goes, who holds even what is everyone's on one
    /// side only.
    fn somebody_comes_or_goes(&self) -> bool {
        let mut pairs = self.pairs.iter();
        pairs.any(|(before, after)| before.is_some() != after.is_some())
    }

    /// Whether the level of a product is different for some set.
    fn differ_on(&self, product: &ProductReached) -> bool {
        self.pairs.iter().any(|(before, after)| {
            let was = level(before.as_ref(), &product.before);
            if product.gone {
                return was != Level::Hidden;
            }
            was != level(after.as_ref(), &product.after)
        })
    }
}

/// The level on a product by its effective categories (rules 4.1, 4.3).
fn level(levels: Option<&HashMap<i32, Level>>, categories: &[i32]) -> Level {
    let Some(levels) = levels else {
        return Level::Hidden;
    };
    if categories.is_empty() {
        return Level::Own;
    }
    let held = categories.iter().filter_map(|id| levels.get(id));
    held.fold(Level::Hidden, |highest, level| highest.or(*level))
}

/// Compares the levels of products with what they would be.
pub(super) async fn compare(
    pass: &Pass<'_>,
    world: &World,
    sets: &GroupSets,
    staged: Staged,
) -> Result<Affected, AdminError> {
    let levels = CategoryLevels::of(world, sets);
    let different: Vec<i32> = levels.different().into_iter().collect();
    let everyones = levels.somebody_comes_or_goes();
    if different.is_empty() && !everyones && staged == Staged::Nothing {
        return Ok(Affected::default());
    }
    let tenant = pass.tenant.number();
    let total = pass
        .transaction
        .nominate_reached(tenant, &different, everyones)
        .await?;
    let looked_at = pass.transaction.read_reached(tenant, MOST).await?;
    let mut affected = 0_u64;
    let mut everyones: Vec<&ProductReached> = Vec::new();
    for product in &looked_at {
        affected += u64::from(levels.differ_on(product));
        if !product.gone && product.after.is_empty() && !product.before.is_empty() {
            everyones.push(product);
        }
    }
    let seen = u64::try_from(looked_at.len()).unwrap_or(u64::MAX);
    let scaled = |count: u64| {
        if total > seen && seen > 0 {
            count.saturating_mul(total) / seen
        } else {
            count
        }
    };
    let mut sentences = Vec::new();
    if let Some(first) = everyones.first() {
        let count = scaled(u64::try_from(everyones.len()).unwrap_or(u64::MAX));
        sentences.push(format!(
            "{count} products would lie in no category and become everyone's: `{}`{}",
            first.code,
            if count > 1 { " …" } else { "" }
        ));
    }
    if total > seen {
        sentences.push(format!(
            "products affected are an estimate: {seen} of {total} were looked at"
        ));
    }
    Ok(Affected {
        affected: scaled(affected),
        sentences,
    })
}
