//! Random worlds: what gRPC, JSON and AuthZEN answer is the same, where they can ask the
//! same.

use pim_authz::{
    domain::Question,
    pb::{self, authorization_service_client::AuthorizationServiceClient},
};
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::rpc;
use crate::{
    harness::{
        Seed, TestServer, first_seed, http_client::HttpClient, lists::all_pages, seeds,
        stored_worlds::store_world, words,
    },
    support::{Entropy, random_question, random_stored_world},
};

const WORLDS: usize = 8;
const QUESTIONS_A_WORLD: usize = 25;

#[tokio::test]
async fn decisions_and_lists_are_the_same_in_every_language() {
    let server = TestServer::start().await;
    let mut languages = Languages {
        grpc: server.client().await,
        http: server.http(),
        tenant: String::new(),
    };
    let (mut allowed, mut asked, mut found) = (0, 0, 0);
    for seed in (first_seed()..).take(seeds(WORLDS)) {
        let _printed_on_failure = Seed(seed);
        let mut entropy = Entropy::seeded(seed, 4_000);
        let world = random_stored_world(&mut entropy);
        languages.tenant = format!("world_{seed}");
        store_world(&server, &languages.tenant, &world).await;
        for _ in 0..QUESTIONS_A_WORLD {
            let question = random_question(&world, &mut entropy);
            let decision = languages.compare_check(&question).await;
            allowed += usize::from(decision);
            let Some(evaluation) = evaluation(&question) else {
                continue;
            };
            asked += 1;
            languages.compare_evaluation(&evaluation, decision).await;
            found += languages.compare_searches(&question, &evaluation).await;
        }
    }
    // Each kind of answer occurred often enough to be meaningful.
    assert!(allowed > 20, "{allowed}");
    assert!(asked > 100, "{asked}");
    assert!(found > 100, "{found}");
}

