//! The part of a dry run that determines which subjects and products are
//! affected.
//!
//! A subject is affected if one of its answers changes: a permission, its level
//! on an item, or what it may do with an attribute, grid view or product
//! (questions without a context). A product is affected if any subject's level on
//! it, or what any subject may do with it, changes. So a subject that sees no
//! product data, since the gate requires a visible channel and locale
//! (rules 4.5), is affected when the last channel is deleted and there is no gate
//! any more, and so are all products that it then sees.
//!
//! A dry run reads everything of the tenant except its products, so that the
//! [`ChangeSet`] has both [`sides`] of the change. Subjects with the same groups
//! and scopes form one of the [`classes`], which is compared once: by the engine
//! where a rule decides, by the levels of its groups where a right does. Only
//! differences are compared: each item whose rights change, and each product that
//! the change can reach, with the [`candidates`], the classes of the groups whose
//! level on it changes. So a right of one group is checked for the members of
//! that group only, and a new locale for no class, unless it changes an answer
//! about products. [`products`] reads the products in one pass, at most
//! [`products::MOST`]; beyond that the rest is estimated, and the sample states so.
//! Products in the same categories are compared once, as are items with the same
//! rights.
//!
//! The comparison is CPU-bound: its steps are counted, and it ends soon after its
//! caller has left ([`super::work`]).
//!
//! Rejected alternative: calling the engine for each subject and product, which
//! takes millions of questions for one right.

mod candidates;
mod catalog;
mod classes;
mod group_levels;
mod items;
mod members;
mod products;
mod profile;
mod rights;
mod sides;
mod subjects;
#[cfg(test)]
mod tests;

use crate::domain::Edition;

use super::{
    change::Pass,
    change_set::ChangeSet,
    error::AdminError,
    outcome::Effect,
    work::{Work, run_blocking},
};

use self::{
    candidates::Candidates,
    classes::Classes,
    members::Groups,
    sides::{At, Side},
};

/// Whether the change has staged products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Staged {
    /// The temporary tables hold nothing of this change.
    Nothing,
    /// The temporary tables hold the products to change.
    Products,
}

/// The edition of a tenant before and after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Editions {
    pub(super) before: Edition,
    pub(super) after: Edition,
}

impl Editions {
    /// Returns the editions of a change that keeps the edition.
    pub(super) fn same(edition: Edition) -> Self {
        Self {
            before: edition,
            after: edition,
        }
    }
}

/// Both sides of a change, and the classes found to be affected so far.
#[derive(Debug)]
struct Compared<'w> {
    before: Side<'w>,
    after: Side<'w>,
    groups: Groups,
    classes: Classes,
    candidates: Candidates,
}

impl<'w> Compared<'w> {
    /// Compares everything except products.
    fn of(
        change_set: &'w ChangeSet,
        editions: Editions,
        work: &mut Work,
    ) -> Result<Self, AdminError> {
        let before = Side::of(change_set, editions.before, At::Before);
        let after = Side::of(change_set, editions.after, At::After);
        let groups = Groups::of(&before, &after);
        let mut classes = Classes::of(&groups, &before, &after, work)?;
        let mut candidates = Candidates::of(&classes.all, groups.numbers().count, work)?;
        let sides = (&before, &after);
        items::compare(&mut classes, &mut candidates, &groups, sides, work)?;
        catalog::compare(&mut classes, &groups, sides, work)?;
        Ok(Self {
            before,
            after,
            groups,
            classes,
            candidates,
        })
    }
}

/// Adds the affected subjects and products, and the sample, to the effect of a
/// dry run.
///
/// # Errors
///
/// [`AdminError::Store`] when the database does not answer,
/// [`AdminError::DeadlinePassed`] when the caller no longer waits.
pub(super) async fn complete(
    effect: &mut Effect,
    pass: &Pass<'_>,
    change_set: &ChangeSet,
    editions: Editions,
    staged: Staged,
) -> Result<(), AdminError> {
    let mut work = pass.work();
    let mut compared = run_blocking(|| Compared::of(change_set, editions, &mut work))?;
    let products = products::compare(pass, &mut compared, staged, &mut work).await?;
    let sides = (&compared.before, &compared.after);
    let subjects = run_blocking(|| subjects::compare(&compared.classes, sides, &mut work))?;
    effect.subjects_affected = subjects.affected;
    effect.products_affected = products.affected;
    let mut sample = compared.classes.gate_sentences();
    sample.extend(products.sentences);
    sample.extend(subjects.sentences);
    sample.extend(run_blocking(|| rights::sentences(change_set, &mut work))?);
    sample.append(&mut effect.sample);
    effect.sample = cut(sample);
    Ok(())
}

/// Truncates to [`Effect::SAMPLE`] sentences; the last one then gives the number
/// of omitted ones.
fn cut(mut sample: Vec<String>) -> Vec<String> {
    if sample.len() > Effect::SAMPLE {
        let more = sample.len() - (Effect::SAMPLE - 1);
        sample.truncate(Effect::SAMPLE - 1);
        sample.push(format!("and {more} more of the kind"));
    }
    sample
}
