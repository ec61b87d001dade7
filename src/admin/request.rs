//! The changes that calls of the administration API request, as domain types.
//! Those of tenants, products, apps and callers, and the deletion of categories,
//! have types of their own.
//!
//! A field that is `None` was not given: the stored value stays.

mod access;
mod catalog;
mod deletions;
mod directory;

use std::hash::Hash;

use hashbrown::HashMap;

use crate::{
    domain::{
        AccessRight, AttributePatch, CategoryPatch, ChannelPatch, Code, GridViewPatch, ItemKind,
        ItemRef, Level, ProfilePatch, RolePatch, SubjectKind, SubjectPatch, UserGroup,
    },
    store::WantedEntities,
};

use super::{
    coded_kind::CodedKind,
    fault::Fault,
    plan::{Cascade, DefaultRights, Outcome, Planner},
};

/// A level to grant or to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChange {
    /// The right, with a level that the item can have.
    pub right: AccessRight<Code, ItemRef>,
    /// Whether the sub-categories of the item are included (rules 3.7).
    pub children: Children,
}

/// The complete set of rights on an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRights {
    /// The item.
    pub item: ItemRef,
    /// Each group once; [`Level::Hidden`] is no right.
    pub rights: Vec<(Code, Level)>,
    /// Whether the sub-categories of the item are included (rules 3.7).
    pub children: Children,
}

/// Whether the sub-categories of a category get the same rights (rules 3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// They get them.
    Included,
    /// They keep theirs.
    LeftOut,
}

/// A requested change, applied completely or not at all.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the call of that name")]
pub enum EntityRequest {
    PutSubjects {
        kind: SubjectKind,
        entries: Vec<SubjectPatch>,
    },
    PutUserGroups(Vec<UserGroup>),
    PutRoles(Vec<RolePatch>),
    /// Locales, attribute groups, asset families, reference entities.
    PutItems {
        kind: ItemKind,
        codes: Vec<Code>,
        defaults: DefaultRights,
    },
    PutProfiles {
        entries: Vec<ProfilePatch>,
        defaults: DefaultRights,
    },
    PutChannels {
        entries: Vec<ChannelPatch>,
        defaults: DefaultRights,
    },
    PutCategories {
        entries: Vec<CategoryPatch>,
        defaults: DefaultRights,
    },
    PutAttributes(Vec<AttributePatch>),
    PutGridViews(Vec<GridViewPatch>),
    Delete {
        what: CodedKind,
        codes: Vec<Code>,
        cascade: Cascade,
    },
    DeleteProfiles {
        codes: Vec<Code>,
    },
    GrantAccess(Vec<AccessChange>),
    RevokeAccess(Vec<AccessChange>),
    ReplaceAccess(Vec<ItemRights>),
}

impl EntityRequest {
    /// Returns the entities that the change needs to read.
    pub(super) fn wants(&self) -> WantedEntities {
        match self {
            Self::PutSubjects { kind, entries } => directory::put_subjects_wants(*kind, entries),
            Self::PutUserGroups(_) => WantedEntities::default(),
            Self::PutRoles(entries) => directory::put_roles_wants(entries),
            Self::PutItems { kind, codes, .. } => catalog::items_wanted(*kind, codes),
            Self::PutProfiles { entries, .. } => {
                catalog::profiles_wanted(entries.iter().map(|entry| &entry.code))
            }
            Self::PutChannels { entries, .. } => catalog::put_channels_wants(entries),
            Self::PutCategories { entries, .. } => catalog::put_categories_wants(entries),
            Self::PutAttributes(entries) => catalog::put_attributes_wants(entries),
            Self::PutGridViews(entries) => catalog::put_grid_views_wants(entries),
            Self::Delete { what, codes, .. } => deletions::wants(*what, codes),
            Self::DeleteProfiles { codes } => deletions::profiles_wanted(codes),
            Self::GrantAccess(entries) | Self::RevokeAccess(entries) => {
                access::change_wants(entries)
            }
            Self::ReplaceAccess(entries) => access::replace_wants(entries),
        }
    }

