//! What a change does to the entities of a tenant, without I/O.
//!
//! Each verb checks the rules and carries one entry out on a [`ChangeSet`] in
//! memory, or says why not; imports and calls use the same ones. What differs
//! in the end is what is written.

mod access;
mod apps;
mod catalog;
mod categories;
mod category_trees;
mod defaults;
mod directory;
mod referring;
mod removals;
mod subtrees;

pub use self::removals::Cascade;
pub(super) use self::{
    access::{AccessVerb, Levels, ReplacedRights},
    apps::{AppChoice, AppRight, PermissionsStep, offered_scopes},
    categories::CategoryPlace,
    subtrees::Order,
};

use std::collections::BTreeSet;

use crate::domain::Code;

use self::referring::Referring;
use super::{change_set::ChangeSet, fault::Fault};

/// What carrying out an entry came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It defines something new.
    Created,
    /// It changes something stored.
    Changed,
    /// It says what is stored already.
    Unchanged,
}

impl Outcome {
    pub(super) fn of_change(different: bool) -> Self {
        if different {
            Self::Changed
        } else {
            Self::Unchanged
        }
    }
}

pub(super) type Planned = Result<Outcome, Fault>;

/// Whether new items get default rights (rules 3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultRights {
    /// They do.
    Given,
    /// The creator said no.
    Withheld,
}

/// A run of verbs over a change_set.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    pub(super) change_set: &'a mut ChangeSet,
    /// Items that came with this change, in the order they came.
    new_items: Vec<i32>,
    /// New items whose rights are said.
    spoken_for: BTreeSet<i32>,
    /// Attributes that do not go with their groups.
    spared: BTreeSet<Code>,
    /// Who refers to what; `None`: not known.
    referring: Option<Referring>,
    /// User groups that were deleted and whose rights are still there.
    gone_groups: BTreeSet<i32>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(change_set: &'a mut ChangeSet) -> Self {
        Self {
            change_set,
            new_items: Vec::new(),
            spoken_for: BTreeSet::new(),
            spared: BTreeSet::new(),
            referring: None,
            gone_groups: BTreeSet::new(),
        }
    }
}
