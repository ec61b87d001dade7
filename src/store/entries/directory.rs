use crate::domain::{Code, Role, Subject, SubjectKind, UserGroup};

use super::{CodedEntry, Every};

impl CodedEntry for Subject<Code, Code> {
    type Space = SubjectKind;

    const NAME: &'static str = "list_subject_entries";
    const TABLE: &'static str = "subject";
    const OF_SPACE: &'static str = "entry.type = $2";
    const COLUMNS: &'static str = "
        entry.code, entry.type, entry.enabled,
        ARRAY(SELECT named.code
                FROM membership AS m
               CROSS JOIN LATERAL (SELECT code FROM user_group AS g WHERE g.tenant_id = $1 AND g.id = m.group_id OFFSET 0) AS named
               WHERE m.tenant_id = $1 AND m.subject_id = entry.id) AS groups,
        ARRAY(SELECT named.code
                FROM subject_role AS held
               CROSS JOIN LATERAL (SELECT code FROM role AS r WHERE r.tenant_id = $1 AND r.id = held.role_id OFFSET 0) AS named
               WHERE held.tenant_id = $1 AND held.subject_id = entry.id) AS roles";

    fn code(&self) -> &Code {
        &self.code
    }
}

impl CodedEntry for UserGroup {
    type Space = Every;

    const NAME: &'static str = "list_group_entries";
    const TABLE: &'static str = "user_group";
    const OF_SPACE: &'static str = "$2::text = ''";
    const COLUMNS: &'static str = "entry.code, entry.label, entry.private";

    fn code(&self) -> &Code {
        &self.code
    }
}

impl CodedEntry for Role {
    type Space = Every;

    const NAME: &'static str = "list_role_entries";
    const TABLE: &'static str = "role";
    const OF_SPACE: &'static str = "$2::text = ''";
    const COLUMNS: &'static str = "
        entry.code, entry.label, entry.audience,
        ARRAY(SELECT permission FROM role_permission AS p WHERE p.tenant_id = $1 AND p.role_id = entry.id) AS permissions";

    fn code(&self) -> &Code {
        &self.code
    }
}
