//! A tenant that was deleted and created again is a different tenant.

use pim_authz::pb::{
    self, audit_service_client::AuditServiceClient,
    authorization_service_client::AuthorizationServiceClient,
    directory_service_client::DirectoryServiceClient, stream_allowed_response::Event,
};
use tonic::{Code, Status};

use crate::{
    harness::{Database, Server, TENANT, company, refusal, within},
    postgres_proxy::{begin_of, reply, request},
};

use std::time::Duration;

/// A delayed load of a group's rights runs before the new tenant has that group; the
/// group is then created with rights that no server has cached.
#[tokio::test]
async fn absence_of_a_group_is_not_cached_across_recreation() {
    let database = Database::create().await;
    let reader = Server::start(&database).await;
    let writer = Server::start(&database).await;
    let users = ["julia;;editors"];
    writer.import(&company(&users, "admins")).await;
    let held = reader.proxy.hold(request("load_rights"));
    let loaded = reader.proxy.observe(reply("load_rights"));
    while held.count() == 0 {
        assert!(!reader.may_view(TENANT, "julia").await.unwrap());
    }
    writer.delete_tenant("").await.unwrap();
    writer.create_tenant(TENANT).await;
    held.release();
    loaded.arrived().await;
    writer.import(&company(&users, "editors")).await;
    reader.answers_from_memory("julia", true).await;
}

/// The new tenant differs although it has had as many writes as the old one.
#[tokio::test]
async fn commit_after_recreation_changes_only_the_named_user() {
    let database = Database::create().await;
    let writer = Server::start(&database).await;
    let other = Server::start(&database).await;
    other
        .import(&company(&["julia;;", "mallory;;"], "admins"))
        .await;
    let held = writer.proxy.hold(request(begin_of("use_intent")));
    let putting = writer.putting_user("julia", &["admins"], "");
    held.arrived().await;
    other.delete_tenant("").await.unwrap();
    other
        .import(&company(&["mallory;;", "julia;;"], "admins"))
        .await;
    held.release();
    let put = putting.await.unwrap();
    let members = other.members("admins").await.unwrap();
    let expected = if put.is_ok() {
        vec!["julia"]
    } else {
        Vec::new()
    };
    assert_eq!(members, expected, "{put:?}");
}

/// Reads the page or batch after a token, and returns the token of the next one.
async fn next(server: &Server, list: &str, token: &str) -> Result<String, Status> {
    match list {
        "users" => next_users(server, token.to_owned()).await,
        "changes" => next_changes(server, token.to_owned()).await,
        "products" => next_products(server, token.to_owned()).await,
        "subjects" => next_subjects(server, token.to_owned()).await,
        _ => next_batch(server, token.to_owned()).await,
    }
}

async fn next_users(server: &Server, page_token: String) -> Result<String, Status> {
    let request = pb::ListUsersRequest {
        tenant: TENANT.into(),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let mut client = DirectoryServiceClient::new(server.channel.clone());
    let page = client.list_users(request).await?.into_inner();
    Ok(page.next_page_token)
}

async fn next_changes(server: &Server, page_token: String) -> Result<String, Status> {
    let request = pb::ListChangesRequest {
        tenant: TENANT.into(),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let mut client = AuditServiceClient::new(server.channel.clone());
    let page = client.list_changes(request).await?.into_inner();
    Ok(page.next_page_token)
}

fn julia() -> pb::Subject {
    pb::Subject {
        r#type: "user".into(),
        id: "julia".into(),
    }
}

async fn next_products(server: &Server, page_token: String) -> Result<String, Status> {
    let request = pb::ListAllowedRequest {
        tenant: TENANT.into(),
        subject: Some(julia()),
        action: "view".into(),
        resource_type: "product".into(),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(server.channel.clone());
    let page = client.list_allowed(request).await?.into_inner();
    Ok(page.next_page_token)
}

async fn next_subjects(server: &Server, page_token: String) -> Result<String, Status> {
    let request = pb::ListSubjectsRequest {
        tenant: TENANT.into(),
        action: "view".into(),
        resource: Some(pb::Resource {
            r#type: "product".into(),
            id: "hat".into(),
            ..Default::default()
        }),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(server.channel.clone());
    let page = client.list_subjects(request).await?.into_inner();
    Ok(page.next_page_token)
}

async fn next_batch(server: &Server, resume_token: String) -> Result<String, Status> {
    let request = pb::StreamAllowedRequest {
        tenant: TENANT.into(),
        subject: Some(julia()),
        action: "view".into(),
        resource_type: "product".into(),
        batch_size: 1,
        resume_token,
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(server.channel.clone());
    let mut events = client.stream_allowed(request).await?.into_inner();
    match events.message().await?.unwrap().event.unwrap() {
        Event::Batch(batch) => Ok(batch.resume_token),
        Event::End(_) => Ok(String::new()),
    }
}

#[tokio::test]
async fn tokens_of_a_deleted_tenant_are_invalid() {
    let database = Database::create().await;
    let server = Server::start(&database).await;
    let company = company(&["julia;;admins", "mary;;admins"], "admins");
    server.import(&company).await;
    let mut tokens = Vec::new();
    for list in ["users", "changes", "products", "subjects", "stream"] {
        let token = next(&server, list, "").await.unwrap();
        assert_ne!(token, "", "{list}");
        tokens.push((list, token));
    }
    server.delete_tenant("").await.unwrap();
    server.import(&company).await;
    let mut taken = Vec::new();
    for (list, token) in tokens {
        match next(&server, list, &token).await {
            Ok(_) => taken.push(list),
            Err(status) => assert_eq!(status.code(), Code::InvalidArgument, "{list}: {status:?}"),
        }
    }
    assert_eq!(taken, [""; 0], "tokens of the tenant before were taken");
}

#[tokio::test]
async fn watch_of_a_deleted_tenant_ends() {
    let database = Database::create().await;
    let server = Server::start(&database).await;
    let company = company(&["julia;;admins"], "admins");
    server.import(&company).await;
    let request = pb::WatchChangesRequest {
        tenant: TENANT.into(),
        ..Default::default()
    };
    let mut client = AuditServiceClient::new(server.channel.clone());
    let mut events = client.watch_changes(request).await.unwrap().into_inner();
    events.message().await.unwrap().unwrap();
    server.delete_tenant("").await.unwrap();
    server.import(&company).await;
    let ended = within(Duration::from_secs(10), async {
        loop {
            match events.message().await {
                Ok(Some(_)) => {}
                ended => return ended,
            }
        }
    });
    let status = ended.await.unwrap_err();
    let (code, reason, _) = refusal(&status);
    assert_eq!(
        (code, reason.as_str()),
        (Code::NotFound, "TENANT_NOT_FOUND")
    );
}

/// The deletion itself is an exception: its tenant no longer exists by then.
#[tokio::test]
async fn stored_responses_of_a_deleted_tenant_are_not_reused() {
    let database = Database::create().await;
    let server = Server::start(&database).await;
    let company = company(&["julia;;"], "admins");
    server.import(&company).await;
    server.put_user("julia", &["admins"], "key").await.unwrap();
    let deleted = server.delete_tenant("deletion").await.unwrap();
    assert_eq!(server.delete_tenant("deletion").await.unwrap(), deleted);
    let gone = server.put_user("julia", &["admins"], "key").await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);
    server.import(&company).await;
    server.put_user("julia", &["admins"], "key").await.unwrap();
    assert_eq!(server.members("admins").await.unwrap(), ["julia"]);
}
