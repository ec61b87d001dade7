//! What a dry run tells beside its counts: who gains and who loses, and which
//! products change hands.
//!
//! In a dry run everything of the tenant but its products is read, so that the
//! [`World`] knows before and after of every membership and right.
//! [`subjects`] compares each subject's permissions, and the levels of its
//! groups, with what they were; subjects in the same groups are compared once.
//! [`products`] looks at the products in categories whose level changes for some
//! of those groups, and at those that are staged to change themselves: the level
//! of each is the highest over its effective categories (rules 4.1), and without
//! any it is everyone's (rules 4.3). They are read in one pass, at most
//! [`products::MOST`]; beyond that the rest is estimated, and the sample says so.

mod levels;
mod products;
mod subjects;

use crate::domain::Edition;

use super::{change::Pass, error::AdminError, outcome::Effect, world::World};

use self::levels::GroupSets;

/// Whether the change has staged products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Staged {
    /// It has not.
    Nothing,
    /// It has: the temporary tables hold what is to change.
    Products,
}

/// Completes the effect of a dry run.
///
/// # Errors
///
/// [`AdminError::Store`] when the database does not answer.
pub(super) async fn complete(
    effect: &mut Effect,
    pass: &Pass<'_>,
    world: &World,
    staged: Staged,
) -> Result<(), AdminError> {
    let counted = std::mem::take(&mut effect.sample);
    let edition = pass.tenant.edition;
    let subjects = subjects::compare(world, edition);
    effect.subjects_affected = subjects.affected;
    let mut sample = Vec::new();
    if edition == Edition::Enterprise {
        if staged == Staged::Nothing {
            pass.transaction.prepare_staging().await?;
        }
        let sets = GroupSets::of(world);
        let products = products::compare(pass, world, &sets, staged).await?;
        effect.products_affected = products.affected;
        sample.extend(products.sentences);
    }
    sample.extend(subjects.sentences);
    sample.extend(levels::sentences(world));
    sample.extend(counted);
    effect.sample = cut(sample);
    Ok(())
}

/// At most [`Effect::SAMPLE`] sentences; the last one says how many more there
/// are.
fn cut(mut sample: Vec<String>) -> Vec<String> {
    if sample.len() > Effect::SAMPLE {
        let more = sample.len() - (Effect::SAMPLE - 1);
        sample.truncate(Effect::SAMPLE - 1);
        sample.push(format!("and {more} more of the kind"));
    }
    sample
}
