//! What the level actions of apps require of their scopes (rules 5.12).
//!
//! Scopes take the place of roles (rules 1.3), so an app without a scope cannot
//! even view what its user group gives access to. The app `shop` holds `own` on
//! the category `caps`:
//!
//! - With `read_products` it may `view` and `export` the products in it.
//! - With `write_products` it may do every level action on them.
//! - With neither, or once its scopes shrank to none, it may do nothing.

use crate::domain::{CATALOGUE, Level, LevelAction, PermissionId, ResourceType, SubjectKind};

use super::effective_access::EffectiveAccess;

/// Returns the permission that a scope must give an app for `action` on a resource of
/// `kind`. `None`: no scope gives the action.
///
/// Actions that need a permission of their own are not handled here:
/// `system_version.read` and `edit` on an enriched category (rules 9).
pub(super) fn required_permission(action: LevelAction, kind: ResourceType) -> Option<PermissionId> {
    let (reading, writing) = match kind {
        ResourceType::Product
        | ResourceType::ProductModel
        | ResourceType::Category
        | ResourceType::Channel
        | ResourceType::Locale
        | ResourceType::Attribute
        | ResourceType::AttributeGroup => ("api.product.list", "api.product.edit"),
        ResourceType::EnrichedCategory => ("api.category.list", "category.edit_attributes"),
        ResourceType::AssetFamily => ("api.asset_family.list", "api.asset_family.edit"),
        ResourceType::Asset => ("api.asset.list", "api.asset.edit"),
        ResourceType::ReferenceEntity => ("api.reference_entity.list", "api.reference_entity.edit"),
        ResourceType::ReferenceEntityRecord => (
            "api.reference_entity_record.list",
            "api.reference_entity_record.edit",
        ),
        ResourceType::GridView
        | ResourceType::ImportProfile
        | ResourceType::ExportProfile
        | ResourceType::SystemVersion => return None,
    };
    let code = if reads(action) { reading } else { writing };
    CATALOGUE.find_permission(code).map(|found| found.id)
}

/// Returns the highest level on channels, locales and attribute groups that the
/// scopes of an app let it use (rules 5.12). `None`: the subject is no app.
pub(super) fn highest_usable_level(access: &EffectiveAccess<'_>) -> Option<Level> {
    if access.subject_ref.kind != SubjectKind::App {
        return None;
    }
    let counted = CATALOGUE.counted(&access.granted_permissions(), access.vocabulary.edition);
    let has = |action| {
        let required = required_permission(action, ResourceType::Product);
        required.is_some_and(|id| counted.contains(id))
    };
    Some(if has(LevelAction::Edit) {
        Level::Own
    } else if has(LevelAction::View) {
        Level::View
    } else {
        Level::Hidden
    })
}

/// True if a level action only reads: `view` and `export` (rules 5.12).
fn reads(action: LevelAction) -> bool {
    match action {
        LevelAction::View | LevelAction::Export => true,
        LevelAction::Edit
        | LevelAction::Own
        | LevelAction::Import
        | LevelAction::ChangeCategories
        | LevelAction::ReviewProposals
        | LevelAction::SendProposal
        | LevelAction::Publish
        | LevelAction::ReadSystemVersion => false,
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn rule_5_12_types_with_level_actions_have_a_permission() {
        for kind in ResourceType::iter() {
            let has_level_actions = LevelAction::iter().any(|action| {
                crate::domain::Action::Level(action)
                    .rule_on(Some(kind))
                    .is_some()
            });
            let is_givable = required_permission(LevelAction::View, kind).is_some();
            let is_excepted = [ResourceType::GridView, ResourceType::SystemVersion].contains(&kind);
            assert_eq!(is_givable, has_level_actions && !is_excepted, "{kind}");
        }
    }
}
