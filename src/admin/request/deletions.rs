use crate::{
    admin::{
        coded_kind::CodedKind,
        fault::Fault,
        plan::{Cascade, Planner},
    },
    domain::{Code, Item, ItemKind, SubjectKind},
    store::{GroupedWanted, RightsWanted, WantedEntities},
};

use super::{
    catalog::{self, items_wanted},
    directory::guarded,
    each_code,
};

/// Returns the entities that a deletion needs to read.
pub(super) fn wants(what: CodedKind, codes: &[Code]) -> WantedEntities {
    match what {
        CodedKind::UserGroups => WantedEntities {
            members_of: codes.to_vec(),
            rights: RightsWanted::OfGroups(codes.to_vec()),
            ..WantedEntities::default()
        },
        CodedKind::Roles => WantedEntities {
            holders_of: codes.to_vec(),
            ..guarded()
        },
        CodedKind::Subjects(kind) => WantedEntities {
            subjects: codes.iter().map(|code| (kind, code.clone())).collect(),
            ..if kind == SubjectKind::User {
                guarded()
            } else {
                WantedEntities::default()
            }
        },
        CodedKind::Items(kind) => WantedEntities {
            item_kinds: Vec::from_iter((kind == ItemKind::Locale).then_some(ItemKind::Channel)),
            attributes: referring(kind, codes),
            grid_views: referring(kind, codes),
            rights: RightsWanted::OnItems,
            ..items_wanted(kind, codes)
        },
        CodedKind::Attributes => WantedEntities {
            attributes: GroupedWanted::Named(codes.to_vec()),
            ..WantedEntities::default()
        },
        CodedKind::GridViews => WantedEntities {
            grid_views: GroupedWanted::Named(codes.to_vec()),
            ..WantedEntities::default()
        },
    }
}

/// Returns what refers to the items, if they are attribute groups.
fn referring(kind: ItemKind, codes: &[Code]) -> GroupedWanted {
    if kind == ItemKind::AttributeGroup {
        GroupedWanted::OfAttributeGroups(codes.to_vec())
    } else {
        GroupedWanted::Nothing
    }
}

pub(super) fn profiles_wanted(codes: &[Code]) -> WantedEntities {
    WantedEntities {
        rights: RightsWanted::OnItems,
        ..catalog::profiles_wanted(codes.iter())
    }
}

pub(super) fn delete_profiles(planner: &mut Planner<'_>, codes: &[Code]) -> Result<u64, Fault> {
    each_code(codes, |code| {
        let change_set = &planner.change_set;
        let stored = change_set.find_profile(code);
        let stored = stored.and_then(|id| change_set.items.get(id));
        // A missing profile is reported as an import profile.
        let kind = stored.map_or(ItemKind::ImportProfile, Item::kind);
        planner.delete(CodedKind::Items(kind), code, Cascade::Reject)
    })
}
