//! Remedies applied over gRPC without modification (rules 8.2): they turn the
//! denial into an approval and change nothing else.

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::{
    domain::{
        Action, Code, Context, Description, Edition, ItemKind, Level, Question, Remedy, Resource,
        ResourceType,
    },
    pb::{
        self, access_rights_service_client::AccessRightsServiceClient,
        app_service_client::AppServiceClient,
        authorization_service_client::AuthorizationServiceClient, check_result::Outcome,
        directory_service_client::DirectoryServiceClient, remedy::Grant,
    },
};
use tonic::transport::Channel;

use crate::{
    harness::{
        Seed, TestServer, first_seed, seeds,
        stored_worlds::{every_subject, set_private_rights, store_world},
        words,
    },
    support::{self, Entropy, World, random_question, random_stored_world, reference},
};

const WORLDS: usize = 18;
const QUESTIONS_A_WORLD: usize = 24;

/// The actor that connects apps.
const STEWARD: &str = "user:steward";

#[tokio::test]
async fn rule_8_2_applied_remedies_allow_the_question_and_change_nothing_else() {
    let server = TestServer::start().await;
    let mut applied: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in (first_seed()..).take(seeds(WORLDS)) {
        let _printed_on_failure = Seed(seed);
        let mut entropy = Entropy::seeded(seed + 5_000, 8_000);
        let mut world = random_stored_world(&mut entropy)
            .role("Steward", &["app.manage"])
            .user("steward", &[])
            .with_roles("steward", &["Steward"]);
        if seed % 3 == 2 {
            move_rights_to_insiders(&mut world);
        }
        let mut tenant = Tenant::store(&server, format!("world_{seed}"), world).await;
        for _ in 0..QUESTIONS_A_WORLD {
            let question = random_question(&tenant.world, &mut entropy);
            let explained = tenant.explain(&question).await;
            for remedy in &explained.remedies {
                let kind = tenant.apply(&question, remedy).await;
                *applied.entry(kind).or_default() += 1;
            }
            if !explained.remedies.is_empty() {
                tenant.assert_allowed(&question).await;
                let mut others = tenant.every_level();
                others.extend((0..12).map(|_| random_question(&tenant.world, &mut entropy)));
                tenant.assert_as_the_reference(&others).await;
            }
        }
    }
    // Each kind of grant occurred often enough to be meaningful.
    let kinds = ["access", "category", "membership", "permission", "scope"];
    for kind in kinds {
        let count = applied.get(kind).copied().unwrap_or_default();
        assert!(count >= 5, "{kind}: {applied:?}");
    }
}

/// Moves all rights of users to one user group that has every right, so that
/// joining it is the smallest remedy wherever two rights are missing.
fn move_rights_to_insiders(world: &mut World) {
    let group = support::code("Insiders");
    let people = world.groups.clone();
    world.rights.retain(|(group, _), _| !people.contains(group));
    world.groups.insert(group.clone());
    for item in world.items.clone() {
        let highest = match item.kind {
            ItemKind::Category => Level::Own,
            ItemKind::ImportProfile | ItemKind::ExportProfile => Level::ExecuteAndEdit,
            _ => Level::Edit,
        };
        world.grant(group.clone(), item, highest);
    }
}

#[tokio::test]
async fn rule_8_2_category_remedy_grants_no_access_to_subcategories() {
    let server = TestServer::start().await;
    let world = World::new(Edition::Enterprise)
        .user("julia", &["Redactors"])
        .with_category_under("Hats", "Caps");
    let mut tenant = Tenant::store(&server, "shop".to_owned(), world).await;
    let question = |category| support::question("user:julia", "view", category).build();
    let hats = question("category:Hats");
    let explained = tenant.explain(&hats).await;
    let [remedy] = explained.remedies.as_slice() else {
        panic!("{explained:?}");
    };
    assert_eq!(tenant.apply(&hats, remedy).await, "category");
    tenant.assert_allowed(&hats).await;
    let caps = tenant.explain(&question("category:Caps")).await;
    let caps = words::decision_text(&caps.decision.unwrap());
    assert_eq!(caps, "denied at none: category Caps needs view, has none");
}

/// A stored tenant and its expected content.
struct Tenant {
    code: String,
    world: World,
    questions: AuthorizationServiceClient<Channel>,
    rights: AccessRightsServiceClient<Channel>,
    directory: DirectoryServiceClient<Channel>,
    apps: AppServiceClient<Channel>,
}