    /// Applies the request; returns how many listed entities or rights stay
    /// unchanged.
    pub(super) fn carry_out(&self, planner: &mut Planner<'_>) -> Result<u64, Fault> {
        let unchanged = self.plan(planner)?;
        planner.end_deletions();
        Ok(unchanged)
    }

    fn plan(&self, planner: &mut Planner<'_>) -> Result<u64, Fault> {
        match self {
            Self::PutSubjects { kind, entries } => directory::put_subjects(planner, *kind, entries),
            Self::PutUserGroups(entries) => directory::put_groups(planner, entries),
            Self::PutRoles(entries) => directory::put_roles(planner, entries),
            Self::PutItems {
                kind,
                codes,
                defaults,
            } => catalog::put_items(planner, *kind, codes, *defaults),
            Self::PutProfiles { entries, defaults } => {
                catalog::put_profiles(planner, entries, *defaults)
            }
            Self::PutChannels { entries, defaults } => {
                catalog::put_channels(planner, entries, *defaults)
            }
            Self::PutCategories { entries, defaults } => {
                catalog::put_categories(planner, entries, *defaults)
            }
            Self::PutAttributes(entries) => catalog::put_attributes(planner, entries),
            Self::PutGridViews(entries) => catalog::put_grid_views(planner, entries),
            Self::Delete {
                what,
                codes,
                cascade,
            } => each_code(codes, |code| planner.delete(*what, code, *cascade)),
            Self::DeleteProfiles { codes } => deletions::delete_profiles(planner, codes),
            Self::GrantAccess(entries) => access::grant(planner, entries),
            Self::RevokeAccess(entries) => access::revoke(planner, entries),
            Self::ReplaceAccess(entries) => access::replace(planner, entries),
        }
    }
}

/// Returns the entries, each with its index, without identical repetitions.
/// Rejects a repeated key with other content.
pub(super) fn distinct<'e, E: PartialEq, K: Hash + Eq>(
    field: &str,
    entries: &'e [E],
    key: impl Fn(&'e E) -> K,
) -> Result<Vec<(usize, &'e E)>, Fault> {
    distinct_by(field, entries, key, |entry| entry)
}

/// As [`distinct`], where `content` is what identical entries have in common.
pub(super) fn distinct_by<'e, E, K: Hash + Eq, C: PartialEq>(
    field: &str,
    entries: &'e [E],
    key: impl Fn(&'e E) -> K,
    content: impl Fn(&'e E) -> C,
) -> Result<Vec<(usize, &'e E)>, Fault> {
    let mut seen: HashMap<K, (usize, &E)> = HashMap::with_capacity(entries.len());
    let mut kept = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let (first, other) = *seen.entry(key(entry)).or_insert((index, entry));
        if first == index {
            kept.push((index, entry));
        } else if content(other) != content(entry) {
            let message = format!(
                "has the key of {field}[{first}] and other content; a key is there once, or identical"
            );
            return Err(Fault::invalid(format!("{field}[{index}]"), message));
        }
    }
    Ok(kept)
}

/// Applies `put` to each entry; returns how many match what is stored.
fn put_each<'e, E>(
    field: &str,
    entries: Vec<(usize, &'e E)>,
    mut put: impl FnMut(&'e E) -> Result<Outcome, Fault>,
) -> Result<u64, Fault> {
    let mut unchanged = 0;
    for (index, entry) in entries {
        let outcome = put(entry).map_err(|fault| fault.of_entry(field, index))?;
        unchanged += u64::from(outcome == Outcome::Unchanged);
    }
    Ok(unchanged)
}

/// Deletes each code once.
fn each_code(
    codes: &[Code],
    mut delete: impl FnMut(&Code) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    for (index, code) in distinct("codes", codes, |code| code)? {
        delete(code).map_err(|fault| fault.of_entry("codes", index))?;
    }
    Ok(0)
}
