//! Columns that change their type while servers run, as migrations may do;
//! callers do not notice.

use std::{future::Future, time::Duration};

use pim_authz::pb::{
    self, Edition, access_rights_service_client::AccessRightsServiceClient,
    app_service_client::AppServiceClient, audit_service_client::AuditServiceClient,
    catalog_service_client::CatalogServiceClient, directory_service_client::DirectoryServiceClient,
    operations_service_client::OperationsServiceClient, tenant_service_client::TenantServiceClient,
};
use tokio::time::timeout;
use tonic::{Response, Status, transport::Channel};

use crate::harness::{Database, File, TestServer, file, lists, product, user};

fn company() -> Vec<File> {
    vec![
        file("users.csv", &["username;roles;groups", "julia;;All"]),
        file("channels.csv", &["code", "web"]),
        file("locales.csv", &["code", "en_US"]),
        file("categories.csv", &["code;parent", "master;"]),
        file("products.csv", &["sku;categories", "hat;master", "cap;"]),
        file(
            "locale_accesses.csv",
            &["locale;view_products;edit_products", "en_US;All;"],
        ),
    ]
}

/// Changes the type of every text column of the schema, one table at a time.
async fn change_columns(database: &Database, from: &str, to: &str) {
    let (owner, _connection) = database.connect().await;
    let sql = format!(
        "SELECT format('ALTER TABLE %s %s', class.oid::regclass,
                       string_agg(format('ALTER COLUMN %I TYPE {to} COLLATE pg_catalog.%I',
                                         attribute.attname, pg_collation.collname), ', '))
           FROM pg_attribute AS attribute
           JOIN pg_class AS class ON class.oid = attribute.attrelid
           JOIN pg_collation ON pg_collation.oid = attribute.attcollation
          WHERE class.relnamespace = 'pim_authz'::regnamespace AND class.relkind = 'r'
            AND class.relname <> 'refinery_schema_history'
            AND attribute.attnum > 0 AND attribute.atttypid = '{from}'::regtype
            -- Generated columns, and what they are made of, cannot be changed.
            AND attribute.attgenerated = '' AND attribute.attname <> 'type'
          GROUP BY class.oid"
    );
    let tables = owner.query(&sql, &[]).await.unwrap();
    assert!(tables.len() > 10, "{from} to {to}: {}", tables.len());
    for table in tables {
        owner.batch_execute(table.get(0)).await.unwrap();
    }
}

/// The debug form of a call's answer.
async fn rendered<M: std::fmt::Debug>(
    call: impl Future<Output = Result<Response<M>, Status>>,
) -> String {
    match call.await {
        Ok(answer) => format!("{:?}", answer.into_inner()),
        Err(status) => panic!("{status:?}"),
    }
}

/// Calls every list of the administration.
macro_rules! lists {
    ($answers:ident, $channel:ident, $($client:ident { $($call:ident($request:ident)),+ })+) => {
        $({
            let mut client = $client::new($channel.clone());
            $($answers.push(rendered(client.$call(pb::$request::default())).await);)+
        })+
    };
}

/// The answers to all questions, lists and administrative reads.
async fn answers(channel: Channel) -> Vec<String> {
    let mut answers = questions(&channel).await;
    lists!(answers, channel,
        TenantServiceClient { list_tenants(ListTenantsRequest) }
        DirectoryServiceClient {
            list_users(ListUsersRequest), list_connections(ListConnectionsRequest),
            list_user_groups(ListUserGroupsRequest), list_roles(ListRolesRequest)
        }
        CatalogServiceClient {
            list_channels(ListChannelsRequest), list_locales(ListLocalesRequest),
            list_categories(ListCategoriesRequest), list_attribute_groups(ListAttributeGroupsRequest),
            list_attributes(ListAttributesRequest), list_products(ListProductsRequest),
            list_asset_families(ListAssetFamiliesRequest),
            list_reference_entities(ListReferenceEntitiesRequest),
            list_profiles(ListProfilesRequest), list_grid_views(ListGridViewsRequest)
        }
        AccessRightsServiceClient { list_access(ListAccessRequest) }
        AppServiceClient { list_apps(ListAppsRequest) }
        AuditServiceClient { list_changes(ListChangesRequest) }
        OperationsServiceClient { verify_audit(VerifyAuditRequest) }
    );
    let held = pb::GetEffectiveAccessRequest {
        subject: user("julia"),
        ..Default::default()
    };
    let mut client = AccessRightsServiceClient::new(channel);
    answers.push(rendered(client.get_effective_access(held)).await);
    answers
}

