//! Random worlds, imported into a real server: every call gives the answer of
//! the naive reference, read from the database and from memory.

use std::time::Duration;

use pim_authz::{
    domain::{self, Action, LevelAction, Question},
    pb::{self, authorization_service_client::AuthorizationServiceClient},
};
use tokio::time::timeout;
use tonic::{Code, transport::Channel};

use crate::{
    harness::{Seed, TestServer, first_seed, seeds, stored_worlds::store_world, words},
    support::{self, Entropy, World, random_question, random_stored_world, reference},
};

const WORLDS: usize = 16;
const QUESTIONS_A_WORLD: usize = 30;

#[tokio::test]
async fn every_call_matches_the_reference_on_random_worlds() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let mut allowed = 0;
    for seed in (first_seed()..).take(seeds(WORLDS)) {
        let _printed_on_failure = Seed(seed);
        let mut entropy = Entropy::seeded(seed, 4_000);
        let world = random_stored_world(&mut entropy);
        let tenant = format!("world_{seed}");
        let revision = store_world(&server, &tenant, &world).await;
        let questions: Vec<Question> = (0..QUESTIONS_A_WORLD)
            .map(|_| random_question(&world, &mut entropy))
            .collect();
        let loads = server.status().await.index_loads;
        let answers = compare_checks(&mut client, &tenant, &world, &questions).await;
        let in_memory = async {
            let mut again = Vec::new();
            let mut hits = 0;
            while server.status().await.index_loads == loads || hits < QUESTIONS_A_WORLD as u64 {
                let before = server.status().await.hits;
                again = compare_checks(&mut client, &tenant, &world, &questions).await;
                hits = server.status().await.hits - before;
            }
            again
        };
        let again = timeout(Duration::from_mins(1), in_memory).await.unwrap();
        assert_eq!(again, answers, "{tenant}");
        allowed += answers.iter().filter(|decision| decision.allowed).count();
        compare_batch(&mut client, &tenant, &questions, &answers, revision).await;
        for (question, answer) in questions.iter().zip(&answers) {
            compare_list_actions(&mut client, &tenant, question, answer).await;
            compare_explain(&mut client, &tenant, &world, question, answer).await;
        }
    }
    // Both answers occurred often enough to be meaningful.
    assert!((40..400).contains(&allowed), "{allowed}");
}

async fn compare_checks(
    client: &mut AuthorizationServiceClient<Channel>,
    tenant: &str,
    world: &World,
    questions: &[Question],
) -> Vec<pb::Decision> {
    let mut answers = Vec::new();
    for question in questions {
        let request = words::request(tenant, question);
        let answer = client.check(request).await.unwrap().into_inner();
        let decision = words::decision(&answer);
        let expected = reference::decide(world, question);
        let sentence = expected.denial.as_ref().map(ToString::to_string);
        let sent = decision
            .reason
            .as_ref()
            .map(|reason| reason.message.clone());
        assert_eq!(
            sent.map(|text| domain::Code::fold(&text)),
            sentence.map(|text| domain::Code::fold(&text)),
            "{tenant} {question:#?}"
        );
        let expected = support::decision_text(&expected);
        // The reference spells an item as the question does, the service as it
        // was first written (rules 1.5).
        assert_eq!(
            domain::Code::fold(&words::decision_text(&decision)),
            domain::Code::fold(&expected),
            "{tenant} {question:#?}"
        );
        answers.push(decision);
    }
    answers
}

async fn compare_batch(
    client: &mut AuthorizationServiceClient<Channel>,
    tenant: &str,
    questions: &[Question],
    answers: &[pb::Decision],
    revision: u64,
) {
    let items = questions.iter().map(|question| {
        let request = words::request(tenant, question);
        pb::CheckItem {
            correlation_id: String::new(),
            subject: request.subject,
            action: request.action,
            resource: request.resource,
            context: request.context,
        }
    });
    let request = pb::BatchCheckRequest {
        tenant: tenant.to_owned(),
        items: items.collect(),
        ..Default::default()
    };
    let batch = client.batch_check(request).await.unwrap().into_inner();
    assert_eq!(batch.revision, revision);
    let decided: Vec<pb::Decision> = batch
        .results
        .into_iter()
        .map(|result| match result.outcome.unwrap() {
            pb::check_result::Outcome::Decision(decision) => decision,
            pb::check_result::Outcome::Error(error) => panic!("{error:?}"),
        })
        .collect();
    assert_eq!(decided, answers);
}

async fn compare_list_actions(
    client: &mut AuthorizationServiceClient<Channel>,
    tenant: &str,
    question: &Question,
    answer: &pb::Decision,
) {
    let only_with_a_resource = question.action() == Action::Level(LevelAction::ReadSystemVersion);
    if question.resource().is_none() && only_with_a_resource {
        return;
    }
    let request = words::request(tenant, question);
    let request = pb::ListActionsRequest {
        tenant: request.tenant,
        subject: request.subject,
        resource: request.resource,
        context: request.context,
        minimum_revision: 0,
    };
    let listed = match client.list_actions(request).await {
        Ok(listed) => listed.into_inner().actions,
        // The action ignores the id, but other actions of the type require it.
        Err(status) => {
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
            assert!(question.resource().unwrap().id.is_none(), "{question:#?}");
            return;
        }
    };
    let word = question.action().to_string();
    let found = listed.iter().find(|action| action.action == word);
    let expected = answer.allowed.then_some(answer.edit_mode);
    assert_eq!(
        found.map(|found| found.edit_mode),
        expected,
        "{question:#?}"
    );
}

async fn compare_explain(
    client: &mut AuthorizationServiceClient<Channel>,
    tenant: &str,
    world: &World,
    question: &Question,
    answer: &pb::Decision,
) {
    let pb::CheckRequest {
        tenant,
        subject,
        action,
        resource,
        context,
        minimum_revision,
    } = words::request(tenant, question);
    let request = pb::ExplainRequest {
        tenant,
        subject,
        action,
        resource,
        context,
        minimum_revision,
    };
    let explained = client.explain(request).await.unwrap().into_inner();
    assert_eq!(explained.decision.as_ref(), Some(answer), "{question:#?}");
    assert_eq!(
        explained.root.unwrap().passed,
        answer.allowed,
        "{question:#?}"
    );
    let why = if answer.allowed {
        String::new()
    } else {
        reference::no_remedy_reason(world, question).unwrap_or_default()
    };
    let fold = domain::Code::fold;
    assert_eq!(
        fold(&explained.no_remedy_reason),
        fold(&why),
        "{question:#?}"
    );
    let is_turned = !answer.allowed && why.is_empty();
    assert_eq!(!explained.remedies.is_empty(), is_turned, "{question:#?}");
}
