use crate::domain::{Code, Role, Subject, SubjectKind, UserGroup};

use super::{Every, coded_entry};

coded_entry!(Subject<Code, Code>, SubjectKind {
    name: "list_subject_entries",
    table: "subject",
    of_space: "entry.type = $2",
    columns: "
        entry.code, entry.type, entry.enabled,
        ARRAY(SELECT named.code
                FROM membership AS m
               CROSS JOIN LATERAL (SELECT code FROM user_group AS g WHERE g.tenant_id = $1 AND g.id = m.group_id OFFSET 0) AS named
               WHERE m.tenant_id = $1 AND m.subject_id = entry.id) AS groups,
        ARRAY(SELECT named.code
                FROM subject_role AS held
               CROSS JOIN LATERAL (SELECT code FROM role AS r WHERE r.tenant_id = $1 AND r.id = held.role_id OFFSET 0) AS named
               WHERE held.tenant_id = $1 AND held.subject_id = entry.id) AS roles",
});

coded_entry!(
    UserGroup,
    Every {
        name: "list_group_entries",
        table: "user_group",
        of_space: "$2::text = ''",
        columns: "entry.code, entry.label, entry.private",
    }
);

coded_entry!(Role, Every {
    name: "list_role_entries",
    table: "role",
    of_space: "$2::text = ''",
    columns: "
        entry.code, entry.label, entry.audience,
        ARRAY(SELECT permission FROM role_permission AS p WHERE p.tenant_id = $1 AND p.role_id = entry.id) AS permissions",
});
