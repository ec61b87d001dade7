use crate::domain::{Code, Edition, EntityKind, MOST_CATEGORY_LEVELS};

/// Why an entry of a change, or a row of an import, is refused: where it is and
/// what was wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {refused}")]
pub struct Fault {
    /// The field or column: `groups`; of a request's entry with its place,
    /// `users[3].groups`.
    pub field: String,
    /// What was wrong, and what is allowed.
    pub refused: Refused,
}

/// What was wrong, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The value itself is not one that is allowed.
    #[error("{0}")]
    Invalid(String),

    /// It names something that is not there.
    #[error("{} `{code}` does not exist", .entity.words())]
    NotFound {
        /// What it would be.
        entity: EntityKind,
        /// Its code, as it is named.
        code: String,
    },

    /// It would make something whose code is taken.
    #[error("{} `{code}` exists already", .entity.words())]
    Exists {
        /// What is there.
        entity: EntityKind,
        /// Its code.
        code: Code,
    },

    /// It would delete something that is referred to (rules 3.9).
    #[error("{} `{code}` is in use: {uses}; say `cascade` to delete it all the same", .entity.words())]
    InUse {
        /// What is referred to.
        entity: EntityKind,
        /// Its code.
        code: Code,
        /// Who refers to it, counted.
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

    /// A role that is not for those who would hold it, or not for what it would
    /// grant (rules 2.5).
    #[error("{message}")]
    AudienceMismatch {
        /// The role.
        role: Code,
        /// What is the matter with it.
        message: String,
    },

    /// A category would be below itself.
    #[error("category `{0}` would be below itself")]
    CategoryLoop(Code),

    /// A category, or one below it, would lie below the last level of its tree
    /// (rules 3.10).
    #[error(
        "category `{deepest}` would lie at level {level}; a category tree has at most {MOST_CATEGORY_LEVELS} levels"
    )]
    CategoryTooDeep {
        /// The category that the entry creates or moves.
        code: Code,
        /// The category that would lie deepest: the same one, or one below it.
        deepest: Code,
        /// Its level, counted from 1 at the root.
        level: usize,
    },

    /// A product cannot be below this parent (rules 4.2).
    #[error("{message}")]
    ParentInvalid {
        /// The product or model.
        code: String,
        /// What is the matter with its parent.
        message: String,
    },

    /// `All` stays as it is (rules 1.4).
    #[error(
        "the user group `All` is fixed: every user is in it, and it can be neither renamed nor deleted"
    )]
    GroupAllIsFixed,

    /// A group that is, or by its code would be, an app's own (rules 1.4).
    #[error(
        "user group `{0}` is an app's own: nobody else is in it, and it comes and goes with the app"
    )]
    GroupIsPrivate(Code),
}

impl Fault {
    /// Says what was wrong with a field.
    pub(super) fn new(field: impl Into<String>, refused: Refused) -> Self {
        Self {
            field: field.into(),
            refused,
        }
    }

    /// A value that is not allowed.
    pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(field, Refused::Invalid(message.into()))
    }

    /// Refuses a code that is to be new and has white space at an end
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

    /// Something that is not there.
    pub(crate) fn unknown(
        field: impl Into<String>,
        entity: impl Into<EntityKind>,
        code: &Code,
    ) -> Self {
        Self::new(
            field,
            Refused::NotFound {
                entity: entity.into(),
                code: code.to_string(),
            },
        )
    }

    /// The same, of the entry `index` of the list `entries`.
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