impl Tenant {
    async fn store(server: &TestServer, code: String, world: World) -> Self {
        store_world(server, &code, &world).await;
        let channel = server.channel().await;
        Self {
            code,
            world,
            questions: server.client().await,
            rights: AccessRightsServiceClient::new(channel.clone()),
            directory: DirectoryServiceClient::new(channel.clone()),
            apps: AppServiceClient::new(channel),
        }
    }

    async fn explain(&mut self, question: &Question) -> pb::ExplainResponse {
        let check = words::request(&self.code, question);
        let request = pb::ExplainRequest {
            tenant: check.tenant,
            subject: check.subject,
            action: check.action,
            resource: check.resource,
            context: check.context,
            minimum_revision: 0,
        };
        self.questions.explain(request).await.unwrap().into_inner()
    }

    async fn assert_allowed(&mut self, question: &Question) {
        let request = words::request(&self.code, question);
        let answer = self.questions.check(request).await.unwrap().into_inner();
        assert!(answer.allowed, "{} {question:#?} {answer:#?}", self.code);
    }

    /// Sends one remedy without modification, and applies only its grant to the
    /// expected world.
    async fn apply(&mut self, question: &Question, remedy: &pb::Remedy) -> &'static str {
        match remedy.grant.clone().unwrap() {
            Grant::Access(grant) => self.grant(question, grant).await,
            Grant::Permission(added) => self.add_permission(question, added).await,
            Grant::Scope(added) => self.add_scope(question, added).await,
            Grant::Membership(added) => self.add_membership(question, added).await,
        }
    }

    async fn grant(&mut self, question: &Question, grant: pb::AccessGrant) -> &'static str {
        let item = grant.item.clone().unwrap();
        let is_category = item.r#type == "category";
        assert_eq!(grant.apply_to_children, is_category.then_some(false));
        let words = grant.level().as_str_name().to_lowercase();
        let remedy = Remedy::Access {
            group: grant.group.parse().unwrap(),
            item: support::item(item.r#type.parse().unwrap(), &item.id),
            level: words.strip_prefix("level_").unwrap().parse().unwrap(),
        };
        let request = pb::GrantAccessRequest {
            tenant: self.code.clone(),
            grants: vec![grant],
            ..Default::default()
        };
        self.rights.grant_access(request).await.unwrap();
        self.world.apply(&remedy, question.subject());
        if is_category { "category" } else { "access" }
    }

    async fn add_permission(
        &mut self,
        question: &Question,
        added: pb::RolePermission,
    ) -> &'static str {
        use pim_authz::domain::CATALOGUE;
        let role: Code = added.role.parse().unwrap();
        let permission = CATALOGUE.find_permission(&added.permission).unwrap().id;
        self.world.apply(
            &Remedy::Permission {
                role: role.clone(),
                permission,
            },
            question.subject(),
        );
        let held = self.world.roles[&role].permissions;
        let codes = held
            .iter()
            .map(|id| CATALOGUE.permission(id).code.to_owned());
        let request = pb::PutRolesRequest {
            tenant: self.code.clone(),
            roles: vec![pb::Role {
                code: added.role,
                permissions: Some(pb::CodeList {
                    codes: codes.collect(),
                }),
                ..Default::default()
            }],
            ..Default::default()
        };
        self.directory.put_roles(request).await.unwrap();
        "permission"
    }

    /// Adds a scope to an app by the connection steps, which are the only way
    /// (rules 5.8). The steps also set rights; these are restored, because the
    /// remedy names none.
    async fn add_scope(&mut self, question: &Question, added: pb::AppScope) -> &'static str {
        use pim_authz::domain::CATALOGUE;
        let scope = CATALOGUE.find_scope(&added.scope).unwrap().id;
        self.world.apply(&Remedy::Scope(scope), question.subject());
        let app: Code = added.app.parse().unwrap();
        let held = self.world.apps[&app];
        let start = pb::StartConnectionRequest {
            tenant: self.code.clone(),
            actor: STEWARD.to_owned(),
            app: added.app,
            scopes: held
                .iter()
                .map(|id| CATALOGUE.scope(id).code.to_owned())
                .collect(),
            ..Default::default()
        };
        let started = self
            .apps
            .start_connection(start)
            .await
            .unwrap()
            .into_inner();
        assert!(started.ungranted_scopes.is_empty(), "{started:?}");
        let request_id = started.request_id.clone();
        let steps: Vec<pb::AppStep> = started.steps().collect();
        let authorize = pb::AuthorizeScopesRequest {
            tenant: self.code.clone(),
            actor: STEWARD.to_owned(),
            request_id: request_id.clone(),
            ..Default::default()
        };
        self.apps.authorize_scopes(authorize).await.unwrap();
        if steps.contains(&pb::AppStep::Permissions) {
            let permit = pb::SetPermissionsRequest {
                tenant: self.code.clone(),
                actor: STEWARD.to_owned(),
                request_id: request_id.clone(),
                ..Default::default()
            };
            self.apps.set_permissions(permit).await.unwrap();
        }
        if steps.contains(&pb::AppStep::Confirm) {
            let confirm = pb::ConfirmConnectionRequest {
                tenant: self.code.clone(),
                actor: STEWARD.to_owned(),
                request_id,
                ..Default::default()
            };
            self.apps.confirm_connection(confirm).await.unwrap();
        }
        set_private_rights(&mut self.rights, &self.code, &self.world).await;
        "scope"
    }

    async fn add_membership(
        &mut self,
        question: &Question,
        added: pb::GroupMembership,
    ) -> &'static str {
        let group: Code = added.group.parse().unwrap();
        self.world
            .apply(&Remedy::Membership { group }, question.subject());
        let member = self.world.member(question.subject()).unwrap();
        let codes = member.groups.iter().map(Code::to_string).collect();
        let groups = Some(pb::CodeList { codes });
        let subject = added.subject.unwrap();
        let tenant = self.code.clone();
        if subject.r#type == "user" {
            let request = pb::PutUsersRequest {
                tenant,
                users: vec![pb::User {
                    code: subject.id,
                    groups,
                    ..Default::default()
                }],
                ..Default::default()
            };
            self.directory.put_users(request).await.unwrap();
        } else {
            let request = pb::PutConnectionsRequest {
                tenant,
                connections: vec![pb::Connection {
                    code: subject.id,
                    groups,
                    ..Default::default()
                }],
                ..Default::default()
            };
            self.directory.put_connections(request).await.unwrap();
        }
        "membership"
    }

    /// The questions about the level of every subject on every item and
    /// product.
    fn every_level(&self) -> Vec<Question> {
        let world = &self.world;
        let items = world.items.iter();
        let items = items.map(|item| (ResourceType::from(item.kind), item.code.clone()));
        let products = world.products.keys();
        let products = products.map(|of| (ResourceType::from(of.kind), of.code.clone()));
        let resources: BTreeSet<(ResourceType, Code)> = items.chain(products).collect();
        let questions = every_subject(world).into_iter().flat_map(|subject| {
            resources.iter().map(move |(kind, code)| {
                let resource = Resource {
                    kind: *kind,
                    id: Some(code.clone()),
                    description: Description::default(),
                };
                let action = match kind {
                    ResourceType::ImportProfile => "import_profile.launch",
                    ResourceType::ExportProfile => "export_profile.launch",
                    _ => "view",
                };
                let action = Action::find(action).unwrap();
                let context = Context::default();
                Question::new(subject.clone(), action, Some(resource), context).unwrap()
            })
        });
        questions.collect()
    }

    async fn assert_as_the_reference(&mut self, questions: &[Question]) {
        let items = questions.iter().map(|question| {
            let check = words::request(&self.code, question);
            pb::CheckItem {
                correlation_id: String::new(),
                subject: check.subject,
                action: check.action,
                resource: check.resource,
                context: check.context,
            }
        });
        let request = pb::BatchCheckRequest {
            tenant: self.code.clone(),
            items: items.collect(),
            ..Default::default()
        };
        let answer = self
            .questions
            .batch_check(request)
            .await
            .unwrap()
            .into_inner();
        for (question, result) in questions.iter().zip(answer.results) {
            let Some(Outcome::Decision(decision)) = result.outcome else {
                panic!("{result:?}");
            };
            let expected = support::decision_text(&reference::decide(&self.world, question));
            assert_eq!(
                Code::fold(&words::decision_text(&decision)),
                Code::fold(&expected),
                "{} {question:#?}",
                self.code
            );
        }
    }
}
