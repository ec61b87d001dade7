use pim_authz::pb::Edition;

use super::{ALL_RIGHTS, APPS, RIGHTS_OF_APP, RIGHTS_ON, base, read, session};
use crate::harness::{TestServer, file};

/// The queries that read the stored value of a column; `$1` is the id of the
/// tenant, `$2` the code.
const TREE: &str =
    "SELECT t.code FROM item AS c JOIN item AS t ON t.tenant_id = $1 AND t.id = c.tree_id
    WHERE c.tenant_id = $1 AND c.type = 'channel' AND c.code = $2";
const LOCALES: &str = "SELECT string_agg(l.code, ',' ORDER BY l.key) FROM item AS c
    JOIN channel_locale AS cl ON cl.tenant_id = $1 AND cl.channel_id = c.id JOIN item AS l ON l.tenant_id = $1 AND l.id = cl.locale_id
    WHERE c.tenant_id = $1 AND c.type = 'channel' AND c.code = $2";
const ABOVE: &str =
    "SELECT p.code FROM item AS c JOIN item AS p ON p.tenant_id = $1 AND p.id = c.parent_id
    WHERE c.tenant_id = $1 AND c.type = 'category' AND c.code = $2";
const LOCALIZABLE: &str =
    "SELECT localizable::text FROM attribute WHERE tenant_id = $1 AND code = $2";
const SCOPABLE: &str = "SELECT scopable::text FROM attribute WHERE tenant_id = $1 AND code = $2";
const PARENT: &str =
    "SELECT m.code FROM product AS p JOIN product AS m ON m.tenant_id = $1 AND m.id = p.parent_id
    WHERE p.tenant_id = $1 AND p.code = $2";
const CATEGORIES: &str = "SELECT string_agg(c.code, ',' ORDER BY c.key) FROM product AS p
    JOIN product_category AS pc ON pc.tenant_id = $1 AND pc.product_id = p.id JOIN item AS c ON c.tenant_id = $1 AND c.id = pc.category_id
    WHERE p.tenant_id = $1 AND p.code = $2";
const LABEL: &str = "SELECT label FROM role WHERE tenant_id = $1 AND code = $2";
const AUDIENCE: &str = "SELECT audience FROM role WHERE tenant_id = $1 AND code = $2";
const PERMISSIONS: &str = "SELECT string_agg(p.permission, ',') FROM role AS r
    JOIN role_permission AS p ON p.tenant_id = $1 AND p.role_id = r.id WHERE r.tenant_id = $1 AND r.code = $2";
const GROUPS: &str = "SELECT string_agg(g.code, ',' ORDER BY g.key) FROM subject AS s
    JOIN membership AS m ON m.tenant_id = $1 AND m.subject_id = s.id JOIN user_group AS g ON g.tenant_id = $1 AND g.id = m.group_id
    WHERE s.tenant_id = $1 AND s.code = $2";
const ENABLED: &str = "SELECT enabled::text FROM subject WHERE tenant_id = $1 AND code = $2";
/// One optional column of a file: the file, its header, a row, the column, the
/// query for its value, and the expected values: once it is stored, once the
/// cell is empty, and for a new entity when the column is absent.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    [&'static str; 3],
);

