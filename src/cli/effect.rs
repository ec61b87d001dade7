//! Describes what a write did, or would do, in one line or a few.

use super::report::lines;
use crate::pb;

/// Describes a write that was done: `done at revision 4: 1 created, …`.
pub(super) fn done(done: &str, revision: u64, effect: &pb::Effect) -> String {
    if effect.created + effect.changed + effect.removed == 0 {
        return format!("nothing changed: all is as stored, at revision {revision}\n");
    }
    format!("{done} at revision {revision}: {}\n", counts(effect))
}

/// Describes what `write` would do if it were no dry run; `affected` may be empty.
pub(super) fn dry_run(write: &str, effect: &pb::Effect, affected: &str) -> String {
    let counts = counts(effect);
    let sample = lines(effect.sample.iter().map(|line| format!("  {line}")));
    format!("dry run, nothing was changed; {write} would give: {counts}\n{affected}{sample}")
}

/// Describes how many subjects and products a write affects.
pub(super) fn affected(effect: &pb::Effect) -> String {
    let (subjects, products) = (effect.subjects_affected, effect.products_affected);
    format!("subjects affected: {subjects}; products affected: {products}\n")
}

fn counts(effect: &pb::Effect) -> String {
    let pb::Effect {
        created,
        changed,
        removed,
        unchanged,
        subjects_affected: _,
        products_affected: _,
        sample: _,
    } = effect;
    format!("{created} created, {changed} changed, {removed} removed, {unchanged} unchanged")
}
