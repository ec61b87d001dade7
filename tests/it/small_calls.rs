//! How many rows a small call reads in a large tenant: those of what it names, not all
//! of the tenant's, also while PostgreSQL has no statistics of it.

use pim_authz::pb::Edition;
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::harness::{Database, File, TestServer, file};

/// Users, products, attributes and grid views of the tenant each.
const MANY: usize = 3_000;

/// The most rows that a call may read, fewer than any of these.
const MOST: i64 = 300;

/// What is not counted: small calls read whole what tenants have few of, and servers
/// read the log when they start.
const READ_WHOLE: [&str; 5] = [
    "user_group",
    "role",
    "role_permission",
    "commit_log",
    "invalidation",
];

/// Categories of the tenant, on each of which each group has a right.
const CATEGORIES: usize = 2_500;

/// How often each call is made.
const TIMES: usize = 5;

/// A call about the tenant `large`, and the request of its number `n`.
type Call = (&'static str, fn(usize) -> Value);

const WRITES: &[Call] = &[
    (
        "DirectoryService/PutUsers",
        |n| json!({"users": [{"code": format!("new{n}"), "groups": {"codes": ["staff"]}, "roles": {"codes": ["clerk"]}}]}),
    ),
    (
        "DirectoryService/DeleteUsers",
        |n| json!({"codes": [format!("u{n}")]}),
    ),
    (
        "DirectoryService/PutConnections",
        |n| json!({"connections": [{"code": format!("erp{n}")}]}),
    ),
    (
        "DirectoryService/PutUserGroups",
        |n| json!({"userGroups": [{"code": format!("team{n}")}]}),
    ),
    (
        "DirectoryService/DeleteUserGroups",
        |n| json!({"codes": [format!("small{n}")], "cascade": true}),
    ),
    (
        "DirectoryService/PutRoles",
        |n| json!({"roles": [{"code": format!("role{n}"), "permissions": {"codes": ["product.create"]}}]}),
    ),
    (
        "DirectoryService/DeleteRoles",
        |n| json!({"codes": [format!("unused{n}")]}),
    ),
    (
        "CatalogService/PutProducts",
        |n| json!({"products": [{"code": format!("new{n}"), "categories": {"codes": ["c1"]}}]}),
    ),
    (
        "CatalogService/DeleteProducts",
        |n| json!({"codes": [format!("p{n}")]}),
    ),
    (
        "CatalogService/PutCategories",
        |n| json!({"categories": [{"code": format!("new{n}"), "parent": "c7"}]}),
    ),
    (
        "CatalogService/PutLocales",
        |n| json!({"locales": [{"code": format!("l{n}")}]}),
    ),
    (
        "CatalogService/PutAttributeGroups",
        |n| json!({"attributeGroups": [{"code": format!("ag{n}")}]}),
    ),
    (
        "CatalogService/PutAttributes",
        |n| json!({"attributes": [{"code": format!("new{n}"), "group": "marketing"}]}),
    ),
    (
        "CatalogService/DeleteAttributes",
        |n| json!({"codes": [format!("a{n}")]}),
    ),
    (
        "CatalogService/PutGridViews",
        |n| json!({"gridViews": [{"code": format!("new{n}"), "attributeGroups": ["marketing"]}]}),
    ),
    (
        "CatalogService/DeleteGridViews",
        |n| json!({"codes": [format!("v{n}")]}),
    ),
    (
        "CatalogService/DeleteLocales",
        |n| json!({"codes": [format!("l{n}")]}),
    ),
    (
        "CatalogService/DeleteAttributeGroups",
        |n| json!({"codes": [format!("ag{n}")], "cascade": true}),
    ),
    (
        "CatalogService/PutChannels",
        |n| json!({"channels": [{"code": format!("ch{n}"), "tree": "c0", "locales": ["en_US"]}]}),
    ),
    (
        "CatalogService/DeleteChannels",
        |n| json!({"codes": [format!("ch{n}")]}),
    ),
    (
        "CatalogService/PutAssetFamilies",
        |n| json!({"assetFamilies": [{"code": format!("family{n}")}]}),
    ),
    (
        "CatalogService/PutProfiles",
        |n| json!({"profiles": [{"code": format!("job{n}"), "kind": "PROFILE_KIND_EXPORT"}]}),
    ),
    (
        "AppService/StartConnection",
        |n| json!({"actor": "user:admin", "app": format!("new{n}"), "scopes": ["read_products"]}),
    ),
    (
        "AppService/UpdateScopes",
        |n| json!({"app": format!("app{n}"), "scopes": ["read_products"]}),
    ),
    (
        "AppService/Disconnect",
        |n| json!({"app": format!("app{n}")}),
    ),
    (
        "AccessRightsService/GrantAccess",
        |n| json!({"grants": [{"group": "staff", "item": {"type": "category", "id": format!("c{}", 100 + n)}, "level": "LEVEL_OWN"}]}),
    ),
    (
        "AccessRightsService/RevokeAccess",
        |n| json!({"revocations": [{"group": "g0", "item": {"type": "category", "id": format!("c{}", 200 + n)}, "level": "LEVEL_VIEW"}]}),
    ),
    (
        "AccessRightsService/ReplaceAccess",
        |n| json!({"items": [{"item": {"type": "category", "id": format!("c{}", 300 + n)}}]}),
    ),
];

const READS: &[Call] = &[
    (
        "AuthorizationService/Check",
        |n| json!({"subject": user(n), "action": "view", "resource": {"type": "product", "id": format!("p{n}")}}),
    ),
    (
        "AuthorizationService/Explain",
        |n| json!({"subject": user(n), "action": "view", "resource": {"type": "category", "id": format!("c{n}")}}),
    ),
    ("AuthorizationService/BatchCheck", |n| {
        let product =
            |more: usize| json!({"resource": {"type": "product", "id": format!("p{}", n + more)}});
        json!({"subject": user(n), "action": "edit", "items": [product(0), product(100), product(200)]})
    }),
    (
        "AuthorizationService/ListActions",
        |n| json!({"subject": user(n), "resource": {"type": "product", "id": format!("p{n}")}}),
    ),
    (
        "AccessRightsService/ListAccess",
        |_| json!({"pageSize": 10, "item": {"type": "category", "id": "c1"}}),
    ),
    ("AuthorizationService/ListAllowed", |_| {
        let viewer = json!({"type": "user", "id": "viewer"});
        json!({"subject": viewer, "action": "view", "resourceType": "product", "pageSize": 10})
    }),
    ("DirectoryService/ListUsers", |_| json!({"pageSize": 10})),
    ("CatalogService/ListCategories", |_| json!({"pageSize": 10})),
    ("CatalogService/ListAttributes", |_| json!({"pageSize": 10})),
    ("CatalogService/ListProducts", |_| json!({"pageSize": 10})),
    ("CatalogService/ListGridViews", |_| json!({"pageSize": 10})),
    ("AuditService/ListChanges", |_| json!({"pageSize": 10})),
    (
        "AuditService/ListChanges",
        |n| json!({"pageSize": 10, "subject": user(n)}),
    ),
];

fn user(n: usize) -> Value {
    json!({"type": "user", "id": format!("u{n}")})
}

/// Makes the line of a number.
type Line = fn(usize) -> String;

/// A file of the lines that `line` makes of the numbers, after a first one.
fn numbered(name: &str, first: &str, numbers: usize, line: impl Fn(usize) -> String) -> File {
    let lines: Vec<String> = (0..numbers).map(line).collect();
    let lines = [first].into_iter().chain(lines.iter().map(String::as_str));
    file(name, &lines.collect::<Vec<_>>())
}

/// A tenant of many users, products, attributes and grid views, and of 8 groups that
/// view each category.
fn large() -> Vec<File> {
    let groups: Vec<String> = (0..8).map(|n| format!("g{n}")).collect();
    let groups = groups.join(",");
    let mut files = vec![
        file("locales.csv", &["code", "en_US"]),
        numbered("apps.csv", "code;scopes", TIMES + 1, |n| {
            format!("app{n};read_products,write_products")
        }),
        file("attribute_groups.csv", &["code", "marketing"]),
        numbered("user_groups.csv", "name\nstaff", 14, |n| match n {
            0..8 => format!("g{n}"),
            _ => format!("small{}", n - 8),
        }),
        numbered(
            "user_roles.csv",
            "role;permissions\nboss;*\nclerk;product.create",
            TIMES + 1,
            |n| format!("unused{n};product.create"),
        ),
    ];
    let many: [(&str, &str, Line); 4] = [
        (
            "users.csv",
            "username;roles;groups\nadmin;boss;\nviewer;clerk;small1",
            |n| format!("u{n};clerk;staff"),
        ),
        ("attributes.csv", "code;group", |n| {
            format!("a{n};marketing")
        }),
        ("grid_views.csv", "code;attribute_groups", |n| {
            format!("v{n};marketing")
        }),
        ("products.csv", "sku;categories", |n| {
            format!("p{n};c{}", n % CATEGORIES)
        }),
    ];
    files.extend(many.map(|(name, first, line)| numbered(name, first, MANY, line)));
    let below = |n: usize| format!("c{};c{}", n + 1, (n + 1) / 8);
    files.push(numbered(
        "categories.csv",
        "code;parent\nc0;",
        CATEGORIES - 1,
        below,
    ));
    let first = "category;view_items;edit_items;own_items";
    let access = |n| match n {
        1..=TIMES => format!("c{n};{groups},small{n};;"),
        _ => format!("c{n};{groups};;"),
    };
    files.push(numbered(
        "product_category_accesses.csv",
        first,
        CATEGORIES,
        access,
    ));
    files
}

/// The rows that were read from each table so far, by all sessions that have ended.
async fn rows_read(client: &Client) -> Vec<(String, i64)> {
    const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    const SQL: &str =
        "SELECT t.relname::text, (t.seq_tup_read + COALESCE(sum(i.idx_tup_read), 0))::bigint
          FROM pg_stat_user_tables AS t
          LEFT JOIN pg_stat_user_indexes AS i USING (relid)
         GROUP BY t.relname, t.seq_tup_read ORDER BY t.relname";
    let others = async || -> i64 { client.query_one(OTHERS, &[]).await.unwrap().get(0) };
    // A session adds to the counters when it ends.
    while others().await > 0 {}
    let read = client.query(SQL, &[]).await.unwrap();
    read.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Makes a call some times, with a server without a cache that is started for it;
/// returns the rows that were read from each table.
async fn reads_of(
    client: &Client,
    database: Database,
    (call, request): Call,
) -> (Database, Vec<(String, i64)>) {
    let before = rows_read(client).await;
    let mut server = TestServer::start_without_memory(database).await;
    let http = server.http();
    for n in 1..=TIMES {
        let mut request = request(n);
        request["tenant"] = json!("large");
        let path = format!("/pim.authz.v1.{call}");
        http.post(&path, &request).await.ok();
    }
    server.begin_stop();
    let database = server.ended_with_its_database().await;
    let after = rows_read(client).await;
    let read = before
        .into_iter()
        .zip(after)
        .map(|((table, before), (_, after))| (table, after - before));
    (database, read.filter(|(_, read)| *read > 0).collect())
}

/// Imports a large tenant, runs `prepare` in its database, and makes each call.
async fn small_calls_read_what_they_name(prepare: &str, calls: &[Call]) {
    let mut server = TestServer::start().await;
    server.import("large", Edition::Enterprise, &large()).await;
    server.begin_stop();
    let mut database = server.ended_with_its_database().await;
    database.execute(prepare).await;
    let (client, _session) = database.connect().await;
    for call in calls {
        let read;
        (database, read) = reads_of(&client, database, *call).await;
        let counted = read
            .iter()
            .filter(|(table, _)| !READ_WHOLE.contains(&table.as_str()));
        let all: i64 = counted.map(|(_, read)| read).sum();
        let each = all / i64::try_from(TIMES).unwrap();
        assert!(each < MOST, "{} {each} {read:?}", call.0);
        // Else the sessions of the server were not counted.
        assert!(all > 0, "{} {each} {read:?}", call.0);
    }
}

#[tokio::test]
async fn small_writes_read_what_they_name_without_statistics() {
    small_calls_read_what_they_name("", WRITES).await;
}

#[tokio::test]
async fn small_writes_read_what_they_name_with_statistics() {
    small_calls_read_what_they_name("ANALYZE", WRITES).await;
}

#[tokio::test]
async fn small_reads_read_what_they_name_without_statistics() {
    small_calls_read_what_they_name("", READS).await;
}

#[tokio::test]
async fn small_reads_read_what_they_name_with_statistics() {
    small_calls_read_what_they_name("ANALYZE", READS).await;
}

/// A server keeps its plan of reading the log, which was made when the log was short.
#[tokio::test]
async fn servers_read_what_is_new_in_the_log() {
    const WRITES: usize = 200;
    const MOST: i64 = 10;
    let mut server = TestServer::start().await;
    let tenant = json!({"tenant": "large", "edition": "EDITION_ENTERPRISE"});
    let path = "/pim.authz.v1.TenantService/CreateTenant";
    server.http().post(path, &tenant).await.ok();
    server.begin_stop();
    let database = server.ended_with_its_database().await;
    database.execute("ANALYZE").await;
    let (client, _session) = database.connect().await;
    let before = rows_of_log(&client).await;
    let mut server = TestServer::start_on(database).await;
    let http = server.http();
    for n in 1..=WRITES {
        let request = json!({"tenant": "large", "users": [{"code": format!("u{n}")}]});
        let path = "/pim.authz.v1.DirectoryService/PutUsers";
        http.post(path, &request).await.ok();
    }
    server.begin_stop();
    let _database = server.ended_with_its_database().await;
    let each = (rows_of_log(&client).await - before) / i64::try_from(WRITES).unwrap();
    assert!((1..MOST).contains(&each), "{each}");
}

/// The rows that were read from the log and the log of commits so far.
async fn rows_of_log(client: &Client) -> i64 {
    let read = rows_read(client).await;
    let is_log = |table: &String| table == "invalidation" || table == "commit_log";
    let of_log = read.iter().filter(|(table, _)| is_log(table));
    of_log.map(|(_, read)| read).sum()
}
