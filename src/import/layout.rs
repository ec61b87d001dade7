use crate::{
    admin::entry::ImportFile,
    domain::{ItemKind, Level, ProductKind, SubjectKind},
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
    Subject(SubjectKind),
    Item(ItemKind),
    Category,
    Channel,
    Attribute,
    JobProfile,
    GridView,
    Product(ProductKind),
    Access(LevelColumns),
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
            ImportFile::Users => subjects(&["username"], SubjectKind::User),
            ImportFile::Connections => subjects(CODE, SubjectKind::Connection),
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
            ImportFile::CategoryAccesses => accesses(&["category"], ITEM_LEVELS),
            ImportFile::ChannelAccesses => accesses(&["channel"], PRODUCT_LEVELS),
            ImportFile::LocaleAccesses => accesses(&["locale"], PRODUCT_LEVELS),
            ImportFile::AttributeGroupAccesses => accesses(&["attribute_group"], ATTRIBUTE_LEVELS),
            ImportFile::AssetFamilyAccesses => accesses(&["asset_family"], PLAIN_LEVELS),
            ImportFile::ReferenceEntityAccesses => accesses(&["reference_entity"], PLAIN_LEVELS),
            ImportFile::JobProfileAccesses => Layout {
                optional: &["edit_job_profile"],
                ..accesses(&["job_profile"], PROFILE_LEVELS)
            },
        }
    }

    /// Returns the required columns besides the key column.
    pub(super) fn required(&self) -> impl Iterator<Item = &'static str> {
        let levels = if let Shape::Access(levels) = self.shape {
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

const fn subjects(keys: &'static [&'static str], kind: SubjectKind) -> Layout {
    let optional = &["groups", "enabled"];
    layout(keys, &["roles"], optional, Shape::Subject(kind))
}

const fn accesses(keys: &'static [&'static str], levels: LevelColumns) -> Layout {
    layout(keys, &[], &[], Shape::Access(levels))
}

const fn selection(name: &'static str, kind: ItemKind, level: Level) -> SelectionColumn {
    SelectionColumn { name, kind, level }
}
