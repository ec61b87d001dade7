//! Two concurrent writers on two servers: no change is lost, and a write that
//! cannot be applied is refused with its reason.

use pim_authz::{domain::Edition, pb};
use tonic::{Status, transport::Channel};

use super::{
    calls::{Answer, Call},
    snapshot::Snapshot,
    steps::Tenant,
};
use crate::harness::{TestServer, refusal};

/// A tenant that is served by two servers.
struct Served {
    tenant: Tenant,
    channels: [Channel; 2],
    _servers: [TestServer; 2],
}

impl Served {
    async fn start(edition: Edition, calls: Vec<Call>) -> Self {
        let one = TestServer::start().await;
        let other = TestServer::start_beside(&one).await;
        let channels = [one.channel().await, other.channel().await];
        let mut tenant = Tenant::create(&one, "acme", edition).await;
        for call in calls {
            tenant.perform(call).await.unwrap();
        }
        Self {
            tenant,
            channels,
            _servers: [one, other],
        }
    }

    /// Sends all calls at once, alternating between the two servers. Applies
    /// the successful calls to the model in the order of their revisions and
    /// compares the effects; returns the refusals.
    async fn race(&mut self, calls: Vec<Call>) -> Vec<Status> {
        let racing = calls.into_iter().zip(self.channels.iter().cycle());
        let racing = racing.map(|(call, channel)| {
            let (call, channel) = (call.of("acme"), channel.clone());
            tokio::spawn(async move { (call.send(&channel).await, call) })
        });
        let mut done: Vec<(Answer, Call)> = Vec::new();
        let mut refused = Vec::new();
        for racer in racing.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                (Ok(answer), call) => done.push((answer, call)),
                (Err(status), _) => refused.push(status),
            }
        }
        done.sort_by_key(|(answer, _)| answer.revision);
        for (answer, call) in done {
            self.follow(&answer, &call);
        }
        refused
    }

    fn follow(&mut self, answer: &Answer, call: &Call) {
        let effect = &answer.effect;
        let counts = [effect.created, effect.changed, effect.removed];
        if counts == [0, 0, 0] && !call.is_step() {
            return; // it changed nothing, so its position does not matter
        }
        let model = &self.tenant.model;
        let next = model.after(call).unwrap();
        let expected = Snapshot::effect(&model.snapshot(), &next.snapshot());
        assert_eq!(counts, expected, "{call:#?}");
        assert_eq!(answer.revision, self.tenant.revision + 1, "{call:#?}");
        self.tenant.model = next;
        self.tenant.revision = answer.revision;
    }
}

fn reasons(refused: &[Status]) -> Vec<(tonic::Code, String)> {
    let reasons = refused.iter().map(|status| {
        let (code, reason, _) = refusal(status);
        (code, reason)
    });
    reasons.collect()
}

fn category(code: &str, parent: Option<&str>) -> pb::Category {
    pb::Category {
        code: code.into(),
        parent: parent.map(str::to_owned),
    }
}

fn put_categories(categories: Vec<pb::Category>) -> Call {
    Call::PutCategories(pb::PutCategoriesRequest {
        categories,
        ..Default::default()
    })
}

fn right(level: pb::Level) -> pb::AccessGrant {
    pb::AccessGrant {
        group: "All".into(),
        item: Some(pb::Item {
            r#type: "category".into(),
            id: "shoes".into(),
        }),
        level: level.into(),
        apply_to_children: None,
    }
}

fn connections(count: usize) -> Call {
    let connections = (0..count).map(|number| pb::Connection {
        code: format!("erp_{number}"),
        ..Default::default()
    });
    Call::PutConnections(pb::PutConnectionsRequest {
        connections: connections.collect(),
        ..Default::default()
    })
}

/// A role that must keep at least one holder, and its users.
fn administrators(users: &[&str]) -> Vec<Call> {
    let permissions = [
        "role.edit",
        "role.list",
        "system_configuration.access",
        "app.manage",
    ];
    let role = pb::Role {
        code: "administrator".into(),
        label: "Administrator".into(),
        permissions: Some(pb::CodeList {
            codes: permissions.map(str::to_owned).to_vec(),
        }),
        ..Default::default()
    };
    let users = users.iter().map(|code| pb::User {
        code: (*code).into(),
        roles: Some(pb::CodeList {
            codes: vec!["administrator".into()],
        }),
        ..Default::default()
    });
    let roles = Call::PutRoles(pb::PutRolesRequest {
        roles: vec![role],
        ..Default::default()
    });
    let users = Call::PutUsers(pb::PutUsersRequest {
        users: users.collect(),
        ..Default::default()
    });
    vec![roles, users]
}

