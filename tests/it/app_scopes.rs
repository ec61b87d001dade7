//! Rules 5.12 over gRPC: what an app may do with its scopes, call by call, from
//! memory and from the database.

use pim_authz::{
    domain::Edition,
    pb::{self, FilterScope, Level},
};

use crate::{
    harness::{TestServer, lists, product, stored_worlds::store_world},
    support::World,
};

/// The answers of the calls for the app `shop`, whose group owns the only
/// category.
#[derive(Debug, PartialEq, Eq)]
struct Answers {
    viewable: Vec<&'static str>,
    editable: Vec<&'static str>,
    actions: Vec<&'static str>,
    viewers: Vec<&'static str>,
    /// The scope of the filter for `view`, and its level on the channel.
    filter: (FilterScope, Option<Level>),
}

fn shop() -> pb::Subject {
    pb::Subject {
        r#type: "app".into(),
        id: "shop".into(),
    }
}

/// Calls everything that lists, and compares the answers with `expected`.
async fn compare(server: &TestServer, tenant: &str, expected: &Answers) {
    let mut client = server.client().await;
    for (action, codes) in [("view", &expected.viewable), ("edit", &expected.editable)] {
        let request = pb::ListAllowedRequest {
            tenant: tenant.into(),
            subject: Some(shop()),
            action: action.into(),
            resource_type: "product".into(),
            page_size: 1,
            ..Default::default()
        };
        let paged = lists::all_pages(&mut client, &request).await;
        let streamed = lists::whole_stream(&mut client, &request, false).await;
        assert_eq!(paged, streamed);
        let found: Vec<&str> = paged.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(found, *codes, "{tenant} {action}");
    }
    let request = pb::ListActionsRequest {
        tenant: tenant.into(),
        subject: Some(shop()),
        resource: product("hat"),
        ..Default::default()
    };
    let listed = client.list_actions(request).await.unwrap().into_inner();
    let actions: Vec<&str> = listed.actions.iter().map(|found| &*found.action).collect();
    assert_eq!(actions, expected.actions, "{tenant}");
    let request = pb::ListSubjectsRequest {
        tenant: tenant.into(),
        action: "view".into(),
        resource: product("hat"),
        page_size: 10,
        ..Default::default()
    };
    let viewers = lists::all_subjects(&mut client, &request).await;
    assert_eq!(viewers, expected.viewers, "{tenant}");
    let request = pb::GetAccessFilterRequest {
        tenant: tenant.into(),
        subject: Some(shop()),
        action: "view".into(),
        resource_type: "product".into(),
        ..Default::default()
    };
    let filter = client
        .get_access_filter(request)
        .await
        .unwrap()
        .into_inner();
    let level = filter.channels.first().map(pb::ItemLevel::level);
    assert_eq!((filter.scope(), level), expected.filter, "{tenant}");
}

/// Each tenant with its scopes and the expected answers.
fn cases() -> [(&'static str, &'static [&'static str], Answers); 4] {
    let nothing = || Answers {
        viewable: vec![],
        editable: vec![],
        actions: vec![],
        viewers: vec!["user:julia"],
        filter: (FilterScope::Nothing, None),
    };
    let reads = Answers {
        viewable: vec!["hat", "orphan"],
        actions: vec!["view", "export", "api.product.list"],
        viewers: vec!["app:shop", "user:julia"],
        filter: (FilterScope::Everything, Some(Level::View)),
        ..nothing()
    };
    let writes = Answers {
        viewable: vec!["hat", "orphan"],
        editable: vec!["hat", "orphan"],
        // An owner does not need to send proposals.
        actions: "view edit own export import change_categories review_proposals publish \
                  api.product.list api.product.edit"
            .split_whitespace()
            .collect(),
        viewers: vec!["app:shop", "user:julia"],
        filter: (FilterScope::Everything, Some(Level::Edit)),
    };
    [
        ("bare", &[], nothing()),
        ("login", &["openid", "read_categories"], nothing()),
        ("reads", &["read_products"], reads),
        ("writes", &["write_products"], writes),
    ]
}

/// A tenant in which `All` and the app `shop` own the only category.
fn shop_world(scopes: &[&str]) -> World {
    use pim_authz::domain::Level::{Edit, Own};
    let mut world = World::new(Edition::Enterprise)
        .user("julia", &[])
        .app("shop", scopes)
        .with_product("hat", &["Hats"])
        .with_product("orphan", &[]);
    for group in ["All", "app:shop"] {
        world = world
            .group(group)
            .may(Own)
            .category("Hats")
            .may(Edit)
            .channel("print")
            .locale("en_US");
    }
    world
}

#[tokio::test]
async fn rule_5_12_list_calls_follow_the_scopes_of_an_app() {
    let server = TestServer::start().await;
    let uncached = TestServer::start_without_memory(server.database.clone()).await;
    for (tenant, scopes, expected) in cases() {
        store_world(&server, tenant, &shop_world(scopes)).await;
        for server in [&server, &uncached] {
            compare(server, tenant, &expected).await;
        }
    }
}