const CHANNELS: (&str, &str) = ("code;tree;locales", "web;master;en_US,fr_FR");
const ROLES: (&str, &str) = (
    "role;label;audience;permissions",
    "feeds;Feeds;connection;api.overall_access",
);
const CASES: [Case; 25] = [
    (
        "channels.csv",
        CHANNELS.0,
        CHANNELS.1,
        "tree",
        TREE,
        ["master", "", ""],
    ),
    (
        "channels.csv",
        CHANNELS.0,
        CHANNELS.1,
        "locales",
        LOCALES,
        ["en_US,fr_FR", "", ""],
    ),
    (
        "categories.csv",
        "code;parent",
        "boots;shoes",
        "parent",
        ABOVE,
        ["shoes", "", ""],
    ),
    (
        "attributes.csv",
        "code;group;localizable;scopable",
        "name;erp;1;true",
        "localizable",
        LOCALIZABLE,
        ["true", "false", "false"],
    ),
    (
        "attributes.csv",
        "code;group;localizable;scopable",
        "name;erp;1;true",
        "scopable",
        SCOPABLE,
        ["true", "false", "false"],
    ),
    (
        "product_models.csv",
        "code;parent;categories",
        "red;shirt;shoes",
        "parent",
        PARENT,
        ["shirt", "", ""],
    ),
    (
        "product_models.csv",
        "code;parent;categories",
        "red;shirt;shoes,sales",
        "categories",
        CATEGORIES,
        ["sales,shoes", "", ""],
    ),
    (
        "products.csv",
        "sku;categories;parent",
        "hat;shoes;shirt",
        "categories",
        CATEGORIES,
        ["shoes", "", ""],
    ),
    (
        "products.csv",
        "sku;categories;parent",
        "hat;shoes;shirt",
        "parent",
        PARENT,
        ["shirt", "", ""],
    ),
    (
        "user_roles.csv",
        ROLES.0,
        ROLES.1,
        "label",
        LABEL,
        ["Feeds", "", ""],
    ),
    (
        "user_roles.csv",
        ROLES.0,
        ROLES.1,
        "audience",
        AUDIENCE,
        ["connection", "user", "user"],
    ),
    (
        "user_roles.csv",
        ROLES.0,
        ROLES.1,
        "permissions",
        PERMISSIONS,
        ["api.overall_access", "", ""],
    ),
    (
        "users.csv",
        "username;roles;groups;enabled",
        "julia;;editors;0",
        "groups",
        GROUPS,
        ["All,editors", "All", "All"],
    ),
    (
        "users.csv",
        "username;roles;groups;enabled",
        "julia;;editors;0",
        "enabled",
        ENABLED,
        ["false", "true", "true"],
    ),
    (
        "connections.csv",
        "code;roles;groups;enabled",
        "erp;;editors;0",
        "groups",
        GROUPS,
        ["editors", "", "All"],
    ),
    (
        "connections.csv",
        "code;roles;groups;enabled",
        "erp;;editors;0",
        "enabled",
        ENABLED,
        ["false", "true", "true"],
    ),
    (
        "job_profile_accesses.csv",
        "job_profile;execute_job_profile;edit_job_profile",
        "nightly;editors;All,editors",
        "edit_job_profile",
        RIGHTS_ON,
        ["All:3 editors:11", "editors:8", "All:3 editors:8"],
    ),
    (
        "apps.csv",
        APPS.0,
        APPS.1,
        "trees_own",
        RIGHTS_OF_APP,
        [
            ALL_RIGHTS,
            "en_US:3 erp:3 fr_FR:1 marketing:1 print:1 sales:3",
            "en_US:3 erp:3 fr_FR:1 marketing:1 print:1 sales:3",
        ],
    ),
    (
        "apps.csv",
        APPS.0,
        APPS.1,
        "trees_edit",
        RIGHTS_OF_APP,
        [
            ALL_RIGHTS,
            "en_US:3 erp:3 fr_FR:1 marketing:1 master:7 print:1 shoes:7",
            "en_US:3 erp:3 fr_FR:1 marketing:1 master:7 print:1 shoes:7",
        ],
    ),
    (
        "apps.csv",
        APPS.0,
        APPS.1,
        "trees_view",
        RIGHTS_OF_APP,
        [
            ALL_RIGHTS,
            "en_US:3 erp:3 fr_FR:1 marketing:1 master:7 sales:3 shoes:7",
            "en_US:3 erp:3 fr_FR:1 marketing:1 master:7 sales:3 shoes:7",
        ],
    ),
    (
        "apps.csv",
        APPS.0,
        APPS.1,
        "locales_edit",
        RIGHTS_OF_APP,
        [
            ALL_RIGHTS,
            "erp:3 fr_FR:1 marketing:1 master:7 print:1 sales:3 shoes:7",
            "erp:3 fr_FR:1 marketing:1 master:7 print:1 sales:3 shoes:7",
        ],
    ),
    (
        "apps.csv",
        APPS.0,
        APPS.1,
        "locales_view",
        RIGHTS_OF_APP,
        [
            ALL_RIGHTS,
            "en_US:3 erp:3 marketing:1 master:7 print:1 sales:3 shoes:7",
            "en_US:3 erp:3 marketing:1 master:7 print:1 sales:3 shoes:7",
        ],
    ),
    (
        "apps.csv",
        APPS.0,
        APPS.1,
        "attribute_groups_edit",
        RIGHTS_OF_APP,
        [
            ALL_RIGHTS,
            "en_US:3 fr_FR:1 marketing:1 master:7 print:1 sales:3 shoes:7",
            "en_US:3 fr_FR:1 marketing:1 master:7 print:1 sales:3 shoes:7",
        ],
    ),
    (
        "apps.csv",
        APPS.0,
        APPS.1,
        "attribute_groups_view",
        RIGHTS_OF_APP,
        [
            ALL_RIGHTS,
            "en_US:3 erp:3 fr_FR:1 master:7 print:1 sales:3 shoes:7",
            "en_US:3 erp:3 fr_FR:1 master:7 print:1 sales:3 shoes:7",
        ],
    ),
    (
        "user_groups.csv",
        "code;name",
        "it;IT support",
        "name",
        "SELECT label FROM user_group WHERE tenant_id = $1 AND code = $2",
        ["IT support", "", ""],
    ),
];

