use crate::{
    admin::entry::{AccessTarget, ImportFile},
    domain::{ItemKind, Level, ProductKind},
};

/// Columns of one file and the shape of its rows (`docs/import.md`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Candidate key columns; the first one present is the key.
    pub(super) keys: &'static [&'static str],
    required: &'static [&'static str],
    optional: &'static [&'static str],
    /// Kind of entry that a row becomes.
    pub(super) shape: Shape,
}

/// Kind of entry that the rows of a file become.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    UserGroup,
    Role,
    User,
    Connection,
    Item(ItemKind),
    Category,
    Channel,
    Attribute,
    JobProfile,
    GridView,
    Product(ProductKind),
    Access(AccessTarget, LevelColumns),
    App,
}

/// Columns that list groups, each with the level that it grants.
pub(super) type LevelColumns = &'static [(&'static str, Level)];

/// Column of `apps.csv` that selects items, with their kind and level (rules 5.6).
#[derive(Clone, Copy, Debug)]
pub(super) struct SelectionColumn {
    pub(super) name: &'static str,
    pub(super) kind: ItemKind,
    pub(super) level: Level,
}

/// Columns of `apps.csv` that select items.
pub(super) const SELECTIONS: [SelectionColumn; 7] = [
    selection("trees_own", ItemKind::Category, Level::Own),
    selection("trees_edit", ItemKind::Category, Level::Edit),
    selection("trees_view", ItemKind::Category, Level::View),
    selection("locales_edit", ItemKind::Locale, Level::Edit),
    selection("locales_view", ItemKind::Locale, Level::View),
    selection(
        "attribute_groups_edit",
        ItemKind::AttributeGroup,
        Level::Edit,
    ),
    selection(
        "attribute_groups_view",
        ItemKind::AttributeGroup,
        Level::View,
    ),
];

const CODE: &[&str] = &["code"];
const PRODUCT_KEYS: &[&str] = &["sku", "identifier", "uuid", "code"];
const ROLE_COLUMNS: &[&str] = &["label", "audience", "permissions"];
const SUBJECT_COLUMNS: &[&str] = &["groups", "enabled"];
const VALUE_FLAGS: &[&str] = &["localizable", "scopable"];

const ITEM_LEVELS: LevelColumns = &[
    ("view_items", Level::View),
    ("edit_items", Level::Edit),
    ("own_items", Level::Own),
];
const PRODUCT_LEVELS: LevelColumns = &[
    ("view_products", Level::View),
    ("edit_products", Level::Edit),
];
const ATTRIBUTE_LEVELS: LevelColumns = &[
    ("view_attributes", Level::View),
    ("edit_attributes", Level::Edit),
];
const PLAIN_LEVELS: LevelColumns = &[("view", Level::View), ("edit", Level::Edit)];
const PROFILE_LEVELS: LevelColumns = &[
    ("execute_job_profile", Level::Execute),
    ("edit_job_profile", Level::Edit),
];

impl Layout {
    /// Returns the layout of a file.
    pub(super) fn of(file: ImportFile) -> Self {
        match file {
            ImportFile::UserGroups => layout(&["code", "name"], &["name"], &[], Shape::UserGroup),
            ImportFile::UserRoles => layout(&["role"], &[], ROLE_COLUMNS, Shape::Role),
            ImportFile::Users => layout(&["username"], &["roles"], SUBJECT_COLUMNS, Shape::User),
            ImportFile::Connections => layout(CODE, &["roles"], SUBJECT_COLUMNS, Shape::Connection),
            ImportFile::Locales => items(ItemKind::Locale),
            ImportFile::AttributeGroups => items(ItemKind::AttributeGroup),
            ImportFile::AssetFamilies => items(ItemKind::AssetFamily),
            ImportFile::ReferenceEntities => items(ItemKind::ReferenceEntity),
            ImportFile::ImportProfiles => items(ItemKind::ImportProfile),
            ImportFile::ExportProfiles => items(ItemKind::ExportProfile),
            ImportFile::Categories => layout(CODE, &[], &["parent"], Shape::Category),
            ImportFile::Channels => layout(CODE, &[], &["tree", "locales"], Shape::Channel),
            ImportFile::Attributes => layout(CODE, &["group"], VALUE_FLAGS, Shape::Attribute),
            ImportFile::JobProfiles => layout(CODE, &["type"], &[], Shape::JobProfile),
            ImportFile::GridViews => layout(CODE, &["attribute_groups"], &[], Shape::GridView),
            ImportFile::ProductModels => products(CODE, ProductKind::Model),
            ImportFile::Products => products(PRODUCT_KEYS, ProductKind::Product),
            ImportFile::Apps => layout(CODE, &["scopes"], &[], Shape::App),
            ImportFile::CategoryAccesses => {
                accesses(&["category"], ItemKind::Category, ITEM_LEVELS)
            }
            ImportFile::ChannelAccesses => {
                accesses(&["channel"], ItemKind::Channel, PRODUCT_LEVELS)
            }
            ImportFile::LocaleAccesses => accesses(&["locale"], ItemKind::Locale, PRODUCT_LEVELS),
            ImportFile::AttributeGroupAccesses => accesses(
                &["attribute_group"],
                ItemKind::AttributeGroup,
                ATTRIBUTE_LEVELS,
            ),
            ImportFile::AssetFamilyAccesses => {
                accesses(&["asset_family"], ItemKind::AssetFamily, PLAIN_LEVELS)
            }
            ImportFile::ReferenceEntityAccesses => accesses(
                &["reference_entity"],
                ItemKind::ReferenceEntity,
                PLAIN_LEVELS,
            ),
            ImportFile::JobProfileAccesses => layout(
                &["job_profile"],
                &[],
                &["edit_job_profile"],
                Shape::Access(AccessTarget::Profile, PROFILE_LEVELS),
            ),
        }
    }

    /// Returns the required columns besides the key column.
    pub(super) fn required(&self) -> impl Iterator<Item = &'static str> {
        let levels = if let Shape::Access(_, levels) = self.shape {
            levels
        } else {
            &[]
        };
        let levels = levels.iter().map(|(name, _)| *name);
        let levels = levels.filter(|name| !self.optional.contains(name));
        self.required.iter().copied().chain(levels)
    }

    /// Returns the optional columns.
    pub(super) fn optional(&self) -> impl Iterator<Item = &'static str> {
        let selections: &[SelectionColumn] = if matches!(self.shape, Shape::App) {
            &SELECTIONS
        } else {
            &[]
        };
        let selections = selections.iter().map(|column| column.name);
        self.optional.iter().copied().chain(selections)
    }
}

const fn layout(
    keys: &'static [&'static str],
    required: &'static [&'static str],
    optional: &'static [&'static str],
    shape: Shape,
) -> Layout {
    Layout {
        keys,
        required,
        optional,
        shape,
    }
}

const fn items(kind: ItemKind) -> Layout {
    layout(CODE, &[], &[], Shape::Item(kind))
}

const fn products(keys: &'static [&'static str], kind: ProductKind) -> Layout {
    layout(keys, &[], &["categories", "parent"], Shape::Product(kind))
}

const fn accesses(keys: &'static [&'static str], kind: ItemKind, levels: LevelColumns) -> Layout {
    let target = AccessTarget::Kind(kind);
    layout(keys, &[], &[], Shape::Access(target, levels))
}

const fn selection(name: &'static str, kind: ItemKind, level: Level) -> SelectionColumn {
    SelectionColumn { name, kind, level }
}
