//! The rows of the PIM's export files as domain types.
//!
//! The crate's module `import` parses the rows; `admin` compares them with what
//! is stored and applies the difference.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    AttributePatch, CategoryPatch, ChannelPatch, Code, GridViewPatch, ItemKind, Level, PlainItem,
    ProductPatch, RolePatch, ScopeSet, SelectionPatch, SubjectKind, SubjectPatch, UserGroup,
};

use super::coded_kind::CodedKind;

/// The files of an import (`docs/import.md`), in the order in which they are
/// applied: referenced entities before those that refer to them.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumIter,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
)]
#[expect(missing_docs, reason = "each is the file of that name")]
pub enum ImportFile {
    #[strum(serialize = "user_groups.csv")]
    UserGroups,
    #[strum(serialize = "user_roles.csv")]
    UserRoles,
    #[strum(serialize = "users.csv")]
    Users,
    #[strum(serialize = "connections.csv")]
    Connections,
    #[strum(serialize = "locales.csv")]
    Locales,
    #[strum(serialize = "categories.csv")]
    Categories,
    #[strum(serialize = "channels.csv")]
    Channels,
    #[strum(serialize = "attribute_groups.csv")]
    AttributeGroups,
    #[strum(serialize = "attributes.csv")]
    Attributes,
    #[strum(serialize = "asset_families.csv")]
    AssetFamilies,
    #[strum(serialize = "reference_entities.csv")]
    ReferenceEntities,
    #[strum(serialize = "import_profiles.csv")]
    ImportProfiles,
    #[strum(serialize = "export_profiles.csv")]
    ExportProfiles,
    #[strum(serialize = "job_profiles.csv")]
    JobProfiles,
    #[strum(serialize = "grid_views.csv")]
    GridViews,
    #[strum(serialize = "product_models.csv")]
    ProductModels,
    #[strum(serialize = "products.csv")]
    Products,
    #[strum(serialize = "product_category_accesses.csv")]
    CategoryAccesses,
    #[strum(serialize = "channel_accesses.csv")]
    ChannelAccesses,
    #[strum(serialize = "locale_accesses.csv")]
    LocaleAccesses,
    #[strum(serialize = "attribute_group_accesses.csv")]
    AttributeGroupAccesses,
    #[strum(serialize = "asset_family_accesses.csv")]
    AssetFamilyAccesses,
    #[strum(serialize = "reference_entity_accesses.csv")]
    ReferenceEntityAccesses,
    #[strum(serialize = "job_profile_accesses.csv")]
    JobProfileAccesses,
    #[strum(serialize = "apps.csv")]
    Apps,
}

impl ImportFile {
    /// Returns the kinds of the entities that its rows are about, products excluded;
    /// both kinds of profiles share a code space.
    #[must_use]
    pub fn kinds(self) -> &'static [CodedKind] {
        match self {
            Self::UserGroups => &[CodedKind::UserGroups],
            Self::UserRoles => &[CodedKind::Roles],
            Self::Users => &[CodedKind::Subjects(SubjectKind::User)],
            Self::Connections => &[CodedKind::Subjects(SubjectKind::Connection)],
            Self::Apps => &[CodedKind::Subjects(SubjectKind::App)],
            Self::Attributes => &[CodedKind::Attributes],
            Self::GridViews => &[CodedKind::GridViews],
            Self::Locales | Self::LocaleAccesses => &[CodedKind::Items(ItemKind::Locale)],
            Self::Categories | Self::CategoryAccesses => &[CodedKind::Items(ItemKind::Category)],
            Self::Channels | Self::ChannelAccesses => &[CodedKind::Items(ItemKind::Channel)],
            Self::AttributeGroups | Self::AttributeGroupAccesses => {
                &[CodedKind::Items(ItemKind::AttributeGroup)]
            }
            Self::AssetFamilies | Self::AssetFamilyAccesses => {
                &[CodedKind::Items(ItemKind::AssetFamily)]
            }
            Self::ReferenceEntities | Self::ReferenceEntityAccesses => {
                &[CodedKind::Items(ItemKind::ReferenceEntity)]
            }
            Self::ImportProfiles
            | Self::ExportProfiles
            | Self::JobProfiles
            | Self::JobProfileAccesses => &[
                CodedKind::Items(ItemKind::ImportProfile),
                CodedKind::Items(ItemKind::ExportProfile),
            ],
            Self::ProductModels | Self::Products => &[],
        }
    }

    /// True if its rows are the rights on items.
    #[must_use]
    pub fn is_of_rights(self) -> bool {
        <&str>::from(self).ends_with("_accesses.csv")
    }
}

/// The position of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file.
    pub file: ImportFile,
    /// The line on which the row starts, from 1; the header is line 1.
    pub line: u64,
}

/// The names of the key columns of the files in the import.
#[derive(Clone, Debug, Default)]
pub struct KeyColumns(BTreeMap<ImportFile, String>);

impl KeyColumns {
    /// Records the name of a file's key column: `sku`, `code`, `category` …
    pub fn insert(&mut self, file: ImportFile, column: String) {
        self.0.insert(file, column);
    }

