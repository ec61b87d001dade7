//! Rules 5.12: the scope that a level action of an app requires.

use pim_authz::domain::{
    Action, CATALOGUE, LevelAction, PermissionId, Reason, ReasonCode, ResourceType, SubjectKind,
};

use super::{Case, permission, reason};

/// Returns the permission codes that `view` and `export`, and every other level
/// action, require on a type; `None` for "none gives it".
fn codes(kind: ResourceType) -> Option<[&'static str; 2]> {
    use ResourceType as T;
    let codes = match kind {
        // "Products, models, categories, channels, locales, attributes and
        // attribute groups"
        T::Product
        | T::ProductModel
        | T::Category
        | T::Channel
        | T::Locale
        | T::Attribute
        | T::AttributeGroup => ["api.product.list", "api.product.edit"],
        // "`view` needs `api.category.list`"
        T::EnrichedCategory => ["api.category.list", "category.edit_attributes"],
        // "their own `api.<type>.list`, `api.<type>.edit`"
        T::AssetFamily => ["api.asset_family.list", "api.asset_family.edit"],
        T::Asset => ["api.asset.list", "api.asset.edit"],
        T::ReferenceEntity => ["api.reference_entity.list", "api.reference_entity.edit"],
        T::ReferenceEntityRecord => [
            "api.reference_entity_record.list",
            "api.reference_entity_record.edit",
        ],
        // "Grid views: none gives it."
        T::GridView => return None,
        T::ImportProfile | T::ExportProfile | T::SystemVersion => {
            unreachable!("{kind} has no level action")
        }
    };
    Some(codes)
}

/// Returns the permission that a level action of an app requires; `None` if no
/// permission grants it.
pub(crate) fn needed_of_an_app(action: LevelAction, kind: ResourceType) -> Option<PermissionId> {
    let [reads, writes] = codes(kind)?;
    let needed = match action {
        LevelAction::View | LevelAction::Export => reads,
        _ => writes,
    };
    Some(permission(needed))
}

impl Case<'_> {
    /// Denies a level action of an app without the scope that it requires.
    pub(super) fn scope_denial(&self) -> Option<Reason> {
        let Action::Level(action) = self.question.action() else {
            return None;
        };
        if self.question.subject().kind != SubjectKind::App {
            return None;
        }
        let Some(needed) = needed_of_an_app(action, self.resource().kind) else {
            return Some(reason(ReasonCode::Scope));
        };
        let permission = CATALOGUE.permission(needed);
        // "Counting follows 2.4."
        let counts = !permission.enterprise || self.world.edition.is_enterprise();
        // A holder of a scope of this kind also holds `api.overall_access` (5.5),
        // which is all that these permissions require.
        let is_held = self.permissions_held().contains(needed);
        (!counts || !is_held).then(|| Reason {
            permission: Some(permission.code),
            ..reason(ReasonCode::Scope)
        })
    }
}
