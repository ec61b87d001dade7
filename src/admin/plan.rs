//! The effects of changes on the entities of a tenant, without I/O.
//!
//! Each function checks the rules and applies one entry to a [`ChangeSet`] in
//! memory, or returns why not; imports and calls share them. The final
//! differences are what is written.

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
    apps::{AppChoice, PermissionsStep, offered_scopes},
    category_trees::CategoryPlace,
    subtrees::Order,
};

use std::collections::BTreeSet;

use crate::domain::{Code, GroupId, ItemId};

use self::referring::Referring;
use super::{change_set::ChangeSet, fault::Fault};

/// The outcome of applying an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It creates an entity.
    Created,
    /// It changes a stored entity.
    Changed,
    /// It matches what is stored.
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
    /// They get them.
    Given,
    /// The request withholds them.
    Withheld,
}

/// Applies entries to a change set.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    pub(super) change_set: &'a mut ChangeSet,
    /// Items created by this change, in order of creation.
    new_items: Vec<ItemId>,
    /// New items whose rights the change sets explicitly.
    spoken_for: BTreeSet<ItemId>,
    /// Attributes that are not deleted with their groups.
    spared: BTreeSet<Code>,
    /// A lazily built index of references; `None`: not built, or stale.
    referring: Option<Referring>,
    /// Deleted user groups whose rights are not yet removed.
    gone_groups: BTreeSet<GroupId>,
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
