//! What a dry run counts beside stored things: who and what is affected.
//!
//! A subject is affected if one of its answers changes: a permission, its level
//! on an item, or what it may do with an attribute, grid view or product
//! (questions without a context). A product is affected if what anyone may do
//! with it changes, or anyone's level on it. So whoever sees no product data,
//! for want of a channel or locale to view (rules 4.5), is affected when the
//! last channel is deleted, and with it all products that are then shown.
//!
//! In a dry run everything of the tenant but its products is read, so that the
//! [`World`] has both [`sides`] of the change. Subjects with the same groups and
//! scopes form one of the [`classes`], which is compared once: by the engine
//! where a rule decides, by the levels of its groups on each item where a right
//! does. [`products`] then reads the products that a change can reach in one
//! pass, at most [`products::MOST`]; beyond that the rest is estimated, and the
//! sample says so. Products in the same categories are compared once.
//!
//! Asking the engine about each subject and product was set aside: that is
//! millions of questions for one right.

mod catalog;
mod classes;
mod items;
mod products;
mod rights;
mod sides;
mod subjects;

use crate::domain::Edition;

use super::{change::Pass, error::AdminError, outcome::Effect, world::World};

use self::{
    classes::Classes,
    sides::{At, Side},
};

/// Whether the change has staged products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Staged {
    /// It has not.
    Nothing,
    /// It has: the temporary tables hold what is to change.
    Products,
}

/// The edition of a tenant before and after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Editions {
    pub(super) before: Edition,
    pub(super) after: Edition,
}

impl Editions {
    /// Of a change that leaves it as it is.
    pub(super) fn same(edition: Edition) -> Self {
        Self {
            before: edition,
            after: edition,
        }
    }
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
    editions: Editions,
    staged: Staged,
) -> Result<(), AdminError> {
    let mut before = Side::of(world, editions.before, At::Before);
    let mut after = Side::of(world, editions.after, At::After);
    let mut classes = Classes::of(&mut before, &mut after);
    items::compare(&mut classes, &before, &after);
    catalog::compare(&mut classes, &before, &after);
    if staged == Staged::Nothing {
        pass.transaction.prepare_staging().await?;
    }
    let products = products::compare(pass, &mut classes, &before, &after, staged).await?;
    let subjects = subjects::compare(&classes, &before, &after);
    effect.subjects_affected = subjects.affected;
    effect.products_affected = products.affected;
    let mut sample = classes.gate_sentences();
    sample.extend(products.sentences);
    sample.extend(subjects.sentences);
    sample.extend(rights::sentences(world));
    sample.append(&mut effect.sample);
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
