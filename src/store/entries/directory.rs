use tokio_postgres::Row;

use crate::{
    domain::{Audience, Code, SubjectKind},
    store::StoreError,
};

use super::{CodedEntry, Every, code, word};

/// A user or connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct SubjectEntryRow {
    pub code: Code,
    pub enabled: bool,
    /// Ordered by folded code.
    pub groups: Vec<String>,
    /// Ordered by folded code.
    pub roles: Vec<String>,
}

impl CodedEntry for SubjectEntryRow {
    type Space = SubjectKind;

    const NAME: &'static str = "list_subject_entries";
    const TABLE: &'static str = "subject";
    const OF_SPACE: &'static str = "entry.type = $2";
    const COLUMNS: &'static str = "
        entry.code, entry.enabled,
        ARRAY(SELECT named.code
                FROM membership AS m
               CROSS JOIN LATERAL (SELECT code, key FROM user_group AS g WHERE g.tenant_id = $1 AND g.id = m.group_id OFFSET 0) AS named
               WHERE m.tenant_id = $1 AND m.subject_id = entry.id
               ORDER BY named.key) AS groups,
        ARRAY(SELECT named.code
                FROM subject_role AS held
               CROSS JOIN LATERAL (SELECT code, key FROM role AS r WHERE r.tenant_id = $1 AND r.id = held.role_id OFFSET 0) AS named
               WHERE held.tenant_id = $1 AND held.subject_id = entry.id
               ORDER BY named.key) AS roles";

    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            code: code(Self::NAME, row)?,
            enabled: row.get("enabled"),
            groups: row.get("groups"),
            roles: row.get("roles"),
        })
    }

    fn code(&self) -> &Code {
        &self.code
    }
}

/// A user group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct GroupEntryRow {
    pub code: Code,
    pub label: String,
    pub private: bool,
}

impl CodedEntry for GroupEntryRow {
    type Space = Every;

    const NAME: &'static str = "list_group_entries";
    const TABLE: &'static str = "user_group";
    const OF_SPACE: &'static str = "$2::text = ''";
    const COLUMNS: &'static str = "entry.code, entry.label, entry.private";

    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            code: code(Self::NAME, row)?,
            label: row.get("label"),
            private: row.get("private"),
        })
    }

    fn code(&self) -> &Code {
        &self.code
    }
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct RoleEntryRow {
    pub code: Code,
    pub label: String,
    pub audience: Audience,
    /// As granted, unordered.
    pub permissions: Vec<String>,
}

impl CodedEntry for RoleEntryRow {
    type Space = Every;

    const NAME: &'static str = "list_role_entries";
    const TABLE: &'static str = "role";
    const OF_SPACE: &'static str = "$2::text = ''";
    const COLUMNS: &'static str = "
        entry.code, entry.label, entry.audience,
        ARRAY(SELECT permission FROM role_permission AS p WHERE p.tenant_id = $1 AND p.role_id = entry.id) AS permissions";

    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            code: code(Self::NAME, row)?,
            label: row.get("label"),
            audience: word(Self::NAME, row, "audience")?,
            permissions: row.get("permissions"),
        })
    }

    fn code(&self) -> &Code {
        &self.code
    }
}