fn disabling(user: &str) -> Call {
    let user = pb::User {
        code: user.into(),
        enabled: Some(false),
        ..Default::default()
    };
    Call::PutUsers(pb::PutUsersRequest {
        users: vec![user],
        ..Default::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writes_of_one_right_all_take_effect() {
    let categories = vec![category("shoes", None), category("boots", Some("shoes"))];
    let mut served = Served::start(Edition::Enterprise, vec![put_categories(categories)]).await;
    for _ in 0..4 {
        let grant = |level| {
            Call::GrantAccess(pb::GrantAccessRequest {
                grants: vec![right(level)],
                ..Default::default()
            })
        };
        let revoke = |level| {
            Call::RevokeAccess(pb::RevokeAccessRequest {
                revocations: vec![right(level)],
                ..Default::default()
            })
        };
        let calls = vec![
            grant(pb::Level::Own),
            revoke(pb::Level::Own),
            grant(pb::Level::Edit),
            revoke(pb::Level::View),
            grant(pb::Level::View),
            revoke(pb::Level::Edit),
        ];
        let refused = served.race(calls).await;
        assert_eq!(reasons(&refused), []);
    }
    served.tenant.compare_lists(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_moves_cannot_put_two_categories_below_each_other() {
    let categories = ["one", "other", "third"].map(|code| category(code, None));
    let first = put_categories(categories.to_vec());
    let mut served = Served::start(Edition::Growth, vec![first]).await;
    for _ in 0..4 {
        let calls = vec![
            put_categories(vec![category("one", Some("other"))]),
            put_categories(vec![category("other", Some("one"))]),
        ];
        let refused = served.race(calls).await;
        let expected = (tonic::Code::FailedPrecondition, "CATEGORY_LOOP".to_owned());
        assert_eq!(reasons(&refused), [expected]);
        let apart = vec![category("one", Some("")), category("other", Some(""))];
        served.tenant.perform(put_categories(apart)).await.unwrap();
    }
    served.tenant.compare_lists(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn last_of_concurrent_category_moves_wins() {
    let categories = ["shoes", "one", "other", "third"].map(|code| category(code, None));
    let first = put_categories(categories.to_vec());
    let mut served = Served::start(Edition::Growth, vec![first]).await;
    for _ in 0..3 {
        let parents = ["one", "other", "third", ""];
        let calls = parents.map(|parent| put_categories(vec![category("shoes", Some(parent))]));
        let refused = served.race(calls.to_vec()).await;
        assert_eq!(reasons(&refused), []);
    }
    served.tenant.compare_lists(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_2_6_last_two_administrators_cannot_concurrently_disable_each_other() {
    let users = administrators(&["julia", "mary"]);
    let mut served = Served::start(Edition::Growth, users).await;
    let refused = served
        .race(vec![disabling("julia"), disabling("mary")])
        .await;
    let expected = (tonic::Code::FailedPrecondition, "LOCK_OUT_GUARD".to_owned());
    assert_eq!(reasons(&refused), [expected]);
    served.tenant.perform(disabling("julia")).await;
    served.tenant.perform(disabling("mary")).await;
    served.tenant.compare_lists(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_2_one_of_two_concurrent_connections_is_the_hundredth() {
    let mut served = Served::start(Edition::Growth, vec![connections(99)]).await;
    let calls = ["shop", "feed"].map(|code| {
        let code = code.to_owned();
        Call::PutConnections(pb::PutConnectionsRequest {
            connections: vec![pb::Connection {
                code,
                ..Default::default()
            }],
            ..Default::default()
        })
    });
    let refused = served.race(calls.to_vec()).await;
    let expected = (tonic::Code::ResourceExhausted, "APP_LIMIT".to_owned());
    assert_eq!(reasons(&refused), [expected]);
    served.tenant.compare_lists(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_2_one_of_two_concurrently_confirmed_apps_is_the_hundredth() {
    let mut calls = administrators(&["julia"]);
    calls.push(connections(99));
    let mut served = Served::start(Edition::Enterprise, calls).await;
    let mut confirmations = Vec::new();
    for app in ["translator", "sync"] {
        let start = pb::StartConnectionRequest {
            actor: "user:julia".into(),
            app: app.into(),
            scopes: vec!["read_categories".into()],
            ..Default::default()
        };
        let tenant = &mut served.tenant;
        let started = tenant.perform(Call::StartConnection(start)).await.unwrap();
        let request_id = started.request_id;
        let authorize = pb::AuthorizeScopesRequest {
            actor: "user:julia".into(),
            request_id: request_id.clone(),
            ..Default::default()
        };
        let authorized = tenant.perform(Call::AuthorizeScopes(authorize)).await;
        assert_eq!(authorized.unwrap().steps, [pb::AppStep::Confirm]);
        confirmations.push(Call::ConfirmConnection(pb::ConfirmConnectionRequest {
            actor: "user:julia".into(),
            request_id,
            ..Default::default()
        }));
    }
    let refused = served.race(confirmations).await;
    let expected = (tonic::Code::ResourceExhausted, "APP_LIMIT".to_owned());
    assert_eq!(reasons(&refused), [expected]);
    served.tenant.compare_lists(1_000).await;
}
