//! The table of rules 9: the actions of each resource type, and their
//! requirements.

use pim_authz::domain::{
    Action, CATALOGUE, Level, LevelAction, PermissionId, ResourceType,
    ResourceType::{
        Asset, AssetFamily, Attribute, AttributeGroup, Category, Channel, EnrichedCategory,
        GridView, Locale, Product, ProductModel, ReferenceEntity, ReferenceEntityRecord,
        SystemVersion,
    },
};

/// Requirements of an action.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requirements {
    pub(crate) permission: Option<PermissionId>,
    pub(crate) level: Option<Level>,
    /// True if a higher level does not suffice.
    pub(crate) exactly: bool,
    pub(crate) enterprise: bool,
    /// True if the resource must be stored or described, and the decision returns
    /// the level held on it.
    pub(crate) requires_resource: bool,
}

/// Returns the requirements of `action` on `kind`, or without a resource; `None`
/// if there is no such question.
pub(crate) fn requirements(action: Action, kind: Option<ResourceType>) -> Option<Requirements> {
    match action {
        Action::Permission(id) => permission_requirements(id, kind),
        Action::Level(action) => level_requirements(action, kind),
    }
}

fn permission_requirements(id: PermissionId, kind: Option<ResourceType>) -> Option<Requirements> {
    let permission = CATALOGUE.permission(id);
    let alone = Requirements {
        permission: Some(id),
        enterprise: permission.enterprise,
        ..Requirements::default()
    };
    // "without a resource (permission only)"
    let Some(kind) = kind else {
        return Some(alone);
    };
    let with_level = Requirements {
        level: permission.level,
        requires_resource: true,
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

fn level_requirements(action: LevelAction, kind: Option<ResourceType>) -> Option<Requirements> {
    match (action, kind) {
        (LevelAction::ReadSystemVersion, None | Some(SystemVersion)) => Some(Requirements {
            permission: permission_of("system_information.view"),
            ..Requirements::default()
        }),
        // "`edit` = `category.edit_attributes`"
        (LevelAction::Edit, Some(EnrichedCategory)) => Some(Requirements {
            permission: permission_of("category.edit_attributes"),
            requires_resource: true,
            ..Requirements::default()
        }),
        // "and for products `publish`"
        (LevelAction::Publish, Some(ProductModel)) | (_, None) => None,
        (action, Some(Product | ProductModel)) => product_requirements(action),
        (action, Some(kind)) => item_level(action, kind).map(level),
    }
}

fn permission_of(code: &str) -> Option<PermissionId> {
    CATALOGUE.find_permission(code).map(|found| found.id)
}

fn level(level: Level) -> Requirements {
    Requirements {
        level: Some(level),
        requires_resource: true,
        ..Requirements::default()
    }
}

/// The row of products and models.
fn product_requirements(action: LevelAction) -> Option<Requirements> {
    use LevelAction as A;
    let enterprise = |requirements| Requirements {
        enterprise: true,
        ..requirements
    };
    match action {
        A::View | A::Export => Some(level(Level::View)),
        A::Edit | A::Import => Some(level(Level::Edit)),
        A::Own | A::ChangeCategories => Some(level(Level::Own)),
        A::ReviewProposals | A::Publish => Some(enterprise(level(Level::Own))),
        A::SendProposal => Some(Requirements {
            exactly: true,
            ..enterprise(level(Level::Edit))
        }),
        A::ReadSystemVersion => None,
    }
}

/// The rows of the types that have at most `view`, `edit` and `own`.
fn item_level(action: LevelAction, kind: ResourceType) -> Option<Level> {
    let has: &[LevelAction] = match kind {
        Category => &[LevelAction::View, LevelAction::Edit, LevelAction::Own],
        Channel
        | Locale
        | AttributeGroup
        | Attribute
        | AssetFamily
        | ReferenceEntity
        | Asset
        | ReferenceEntityRecord => &[LevelAction::View, LevelAction::Edit],
        EnrichedCategory | GridView => &[LevelAction::View],
        _ => &[],
    };
    let level = match action {
        LevelAction::View => Level::View,
        LevelAction::Edit => Level::Edit,
        LevelAction::Own => Level::Own,
        _ => return None,
    };
    has.contains(&action).then_some(level)
}
