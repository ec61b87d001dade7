//! Rules 9, as the table says it: which action a resource type has, and what
//! it asks for.

use pim_authz::domain::{
    Action, CATALOGUE, Level, LevelAction, PermissionId, ResourceType,
    ResourceType::{
        Asset, AssetFamily, Attribute, AttributeGroup, Category, Channel, EnrichedCategory,
        GridView, Locale, Product, ProductModel, ReferenceEntity, ReferenceEntityRecord,
        SystemVersion,
    },
};

/// What an action asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) permission: Option<PermissionId>,
    pub(crate) level: Option<Level>,
    /// Whether a higher level will not do.
    pub(crate) exactly: bool,
    pub(crate) enterprise: bool,
    /// Whether the resource must be known, and its level is answered.
    pub(crate) looks_at_resource: bool,
    pub(crate) is_system_version: bool,
}

/// What `action` asks for on `kind`, or without a resource; `None`: there is no
/// such question.
pub(crate) fn asked(action: Action, kind: Option<ResourceType>) -> Option<Asked> {
    match action {
        Action::Permission(id) => permission_asked(id, kind),
        Action::Level(action) => level_asked(action, kind),
    }
}

fn permission_asked(id: PermissionId, kind: Option<ResourceType>) -> Option<Asked> {
    let permission = CATALOGUE.permission(id);
    let alone = Asked {
        permission: Some(id),
        enterprise: permission.enterprise,
        ..Asked::default()
    };
    // "without a resource (permission only)"
    let Some(kind) = kind else {
        return Some(alone);
    };
    let with_level = Asked {
        level: permission.level,
        looks_at_resource: true,
        ..alone
    };
    // "with a resource of a type in its `resource_type` column"
    if permission.resource_types.contains(&kind) {
        return Some(with_level);
    }
    // "or of the type that its name says before the first dot; `asset.*` and
    // `reference_entity_record.*` keep their level", and the `api.` ones do
    let code = permission.code;
    let begins = |prefix: &str| code.starts_with(&format!("{prefix}{kind}."));
    match kind {
        Asset | ReferenceEntityRecord => (begins("") || begins("api.")).then_some(with_level),
        _ => begins("").then_some(alone),
    }
}

fn level_asked(action: LevelAction, kind: Option<ResourceType>) -> Option<Asked> {
    use LevelAction as A;
    let level = |level| Asked {
        level: Some(level),
        looks_at_resource: true,
        ..Asked::default()
    };
    let enterprise = |asked| Asked {
        enterprise: true,
        ..asked
    };
    let asked = match (action, kind) {
        (A::ReadSystemVersion, None | Some(SystemVersion)) => Asked {
            permission: CATALOGUE
                .find_permission("system_information.view")
                .map(|p| p.id),
            is_system_version: true,
            ..Asked::default()
        },
        (A::View | A::Export, Some(Product | ProductModel)) => level(Level::View),
        (A::Edit | A::Import, Some(Product | ProductModel)) => level(Level::Edit),
        (A::Own | A::ChangeCategories, Some(Product | ProductModel)) => level(Level::Own),
        (A::ReviewProposals, Some(Product | ProductModel)) | (A::Publish, Some(Product)) => {
            enterprise(level(Level::Own))
        }
        (A::SendProposal, Some(Product | ProductModel)) => Asked {
            exactly: true,
            ..enterprise(level(Level::Edit))
        },
        (
            A::View,
            Some(
                Category
                | Channel
                | Locale
                | AttributeGroup
                | Attribute
                | AssetFamily
                | ReferenceEntity
                | Asset
                | ReferenceEntityRecord
                | EnrichedCategory
                | GridView,
            ),
        ) => level(Level::View),
        (
            A::Edit,
            Some(
                Category
                | Channel
                | Locale
                | AttributeGroup
                | Attribute
                | AssetFamily
                | ReferenceEntity
                | Asset
                | ReferenceEntityRecord,
            ),
        ) => level(Level::Edit),
        (A::Own, Some(Category)) => level(Level::Own),
        (A::Edit, Some(EnrichedCategory)) => Asked {
            permission: CATALOGUE
                .find_permission("category.edit_attributes")
                .map(|p| p.id),
            looks_at_resource: true,
            ..Asked::default()
        },
        _ => return None,
    };
    Some(asked)
}
