use hashbrown::HashMap;

use crate::{
    admin::{
        change::Pass,
        error::AdminError,
        work::{Work, run_blocking},
    },
    domain::ItemId,
    store::{AffectedBy, AffectedProduct},
};

use super::{
    Compared, Staged, candidates::Wanted, classes::Class, group_levels::GroupLevels, items,
    sides::At, subjects::Affected,
};

/// Maximum number of products compared one by one.
pub(super) const MOST: usize = 100_000;

/// The effective categories of a product on each side; `None` where it is not
/// stored.
type Places<'p> = (Option<&'p [ItemId]>, Option<&'p [ItemId]>);

/// Counts the products and models about which an answer of any class changes, and marks
/// the affected classes.
pub(super) async fn compare(
    pass: &Pass<'_>,
    compared: &mut Compared<'_>,
    staged: Staged,
    work: &mut Work,
) -> Result<Affected, AdminError> {
    let by = run_blocking(|| reached_by(compared, work))?;
    if by == AffectedBy::NOTHING && staged == Staged::Nothing {
        return Ok(Affected::default());
    }
    if staged == Staged::Nothing {
        pass.transaction.prepare_staging().await?;
    }
    let tenant = pass.tenant.number();
    let total = pass.transaction.nominate_reached(tenant, &by).await?;
    let looked_at = pass.transaction.read_reached(tenant, MOST).await?;
    let affected = run_blocking(|| count_affected(&looked_at, compared, work))?;
    let seen = u64::try_from(looked_at.len()).unwrap_or(u64::MAX);
    let scaled = |count: u64| {
        if total > seen && seen > 0 {
            count.saturating_mul(total) / seen
        } else {
            count
        }
    };
    let mut sentences: Vec<String> = everyones(&looked_at, scaled).into_iter().collect();
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

/// Counts the products about which an answer of any class changes.
///
/// Products in the same categories are compared once, and only with the classes
/// whose answers can change by the rights on these.
pub(super) fn count_affected(
    products: &[AffectedProduct],
    compared: &mut Compared<'_>,
    work: &mut Work,
) -> Result<u64, AdminError> {
    let mut alike: HashMap<Places<'_>, u64> = HashMap::new();
    for product in products {
        let places = (product.before.as_deref(), product.after.as_deref());
        *alike.entry(places).or_default() += 1;
    }
    let Compared {
        before,
        after,
        groups,
        classes,
        candidates,
    } = compared;
    let mut held = GroupLevels::new(groups.numbers());
    let mut affected = 0_u64;
    for ((old, new), count) in alike {
        held.clear();
        for (side, at, categories) in [(&*before, At::Before, old), (&*after, At::After, new)] {
            for category in categories.into_iter().flatten() {
                let rights = side.rights(*category);
                work.step(1 + rights.len())?;
                held.add(at, rights);
            }
        }
        let rules = [before.rule_of_product(old), after.rule_of_product(new)];
        let wanted = Wanted::ClassesAndThing;
        if candidates.judge(&mut classes.all, &held, rules, wanted, work)? {
            affected += count;
        }
    }
    Ok(affected)
}

/// Returns which stored products the change can reach.
///
/// These are the products in categories on which the level of a class may change
/// and, if what a class may do with products changes, all products that it may do
/// something with.
pub(super) fn reached_by(
    compared: &Compared<'_>,
    work: &mut Work,
) -> Result<AffectedBy, AdminError> {
    let Compared {
        before,
        after,
        groups,
        classes,
        candidates: _,
    } = compared;
    let is_turned = classes.all.iter().any(Class::is_turned);
    let enterprise = [before, after].map(|side| side.edition.is_enterprise());
    Ok(AffectedBy {
        // Outside the enterprise edition everyone owns every product (rules 3.4).
        everything: is_turned && enterprise != [true, true],
        uncategorised: is_turned,
        categories: items::categories(classes, groups.numbers(), after, work)?,
    })
}

/// Describes the products that would lose their last category (rules 4.3).
fn everyones(products: &[AffectedProduct], scaled: impl Fn(u64) -> u64) -> Option<String> {
    let lies_in_some = |of: &Option<Vec<ItemId>>| of.as_ref().is_some_and(|of| !of.is_empty());
    let lies_in_none = |of: &Option<Vec<ItemId>>| of.as_ref().is_some_and(Vec::is_empty);
    let leaves =
        |product: &&AffectedProduct| lies_in_some(&product.before) && lies_in_none(&product.after);
    let first = products.iter().find(leaves)?;
    let count = products.iter().filter(leaves).count();
    let count = scaled(u64::try_from(count).unwrap_or(u64::MAX));
    let more = if count > 1 { " …" } else { "" };
    Some(format!(
        "{count} products would lie in no category and become everyone's: `{}`{more}",
        first.code
    ))
}
