use std::collections::HashMap;

use crate::{
    admin::{change::Pass, error::AdminError},
    store::{ProductReached, ReachedBy},
};

use super::{
    Staged,
    classes::{Class, Classes},
    items,
    sides::Side,
};

/// The most products that are looked at one by one.
pub(super) const MOST: usize = 100_000;

/// Which products are affected.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// Products and models about which somebody is answered otherwise.
    pub(super) affected: u64,
    pub(super) sentences: Vec<String>,
}

/// The effective categories of a product on each side; `None` where it is not
/// stored.
type Places<'p> = (Option<&'p [i32]>, Option<&'p [i32]>);

/// Counts the products about which a class is answered otherwise, and marks the
/// classes.
pub(super) async fn compare(
    pass: &Pass<'_>,
    classes: &mut Classes,
    before: &Side<'_>,
    after: &Side<'_>,
    staged: Staged,
) -> Result<Affected, AdminError> {
    let by = reached_by(classes, before, after);
    if by == ReachedBy::NOTHING && staged == Staged::Nothing {
        return Ok(Affected::default());
    }
    let tenant = pass.tenant.number();
    let total = pass.transaction.nominate_reached(tenant, &by).await?;
    let looked_at = pass.transaction.read_reached(tenant, MOST).await?;
    let mut alike: HashMap<Places<'_>, u64> = HashMap::new();
    for product in &looked_at {
        let places = (product.before.as_deref(), product.after.as_deref());
        *alike.entry(places).or_default() += 1;
    }
    let mut affected = 0_u64;
    for ((old, new), count) in alike {
        let mut differs = false;
        for class in &mut classes.all {
            let is_open = !differs || !class.affected;
            if is_open && class.differs_on((before, old), (after, new)) {
                differs = true;
                class.affected = true;
            }
        }
        affected += if differs { count } else { 0 };
    }
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

/// Which stored products the change can reach: those in categories on which
/// somebody's level may be different, and where somebody may do something else
/// with products, all that it may do something with.
fn reached_by(classes: &Classes, before: &Side<'_>, after: &Side<'_>) -> ReachedBy {
    let is_turned = classes.all.iter().any(Class::is_turned);
    let enterprise = [before, after].map(|side| side.edition.is_enterprise());
    ReachedBy {
        // Outside the enterprise edition everyone owns every product (rules 3.4).
        everything: is_turned && enterprise != [true, true],
        uncategorised: is_turned,
        categories: items::categories(classes, after),
    }
}

/// The products that would lie in no category any more (rules 4.3).
fn everyones(products: &[ProductReached], scaled: impl Fn(u64) -> u64) -> Option<String> {
    let lies_in_some = |of: &Option<Vec<i32>>| of.as_ref().is_some_and(|of| !of.is_empty());
    let lies_in_none = |of: &Option<Vec<i32>>| of.as_ref().is_some_and(Vec::is_empty);
    let leaves =
        |product: &&ProductReached| lies_in_some(&product.before) && lies_in_none(&product.after);
    let first = products.iter().find(leaves)?;
    let count = products.iter().filter(leaves).count();
    let count = scaled(u64::try_from(count).unwrap_or(u64::MAX));
    let more = if count > 1 { " …" } else { "" };
    Some(format!(
        "{count} products would lie in no category and become everyone's: `{}`{more}",
        first.code
    ))
}
