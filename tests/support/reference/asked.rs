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
pub(crate) struct Asked {
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

fn level_asked(action: LevelAction, kind: Option<ResourceType>) -> Option<Asked> {
    match (action, kind) {
        (LevelAction::ReadSystemVersion, None | Some(SystemVersion)) => Some(Asked {
            permission: permission_of("system_information.view"),
            ..Asked::default()
        }),
        // "`edit` = `category.edit_attributes`"
        (LevelAction::Edit, Some(EnrichedCategory)) => Some(Asked {
            permission: permission_of("category.edit_attributes"),
            requires_resource: true,
            ..Asked::default()
        }),
        // "and for products `publish`"
        (LevelAction::Publish, Some(ProductModel)) | (_, None) => None,
        (action, Some(Product | ProductModel)) => asked_of_product(action),
        (action, Some(kind)) => asked_of_item(action, kind).map(level),
    }
}

fn permission_of(code: &str) -> Option<PermissionId> {
    CATALOGUE.find_permission(code).map(|found| found.id)
}

fn level(level: Level) -> Asked {
    Asked {
        level: Some(level),
        requires_resource: true,
        ..Asked::default()
    }
}

/// The row of products and models.
fn asked_of_product(action: LevelAction) -> Option<Asked> {
    use LevelAction as A;
    let enterprise = |asked| Asked {
        enterprise: true,
        ..asked
    };
    match action {
        A::View | A::Export => Some(level(Level::View)),
        A::Edit | A::Import => Some(level(Level::Edit)),
        A::Own | A::ChangeCategories => Some(level(Level::Own)),
        A::ReviewProposals | A::Publish => Some(enterprise(level(Level::Own))),
        A::SendProposal => Some(Asked {
            exactly: true,
            ..enterprise(level(Level::Edit))
        }),
        A::ReadSystemVersion => None,
    }
}

/// The rows of the types that have at most `view`, `edit` and `own`.
fn asked_of_item(action: LevelAction, kind: ResourceType) -> Option<Level> {
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
