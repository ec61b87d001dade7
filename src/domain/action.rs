use std::fmt;

use super::{CATALOGUE, Level, PermissionId, PermissionUse, ResourceType};

/// An action that a subject wants to perform (rules 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A permission code of the catalogue.
    Permission(PermissionId),
    /// A level action.
    Level(LevelAction),
}

/// Actions that require a level instead of a permission (rules 9).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "the table of rules 9 describes each")]
pub enum LevelAction {
    View,
    Edit,
    Own,
    Export,
    Import,
    ChangeCategories,
    ReviewProposals,
    SendProposal,
    Publish,
    #[strum(serialize = "system_version.read")]
    ReadSystemVersion,
}

/// Requirements of an action on a type of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionRule {
    /// Permission required.
    pub permission: Option<PermissionId>,
    /// Level required on the resource.
    pub level: Option<Level>,
    /// Whether a higher level also suffices.
    pub strictness: Strictness,
    /// True if the action exists in the enterprise edition only.
    pub enterprise: bool,
    /// True if the resource must be stored or described, and the decision returns
    /// the level held on it.
    pub requires_resource: bool,
}

/// Whether a level above the required one suffices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// The required level or a higher one.
    AtLeast,
    /// Only the required level: an owner has no need to send proposals.
    Exactly,
}

impl Strictness {
    /// True if the level `held` satisfies the required level `needed`.
    #[must_use]
    pub fn suffices(self, held: Level, needed: Level) -> bool {
        match self {
            Self::AtLeast => held.allows(needed),
            Self::Exactly => held == needed,
        }
    }
}

impl Action {
    /// Parses a level action or a permission code; `None` if `word` is neither.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        if let Ok(action) = word.parse() {
            return Some(Self::Level(action));
        }
        CATALOGUE
            .find_permission(word)
            .map(|p| Self::Permission(p.id))
    }

    /// Every action: level actions first, then the permissions of the catalogue.
    pub fn all() -> impl Iterator<Item = Self> {
        use strum::IntoEnumIterator as _;
        LevelAction::iter().map(Self::Level).chain(
            CATALOGUE
                .permissions()
                .iter()
                .map(|p| Self::Permission(p.id)),
        )
    }

    /// Returns the name of the level action, or the permission code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permission(id) => CATALOGUE.permission(id).code,
            Self::Level(action) => action.into(),
        }
    }

    /// Returns the requirements on a resource of `kind`, or without a resource;
    /// `None` if there is no such question (rules 9).
    #[must_use]
    pub fn rule_on(self, kind: Option<ResourceType>) -> Option<ActionRule> {
        match (self, kind) {
            (Self::Permission(id), None) => Some(ActionRule::permission_alone(id)),
            (Self::Permission(id), Some(kind)) => match CATALOGUE.permission(id).use_on(kind)? {
                PermissionUse::Alone => Some(ActionRule::permission_alone(id)),
                PermissionUse::WithLevel(level) => Some(ActionRule {
                    permission: Some(id),
                    enterprise: CATALOGUE.permission(id).enterprise,
                    ..ActionRule::level(level)
                }),
            },
            (Self::Level(LevelAction::ReadSystemVersion), None) => {
                Some(ActionRule::system_version())
            }
            (Self::Level(_), None) => None,
            (Self::Level(action), Some(kind)) => action.rule_on(kind),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl LevelAction {
    fn rule_on(self, kind: ResourceType) -> Option<ActionRule> {
        use ResourceType as T;
        match kind {
            T::ProductModel if self == Self::Publish => None,
            T::Product | T::ProductModel => self.rule_on_product(),
            T::Category => self.plain_level().map(ActionRule::level),
            T::Channel
            | T::Locale
            | T::AttributeGroup
            | T::Attribute
            | T::AssetFamily
            | T::ReferenceEntity
            | T::Asset
            | T::ReferenceEntityRecord => {
                let level = self.plain_level().filter(|level| *level != Level::Own)?;
                Some(ActionRule::level(level))
            }
            T::EnrichedCategory if self == Self::Edit => {
                let permission = CATALOGUE.find_permission("category.edit_attributes")?;
                Some(ActionRule {
                    requires_resource: true,
                    ..ActionRule::permission_alone(permission.id)
                })
            }
            T::EnrichedCategory | T::GridView => {
                (self == Self::View).then_some(ActionRule::level(Level::View))
            }
            T::ImportProfile | T::ExportProfile => None,
            T::SystemVersion => {
                (self == Self::ReadSystemVersion).then_some(ActionRule::system_version())
            }
        }
    }

    fn rule_on_product(self) -> Option<ActionRule> {
        let enterprise = |rule| ActionRule {
            enterprise: true,
            ..rule
        };
        match self {
            Self::View | Self::Export => Some(ActionRule::level(Level::View)),
            Self::Edit | Self::Import => Some(ActionRule::level(Level::Edit)),
            Self::Own | Self::ChangeCategories => Some(ActionRule::level(Level::Own)),
            Self::ReviewProposals | Self::Publish => {
                Some(enterprise(ActionRule::level(Level::Own)))
            }
            Self::SendProposal => Some(enterprise(ActionRule {
                strictness: Strictness::Exactly,
                ..ActionRule::level(Level::Edit)
            })),
            Self::ReadSystemVersion => None,
        }
    }

    fn plain_level(self) -> Option<Level> {
        match self {
            Self::View => Some(Level::View),
            Self::Edit => Some(Level::Edit),
            Self::Own => Some(Level::Own),
            Self::Export
            | Self::Import
            | Self::ChangeCategories
            | Self::ReviewProposals
            | Self::SendProposal
            | Self::Publish
            | Self::ReadSystemVersion => None,
        }
    }
}

impl ActionRule {
    fn level(level: Level) -> Self {
        Self {
            permission: None,
            level: Some(level),
            strictness: Strictness::AtLeast,
            enterprise: false,
            requires_resource: true,
        }
    }

    fn permission_alone(id: PermissionId) -> Self {
        Self {
            permission: Some(id),
            level: None,
            strictness: Strictness::AtLeast,
            enterprise: CATALOGUE.permission(id).enterprise,
            requires_resource: false,
        }
    }

    /// Requires `system_information.view` of users; the engine requires nothing
    /// of apps and connections (rules 5.4, 9).
    fn system_version() -> Self {
        let permission = CATALOGUE.find_permission("system_information.view");
        Self {
            permission: permission.map(|p| p.id),
            level: None,
            strictness: Strictness::AtLeast,
            enterprise: false,
            requires_resource: false,
        }
    }
}