/// The question of AuthZEN; `None`: it cannot ask this.
fn evaluation(question: &Question) -> Option<Value> {
    let request = words::request("", question);
    let resource = request.resource?;
    let mut properties = json!({});
    if let Some(categories) = resource.categories {
        properties["categories"] = json!(categories.codes);
    }
    if let Some(parent) = resource.parent {
        properties["parent"] = json!(parent);
    }
    let subject = request.subject.unwrap();
    let context = request.context.unwrap();
    let members = [
        ("channel", context.channel),
        ("locale", context.locale),
        ("attribute", context.attribute),
        ("attribute_group", context.attribute_group),
    ];
    let named = members.into_iter().filter(|(_, code)| !code.is_empty());
    let context: Value = named
        .map(|(name, code)| (name.to_owned(), json!(code)))
        .collect();
    Some(json!({
        "subject": {"type": subject.r#type, "id": subject.id},
        "action": {"name": request.action},
        "resource": {"type": resource.r#type, "id": resource.id, "properties": properties},
        "context": context,
    }))
}

struct Languages {
    grpc: AuthorizationServiceClient<Channel>,
    http: HttpClient,
    tenant: String,
}

impl Languages {
    /// Asks by gRPC and in JSON; returns the decision.
    async fn compare_check(&mut self, question: &Question) -> bool {
        let request = words::request(&self.tenant, question);
        let expected = self.grpc.check(request.clone()).await.unwrap().into_inner();
        let pool = prost_reflect::DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
        let json = |name: &str, bytes: Vec<u8>| {
            let message = pool.get_message_by_name(name).unwrap();
            let message = prost_reflect::DynamicMessage::decode(message, bytes.as_slice());
            serde_json::to_value(message.unwrap()).unwrap()
        };
        let request = prost::Message::encode_to_vec(&request);
        let asked = json("pim.authz.v1.CheckRequest", request);
        let answer = self.http.post(&rpc("Check"), &asked).await.ok();
        let message = pool
            .get_message_by_name("pim.authz.v1.CheckResponse")
            .unwrap();
        let answered = prost_reflect::DynamicMessage::deserialize(message, answer).unwrap();
        let answered: pb::CheckResponse = answered.transcode_to().unwrap();
        assert_eq!(answered, expected, "{question:#?}");
        expected.allowed
    }

    async fn compare_evaluation(&self, evaluation: &Value, decision: bool) {
        let path = |endpoint: &str| format!("/tenants/{}/access/v1/{endpoint}", self.tenant);
        let expected = json!({"decision": decision});
        let answer = self.http.post(&path("evaluation"), evaluation).await;
        assert_eq!(answer.ok(), expected, "{evaluation}");
        let answer = self.http.post(&path("evaluations"), evaluation).await;
        assert_eq!(answer.ok(), expected, "{evaluation}");
        let several = json!({"evaluations": [evaluation, evaluation]});
        let answer = self.http.post(&path("evaluations"), &several).await;
        assert_eq!(answer.ok(), json!({"evaluations": [expected, expected]}));
    }

    /// Compares the searches with the lists of gRPC; returns the number of results.
    async fn compare_searches(&mut self, question: &Question, evaluation: &Value) -> usize {
        let request = words::request(&self.tenant, question);
        let lists = [
            ("resource", self.resources(&request).await),
            ("subject", self.subjects(&request).await),
            ("action", self.actions(&request).await),
        ];
        let mut found = 0;
        for (kind, listed) in lists {
            // What gRPC refuses is asked differently: nothing can be compared.
            if let Some(listed) = listed {
                let results = self.all_results(kind, evaluation).await;
                assert_eq!(results, listed, "{kind} {evaluation}");
                found += listed.len();
            }
        }
        found
    }

    async fn resources(&mut self, request: &pb::CheckRequest) -> Option<Vec<Value>> {
        let resource_type = request.resource.as_ref()?.r#type.clone();
        let list = pb::ListAllowedRequest {
            tenant: request.tenant.clone(),
            subject: request.subject.clone(),
            action: request.action.clone(),
            resource_type: resource_type.clone(),
            context: request.context.clone(),
            page_size: 3,
            ..Default::default()
        };
        self.grpc.list_allowed(list.clone()).await.ok()?;
        let listed = all_pages(&mut self.grpc, &list).await.into_iter();
        let listed = listed.map(|(id, _)| json!({"type": resource_type, "id": id}));
        Some(listed.collect())
    }

    async fn subjects(&mut self, request: &pb::CheckRequest) -> Option<Vec<Value>> {
        let list = pb::ListSubjectsRequest {
            tenant: request.tenant.clone(),
            action: request.action.clone(),
            resource: request.resource.clone(),
            context: request.context.clone(),
            subject_type: request.subject.as_ref()?.r#type.clone(),
            page_size: 10_000,
            ..Default::default()
        };
        let listed = self.grpc.list_subjects(list).await.ok()?.into_inner();
        let listed = listed.subjects.into_iter();
        let listed = listed.map(|subject| json!({"type": subject.r#type, "id": subject.id}));
        Some(listed.collect())
    }

    async fn actions(&mut self, request: &pb::CheckRequest) -> Option<Vec<Value>> {
        let list = pb::ListActionsRequest {
            tenant: request.tenant.clone(),
            subject: request.subject.clone(),
            resource: request.resource.clone(),
            context: request.context.clone(),
            minimum_revision: 0,
        };
        let listed = self.grpc.list_actions(list).await.ok()?.into_inner();
        let listed = listed.actions.into_iter().map(|allowed| allowed.action);
        let mut names: Vec<String> = listed.collect();
        names.sort_unstable();
        let names = names.into_iter().map(|name| json!({"name": name}));
        Some(names.collect())
    }

    /// Joins the pages of a search.
    async fn all_results(&self, kind: &str, evaluation: &Value) -> Vec<Value> {
        let path = format!("/tenants/{}/access/v1/search/{kind}", self.tenant);
        let mut asked = evaluation.clone();
        asked["page"] = json!({"limit": 3});
        let mut joined = Vec::new();
        loop {
            let page = self.http.post(&path, &asked).await.ok();
            let results = page["results"].as_array().unwrap();
            assert!(results.len() <= 3, "{page}");
            joined.extend(results.iter().cloned());
            match page["page"]["next_token"].as_str().unwrap() {
                "" => return joined,
                token => asked["page"]["token"] = json!(token),
            }
        }
    }
}