    /// Returns the name of a file's key column; empty if the import has no such
    /// file.
    #[must_use]
    pub fn of(&self, file: ImportFile) -> &str {
        self.0.get(&file).map_or("", String::as_str)
    }
}

/// A rejected row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The name of the file, as in the import.
    pub file: String,
    /// The line, from 1; 0: the whole file.
    pub line: u64,
    /// The column; empty: the whole row.
    pub column: String,
    /// What is wrong and what is allowed.
    pub message: String,
    /// The key of the row, if it can be parsed and no earlier row has it.
    pub key: Option<Code>,
}

/// One row that parses: every cell is valid by itself; references are not yet
/// resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The position of the row.
    pub place: Place,
    /// The parsed cells.
    pub entry: Entry,
}

/// The content of a row.
///
/// A patch has `None` where an optional column is absent: the stored value stays.
/// An empty cell is `Some` with an empty value. Lists keep the order of the file:
/// adjacent items may together be one name that contains a comma, which is known
/// only once all rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A user group.
    UserGroup(UserGroup),
    /// A role.
    Role {
        /// The role.
        role: RolePatch,
        /// The words of its permissions that are not in the catalogue.
        unknown_permissions: UnknownWords,
    },
    /// A user or connection.
    Subject(SubjectKind, SubjectPatch),
    /// A locale, attribute group, asset family, reference entity or profile.
    Item(PlainItem),
    /// A category.
    Category(CategoryPatch),
    /// A channel.
    Channel(ChannelPatch),
    /// An attribute.
    Attribute(AttributePatch),
    /// A grid view.
    GridView(GridViewPatch),
    /// A product or product model.
    Product {
        /// The product.
        product: ProductPatch,
        /// A hash of the cells that are not read, to distinguish rows with the
        /// same key and different content; 0: there are none.
        rest: i64,
    },
    /// The complete set of rights on an item.
    Access(AccessEntry),
    /// A connected app.
    App(AppEntry),
}

impl Entry {
    /// Returns the code of the entity, or of the item of a set of rights.
    #[must_use]
    pub fn code(&self) -> &Code {
        match self {
            Self::UserGroup(group) => &group.code,
            Self::Role { role, .. } => &role.code,
            Self::Subject(_, subject) => &subject.code,
            Self::Item(item) => &item.code,
            Self::Category(category) => &category.code,
            Self::Channel(channel) => &channel.code,
            Self::Attribute(attribute) => &attribute.code,
            Self::GridView(view) => &view.code,
            Self::Product { product, .. } => &product.code,
            Self::Access(access) => &access.code,
            Self::App(app) => &app.code,
        }
    }
}

/// Words of a list that are not in the permission catalogue, such as the
/// permissions of an extension of the PIM. They are not granted; the summary has
/// a warning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownWords {
    /// At most [`UnknownWords::MOST`] of them, in order.
    words: BTreeSet<String>,
    /// True if there were more.
    has_more: bool,
}

impl UnknownWords {
    /// Maximum number of words kept per list.
    pub const MOST: usize = 20;

    /// Adds a word.
    pub fn insert(&mut self, word: String) {
        if self.words.contains(&word) {
            return;
        }
        if self.words.len() < Self::MOST {
            self.words.insert(word);
        } else {
            self.has_more = true;
        }
    }

    /// Returns a warning per word: `of` is the role or app that is not granted
    /// it, `what` is the expected kind of word.
    pub(super) fn warnings(&self, of: &str, what: &str) -> Vec<String> {
        let words = self.words.iter();
        let sentences = words
            .map(|word| format!("{of}: `{word}` is no {what} of the catalogue; it is not granted"));
        let more = self.has_more.then(|| {
            let most = Self::MOST;
            format!("{of}: more than {most} words are no {what} of the catalogue; none is granted")
        });
        sentences.chain(more).collect()
    }
}

/// The complete set of rights on an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEntry {
    /// The code of the item, whose kind the file determines.
    pub code: Code,
    /// The columns that are present.
    pub columns: Vec<LevelColumn>,
    /// The level of the absent optional column, which groups that hold it keep;
    /// [`Level::Hidden`] if no column is absent.
    pub kept: Level,
}

/// The user groups to which a row gives one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelColumn {
    /// The column that lists the groups, for error messages.
    pub column: &'static str,
    /// The level.
    pub level: Level,
    /// The items of the list, in the order of the file. Adjacent items may
    /// together be one group, by code or label.
    pub groups: Vec<Code>,
}

/// A connected app, in the state in which the wizard would leave it (rules 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppEntry {
    /// Its code.
    pub code: Code,
    /// The scopes of the catalogue that the row lists.
    pub scopes: ScopeSet,
    /// Words that are not a scope of the catalogue: not granted, reported as a
    /// warning.
    pub unknown_scopes: UnknownWords,
    /// The selections of category trees, locales and attribute groups: one per
    /// column that is present, with the name of the column.
    pub selections: Vec<(&'static str, SelectionPatch)>,
}