async fn questions(channel: &Channel) -> Vec<String> {
    let mut client =
        pb::authorization_service_client::AuthorizationServiceClient::new(channel.clone());
    let check = pb::CheckRequest {
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let explain = pb::ExplainRequest {
        subject: user("julia"),
        action: "edit".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let actions = pb::ListActionsRequest {
        subject: user("julia"),
        resource: product("hat"),
        ..Default::default()
    };
    let subjects = pb::ListSubjectsRequest {
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let filter = pb::GetAccessFilterRequest {
        subject: user("julia"),
        action: "view".into(),
        resource_type: "product".into(),
        ..Default::default()
    };
    let mut answers = vec![
        rendered(client.check(check)).await,
        rendered(client.explain(explain)).await,
        rendered(client.list_actions(actions)).await,
        rendered(client.list_subjects(subjects)).await,
        rendered(client.get_access_filter(filter)).await,
    ];
    for kind in ["product", "category", "channel", "locale"] {
        let list = pb::ListAllowedRequest {
            subject: user("julia"),
            action: "view".into(),
            resource_type: kind.into(),
            page_size: 1,
            ..Default::default()
        };
        answers.push(format!("{:?}", lists::all_pages(&mut client, &list).await));
        let streamed = lists::whole_stream(&mut client, &list, false).await;
        answers.push(format!("{streamed:?}"));
    }
    answers
}

/// Puts a user and returns the new revision.
async fn put(channel: &Channel, code: &str) -> u64 {
    let write = pb::PutUsersRequest {
        tenant: "default".into(),
        users: vec![pb::User {
            code: code.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut client = DirectoryServiceClient::new(channel.clone());
    client.put_users(write).await.unwrap().into_inner().revision
}

/// Waits for two renewals of the only lease.
async fn renewed_twice(database: &Database) {
    let (looking, _connection) = database.connect().await;
    let sql = "SELECT renew_no FROM pim_authz.lease";
    let renewals = async || looking.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    let before = renewals().await;
    let renewed = async { while renewals().await < before + 2 {} };
    timeout(Duration::from_secs(30), renewed).await.unwrap();
}

async fn leases_lost(channel: &Channel) -> u64 {
    let mut operations = OperationsServiceClient::new(channel.clone());
    let status = operations.get_status(pb::GetStatusRequest::default());
    status.await.unwrap().into_inner().leases_lost
}

async fn start() -> TestServer {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.cache.mode = pim_authz::cache::CacheMode::Off;
    config.cache.lease = Duration::from_secs(2);
    let server = TestServer::start_with(config, database).await;
    server
        .import("default", Edition::Enterprise, &company())
        .await;
    server
}

/// Reads all answers four times at once, over several connections of the pool.
async fn answers_at_once(channel: &Channel) -> Vec<Vec<String>> {
    let tasks: Vec<_> = (0..4)
        .map(|_| tokio::spawn(answers(channel.clone())))
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn column_type_changes_are_invisible_to_callers() {
    let server = start().await;
    let channel = server.channel().await;
    let mut revision = put(&channel, "mary").await;
    for (from, to) in [
        ("text", "varchar"),
        ("varchar", "text"),
        ("text", "varchar"),
    ] {
        let before = answers_at_once(&channel).await;
        change_columns(&server.database, from, to).await;
        assert_eq!(answers_at_once(&channel).await, before, "{from} to {to}");
        revision += 1;
        assert_eq!(put(&channel, &format!("user_{revision}")).await, revision);
        renewed_twice(&server.database).await;
    }
    assert_eq!(leases_lost(&channel).await, 0);
}

/// Deallocates the prepared statements of the lease session, and of the
/// connections that announce writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deallocated_statements_are_prepared_again() {
    let server = start().await;
    let channel = server.channel().await;
    server
        .database
        .execute(
            "CREATE FUNCTION public.forget() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN NULL; END $$;
             CREATE TRIGGER forget AFTER UPDATE ON pim_authz.lease
                 FOR EACH STATEMENT EXECUTE FUNCTION public.forget();
             CREATE TRIGGER forget AFTER INSERT ON pim_authz.intent
                 FOR EACH STATEMENT EXECUTE FUNCTION public.forget()",
        )
        .await;
    renewed_twice(&server.database).await;
    for number in 0..5 {
        put(&channel, &format!("user_{number}")).await;
    }
    renewed_twice(&server.database).await;
    assert_eq!(leases_lost(&channel).await, 0);
}
