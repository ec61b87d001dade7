//! A write of what a question does not depend on leaves the facts of the question in the
//! cache; one of what it depends on is in force as soon as it has returned (rules 6.1).

use std::time::Duration;

use pim_authz::pb::{self, Edition, directory_service_client::DirectoryServiceClient};
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::harness::{TestServer, file, product, user};

type Directory = DirectoryServiceClient<Channel>;

/// Julia holds the role `editor`, which may list products, and nobody holds `intern`.
async fn company() -> (TestServer, Directory) {
    let server = TestServer::start().await;
    let files = [
        file(
            "users.csv",
            &["username;roles;groups", "julia;;buyers", "mary;;"],
        ),
        file("user_groups.csv", &["name", "buyers", "others"]),
        file("channels.csv", &["code", "web"]),
        file("locales.csv", &["code", "en_US"]),
        file("products.csv", &["sku;categories", "hat;"]),
        file(
            "channel_accesses.csv",
            &["channel;view_products;edit_products", "web;All;"],
        ),
        file(
            "locale_accesses.csv",
            &["locale;view_products;edit_products", "en_US;All;"],
        ),
    ];
    server.import("default", Edition::Enterprise, &files).await;
    let mut directory = DirectoryServiceClient::new(server.channel().await);
    let roles = pb::PutRolesRequest {
        tenant: "default".into(),
        roles: vec![
            role("editor", &["product.list"]),
            role("intern", &["product.list"]),
        ],
        ..Default::default()
    };
    directory.put_roles(roles).await.unwrap();
    put_user(&mut directory, "julia", &["editor"]).await;
    (server, directory)
}

fn codes(codes: &[&str]) -> Option<pb::CodeList> {
    let codes = codes.iter().map(|code| (*code).to_owned());
    Some(pb::CodeList {
        codes: codes.collect(),
    })
}

fn role(code: &str, permissions: &[&str]) -> pb::Role {
    pb::Role {
        code: code.into(),
        permissions: codes(permissions),
        ..Default::default()
    }
}

async fn put_user(directory: &mut Directory, name: &str, roles: &[&str]) {
    let request = pb::PutUsersRequest {
        tenant: "default".into(),
        users: vec![pb::User {
            code: name.into(),
            roles: codes(roles),
            ..Default::default()
        }],
        ..Default::default()
    };
    directory.put_users(request).await.unwrap();
}

async fn put_role(directory: &mut Directory, role: pb::Role) {
    let request = pb::PutRolesRequest {
        tenant: "default".into(),
        roles: vec![role],
        ..Default::default()
    };
    directory.put_roles(request).await.unwrap();
}

async fn put_label(directory: &mut Directory, group: &str, label: &str) {
    let request = pb::PutUserGroupsRequest {
        tenant: "default".into(),
        user_groups: vec![pb::UserGroup {
            code: group.into(),
            label: label.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    directory.put_user_groups(request).await.unwrap();
}

/// Returns whether Julia may list products and view the hat.
async fn answers(server: &TestServer) -> [bool; 2] {
    let mut client = server.client().await;
    let mut answers = [false; 2];
    let asked = [("product.list", None), ("view", product("hat"))];
    for (answer, (action, resource)) in answers.iter_mut().zip(asked) {
        let request = pb::CheckRequest {
            subject: user("julia"),
            action: action.into(),
            resource,
            ..Default::default()
        };
        *answer = client.check(request).await.unwrap().into_inner().allowed;
    }
    answers
}

/// Returns the answers, and whether both come from memory.
async fn from_memory(server: &TestServer) -> ([bool; 2], bool) {
    let before = server.status().await.misses;
    let answers = answers(server).await;
    (answers, server.status().await.misses == before)
}

/// Sends the questions until both are answered from memory.
async fn warm_up(server: &TestServer) {
    let warm_up = async { while !from_memory(server).await.1 {} };
    timeout(Duration::from_mins(1), warm_up).await.unwrap();
}

#[tokio::test]
async fn rule_6_1_write_that_changes_no_fact_of_a_question_leaves_it_in_memory() {
    let (server, mut directory) = company().await;
    warm_up(&server).await;
    let unrelated = role("intern", &["product.list", "product.create"]);
    put_role(&mut directory, unrelated).await;
    assert_eq!(from_memory(&server).await, ([true; 2], true));
    put_role(&mut directory, role("new", &["product.list"])).await;
    assert_eq!(from_memory(&server).await, ([true; 2], true));
    let labelled = pb::Role {
        label: "Editors".into(),
        permissions: None,
        ..role("editor", &[])
    };
    put_role(&mut directory, labelled).await;
    assert_eq!(from_memory(&server).await, ([true; 2], true));
    put_label(&mut directory, "buyers", "Buyers").await;
    assert_eq!(from_memory(&server).await, ([true; 2], true));
    put_user(&mut directory, "mary", &["intern"]).await;
    assert_eq!(from_memory(&server).await, ([true; 2], true));
}

#[tokio::test]
async fn rule_6_1_changed_role_is_in_force_on_every_server_at_once() {
    let (server, mut directory) = company().await;
    let other = TestServer::start_beside(&server).await;
    for _ in 0..3 {
        for (permissions, may_list) in [
            (&["product.create"][..], false),
            (&["product.create", "product.list"][..], true),
        ] {
            for server in [&server, &other] {
                warm_up(server).await;
            }
            put_role(&mut directory, role("editor", permissions)).await;
            for server in [&other, &server] {
                assert_eq!(answers(server).await, [may_list, true], "{permissions:?}");
            }
        }
    }
    warm_up(&other).await;
    let request = pb::DeleteRolesRequest {
        tenant: "default".into(),
        codes: vec!["editor".into()],
        ..Default::default()
    };
    put_user(&mut directory, "julia", &["intern"]).await;
    directory.delete_roles(request).await.unwrap();
    put_role(&mut directory, role("intern", &[])).await;
    assert_eq!(answers(&other).await, [false, true]);
}
