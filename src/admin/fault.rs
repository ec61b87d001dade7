use crate::domain::{Code, Edition, EntityKind, MAX_CATEGORY_LEVELS};

/// Why an entry of a request, or a row of an import, is rejected: its position
/// and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {refused}")]
pub struct Fault {
    /// The field or column: `groups`; for an entry of a request with its index,
    /// `users[3].groups`.
    pub field: String,
    /// What is wrong, and what is allowed.
    pub refused: Refused,
}

/// What is wrong, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The value itself is not allowed.
    #[error("{0}")]
    Invalid(String),

    /// A referenced entity does not exist.
    #[error("{} `{code}` does not exist", .entity.words())]
    NotFound {
        /// The kind of the missing entity.
        entity: EntityKind,
        /// Its code, as in the request.
        code: String,
    },

    /// The code of an entity to create is taken.
    #[error("{} `{code}` exists already", .entity.words())]
    Exists {
        /// The kind of the existing entity.
        entity: EntityKind,
        /// Its code.
        code: Code,
    },

    /// An entity to delete is still referenced (rules 3.9).
    #[error("{} `{code}` is in use: {uses}; set `cascade` to delete it all the same", .entity.words())]
    InUse {
        /// The kind of the referenced entity.
        entity: EntityKind,
        /// Its code.
        code: Code,
        /// The numbers of references, by kind.
        uses: String,
    },

    /// A permission that the tenant's edition does not have (rules 2.4).
    #[error(
        "`{permission}` is granted in the enterprise edition only; the tenant's is `{edition}`"
    )]
    EditionRequired {
        /// The permission.
        permission: &'static str,
        /// The tenant's edition.
        edition: Edition,
    },

    /// A role whose audience does not fit its holder or its permissions
    /// (rules 2.5).
    #[error("{message}")]
    AudienceMismatch {
        /// The role.
        role: Code,
        /// Why the audience does not fit.
        message: String,
    },

    /// A category would be its own descendant.
    #[error("category `{0}` would be below itself")]
    CategoryLoop(Code),

    /// A category, or one of its descendants, would be deeper than the last level
    /// of its tree (rules 3.10).
    #[error(
        "category `{deepest}` would lie at level {level}; a category tree has at most {MAX_CATEGORY_LEVELS} levels"
    )]
    CategoryTooDeep {
        /// The category that the entry creates or moves.
        code: Code,
        /// The deepest category: the same one, or one of its descendants.
        deepest: Code,
        /// Its level, counted from 1 at the root.
        level: usize,
    },

    /// A product cannot have this parent (rules 4.2).
    #[error("{message}")]
    ParentInvalid {
        /// The product or model.
        code: String,
        /// Why the parent is invalid.
        message: String,
    },

    /// `All` cannot be changed (rules 1.4).
    #[error(
        "the user group `All` is fixed: every user is in it, and it can be neither renamed nor deleted"
    )]
    GroupAllIsFixed,

    /// A group that is private to an app, or has the code of such a group
    /// (rules 1.4).
    #[error(
        "user group `{0}` is an app's own: nobody else is in it, and it comes and goes with the app"
    )]
    GroupIsPrivate(Code),
}

impl Fault {
    /// Returns a fault in a field.
    pub(super) fn new(field: impl Into<String>, refused: Refused) -> Self {
        Self {
            field: field.into(),
            refused,
        }
    }

    /// Returns a fault for a value that is not allowed.
    pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(field, Refused::Invalid(message.into()))
    }

    /// Rejects the code of a new entity if it has white space at either end
    /// (rules 1.5).
    pub(super) fn check_new_code(field: &str, code: &Code) -> Result<(), Self> {
        if !code.has_blank_end() {
            return Ok(());
        }
        let message = format!(
            "\"{}\" begins or ends with white space or an invisible character; a new code does not",
            code.as_str().escape_debug()
        );
        Err(Self::invalid(field, message))
    }

    /// Returns a fault for a reference to a missing entity.
    pub(crate) fn unknown(
        field: impl Into<String>,
        entity: impl Into<EntityKind>,
        code: &impl ToString,
    ) -> Self {
        let (entity, code) = (entity.into(), code.to_string());
        Self::new(field, Refused::NotFound { entity, code })
    }

    /// Returns the fault with its field prefixed by the entry `index` of the list
    /// `entries`.
    pub(super) fn of_entry(self, entries: &str, index: usize) -> Self {
        let Self { field, refused } = self;
        let path = if field.is_empty() {
            format!("{entries}[{index}]")
        } else {
            format!("{entries}[{index}].{field}")
        };
        Self::new(path, refused)
    }
}
