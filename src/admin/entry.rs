//! What the PIM's export files say, row by row, in the domain's words.
//!
//! The module `import` reads the rows; this module compares them with what is
//! stored and applies the difference.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Audience, Code, ItemKind, Level, PermissionSet, ProductKind, ScopeSet};

/// The files of an import (`docs/import.md`), in the order in which they are
/// applied: what is referred to comes before what refers to it.
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

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file.
    pub file: ImportFile,
    /// The line of the file that the row begins on, from 1; the header is 1.
    pub line: u64,
}

/// The names of the key columns of the files that are there.
#[derive(Clone, Debug, Default)]
pub struct KeyColumns(BTreeMap<ImportFile, String>);

impl KeyColumns {
    /// Notes the name of a file's key column: `sku`, `code`, `category` …
    pub fn insert(&mut self, file: ImportFile, column: String) {
        self.0.insert(file, column);
    }

    /// The name of a file's key column; empty if the file is not there.
    #[must_use]
    pub fn of(&self, file: ImportFile) -> &str {
        self.0.get(&file).map_or("", String::as_str)
    }
}

/// A row that was refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The file, as it is named.
    pub file: String,
    /// The line, from 1; 0: the whole file.
    pub line: u64,
    /// The column; empty: the whole row.
    pub column: String,
    /// What was wrong and what is allowed.
    pub message: String,
    /// The key of the row, where it can be read and no row before has it.
    pub key: Option<Code>,
}

/// One row that parses: every cell is a good value of its own; whether what it
/// names is there is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it stands.
    pub place: Place,
    /// What it says.
    pub entry: Entry,
}

/// What a row says. `None` where an optional column is absent: what is stored
/// stays; an empty cell is `Some` of nothing. Lists are in the order in which
/// they are written: items that stand side by side may be one name that holds a
/// comma, which is known only when all rows are there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of `docs/import.md`"
)]
pub enum Entry {
    /// A user group.
    UserGroup { code: Code, label: String },
    /// A role.
    Role {
        code: Code,
        label: Option<String>,
        audience: Option<Audience>,
        permissions: Option<RolePermissions>,
        unknown_permissions: UnknownWords,
    },
    /// A user.
    User(DirectoryEntry),
    /// A connection.
    Connection(DirectoryEntry),
    /// A locale, attribute group, family, entity or profile.
    Item { kind: ItemKind, code: Code },
    /// A category; without a parent it is a tree's root.
    Category {
        code: Code,
        parent: Option<Option<Code>>,
    },
    /// A channel.
    Channel {
        code: Code,
        tree: Option<Option<Code>>,
        locales: Option<Vec<Code>>,
    },
    /// An attribute.
    Attribute {
        code: Code,
        group: Code,
        scopable: Option<bool>,
        localizable: Option<bool>,
    },
    /// A grid view.
    GridView {
        code: Code,
        attribute_groups: Option<Vec<Code>>,
    },
    /// A product or product model.
    Product(ProductEntry),
    /// The whole set of rights on an item.
    Access(AccessEntry),
    /// A connected app.
    App(AppEntry),
}

/// A user or connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of `docs/import.md`"
)]
pub struct DirectoryEntry {
    pub code: Code,
    pub roles: Vec<Code>,
    /// By code or label.
    pub groups: Option<Vec<Code>>,
    pub enabled: Option<bool>,
}

/// A product or product model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of `docs/import.md`"
)]
pub struct ProductEntry {
    pub kind: ProductKind,
    pub code: Code,
    pub parent: Option<Option<Code>>,
    pub categories: Option<Vec<Code>>,
    /// A hash of the cells that are not read, so that two rows with one key and
    /// other content are told apart; 0: there are none.
    pub rest: i64,
}

/// Words of a list that the catalogue does not know, such as the permissions of
/// an extension of the PIM: they are not granted, and the summary warns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownWords {
    /// At most [`UnknownWords::MOST`] of them, in order.
    words: BTreeSet<String>,
    /// Whether there are more.
    has_more: bool,
}

impl UnknownWords {
    /// The most words of one list that are kept.
    pub const MOST: usize = 20;

    /// Notes a word.
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

    /// A sentence for each word: `of` is who is not granted it, `what` is what
    /// the words should be.
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

/// What the cell `permissions` of a role says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolePermissions {
    /// `*`: every permission that the role may hold in the tenant's edition
    /// (rules 2.4, 2.5).
    EveryAllowed,
    /// These.
    Only(PermissionSet),
}

/// The whole set of rights on an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEntry {
    /// What the item is.
    pub target: AccessTarget,
    /// Its code.
    pub code: Code,
    /// The columns that are there.
    pub columns: Vec<LevelColumn>,
    /// The level of an optional column that is absent: groups that hold it
    /// keep it; [`Level::Hidden`] if no column is absent.
    pub kept: Level,
}

/// What a row of an `*_accesses.csv` file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessTarget {
    /// An item of this kind.
    Kind(ItemKind),
    /// An import or export profile: they share a code space.
    Profile,
}

/// The user groups to which a row gives one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelColumn {
    /// The column that names the groups, for a refusal.
    pub column: &'static str,
    /// The level.
    pub level: Level,
    /// The items of the list, in the order in which they are written. Items
    /// that stand side by side may be one group, by code or label.
    pub groups: Vec<Code>,
}

/// A connected app, as the wizard would leave it (rules 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppEntry {
    /// Its code.
    pub code: Code,
    /// The scopes of the catalogue that the row names.
    pub scopes: ScopeSet,
    /// Words that are no scope of the catalogue: not granted, a warning.
    pub unknown_scopes: UnknownWords,
    /// What is chosen for category trees, locales and attribute groups: one for
    /// each column that is there.
    pub selections: Vec<AppSelection>,
}

/// What one cell chooses in the permissions step (rules 5.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppSelection {
    /// `Category` for trees, `Locale` or `AttributeGroup`.
    pub kind: ItemKind,
    /// The level of the column.
    pub level: Level,
    /// The column, for a refusal.
    pub column: &'static str,
    /// What is chosen.
    pub chosen: Chosen,
}

/// `all` or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// `*`: everything, later ones included.
    All,
    /// These; none where the cell is empty.
    Codes(Vec<Code>),
}