/// The header and the row without a column.
fn without_column(columns: &str, row: &str, column: &str) -> [String; 2] {
    let at = columns.split(';').position(|name| name == column).unwrap();
    [columns, row].map(|line| {
        let mut cells: Vec<&str> = line.split(';').collect();
        cells.remove(at);
        cells.join(";")
    })
}

/// The row with a different cell in a column.
fn with_cell(columns: &str, row: &str, column: &str, cell: &str) -> String {
    let at = columns.split(';').position(|name| name == column).unwrap();
    let mut cells: Vec<&str> = row.split(';').collect();
    cells[at] = cell;
    cells.join(";")
}

#[tokio::test]
async fn absent_column_keeps_value_and_empty_cell_clears_it() {
    let server = TestServer::start().await;
    let client = session(&server).await;
    for (number, case) in CASES.iter().enumerate() {
        let (name, columns, row, column, sql, [stored, emptied, fresh]) = *case;
        let tenant = format!("case_{number}");
        let about = format!("{name} {column}");
        let key = row.split(';').next().unwrap();
        let import = async |lines: &[&str]| {
            let files = [file(name, lines)];
            let summary = server.import(&tenant, Edition::Enterprise, &files).await;
            summary.revision
        };
        server.import(&tenant, Edition::Enterprise, &base()).await;
        let first = import(&[columns, row]).await;
        assert_eq!(read(&client, sql, &tenant, key).await, stored, "{about}");
        if column != "name" {
            let [absent, rest] = without_column(columns, row, column);
            assert_eq!(import(&[&absent, &rest]).await, first, "{about} absent");
            assert_eq!(read(&client, sql, &tenant, key).await, stored, "{about}");
        }
        let empty = with_cell(columns, row, column, "");
        assert_eq!(import(&[columns, &empty]).await, first + 1, "{about} empty");
        assert_eq!(read(&client, sql, &tenant, key).await, emptied, "{about}");
        assert_eq!(import(&[columns, &empty]).await, first + 1, "{about} twice");
        if column != "name" {
            let [absent, rest] = without_column(columns, row, column);
            let fresh_row = rest.replacen(key, "fresh", 1);
            let mut files = vec![file(name, &[&absent, &fresh_row])];
            if name == "job_profile_accesses.csv" {
                files.push(file("export_profiles.csv", &["code", "fresh"]));
            }
            server.import(&tenant, Edition::Enterprise, &files).await;
            assert_eq!(read(&client, sql, &tenant, "fresh").await, fresh, "{about}");
        }
    }
}

#[test]
fn every_documented_optional_column_has_a_case() {
    let documentation = include_str!("../../../docs/import.md");
    let mut optional: Vec<(&str, &str)> = Vec::new();
    for line in documentation.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let columns = cells[2].split(['`', ';', ' ', '(', ')']);
        let columns = columns.filter_map(|column| column.strip_suffix('?'));
        for name in cells[1].split(", ") {
            let name = name.trim_matches('`');
            optional.extend(columns.clone().map(|column| (name, column)));
        }
    }
    assert!(optional.len() > 20, "{optional:?}");
    // Without `code`, the name of a group is its code and thus its key.
    optional.retain(|column| *column != ("user_groups.csv", "code"));
    for (name, column) in optional {
        let is_tried = CASES.iter().any(|case| (case.0, case.3) == (name, column));
        assert!(is_tried, "{name} {column}");
    }
}
