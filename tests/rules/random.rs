//! Random worlds and questions: compares the engine with the naive reference.

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::{
    domain::{
        Action, CATALOGUE, Decision, ItemKind, Level, Question, ReasonCode, ResourceType, ScopeSet,
        SubjectKind,
    },
    engine,
};
use proptest::prelude::*;
use strum::IntoEnumIterator as _;

use crate::support::{
    Entropy, World, entropy, random_question, random_stored_world, random_world, reference,
};

/// Returns a configuration for `cases` cases, unless `PROPTEST_CASES` sets another
/// number.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if is_set { default.cases } else { cases },
        failure_persistence: None,
        ..default
    }
}

/// Fails unless the whole decision equals the expected one.
fn same(
    world: &World,
    question: &Question,
    decision: &Decision,
    expected: &Decision,
) -> Result<(), TestCaseError> {
    prop_assert!(
        decision == expected,
        "{question:?}\n is decided: {decision:?}\n but should: {expected:?}\n in {world:?}"
    );
    Ok(())
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn engine_decisions_match_the_reference(mut source in entropy(900)) {
        let world = random_world(&mut source);
        for _ in 0..12 {
            let question = random_question(&world, &mut source);
            let expected = reference::decide(&world, &question);
            same(&world, &question, &world.decide(&question), &expected)?;
        }
    }

    #[test]
    fn decisions_on_shared_facts_match_the_reference(mut source in entropy(900)) {
        let world = random_world(&mut source);
        let questions: Vec<Question> = (0..12).map(|_| random_question(&world, &mut source)).collect();
        let facts = world.facts(&engine::needs(&questions));
        for question in &questions {
            let expected = reference::decide(&world, question);
            same(&world, question, &engine::decide(question, &facts), &expected)?;
            let decision = engine::decide(question, &world.facts_to_explain(question));
            same(&world, question, &decision, &expected)?;
        }
    }

    #[test]
    fn every_action_on_a_resource_matches_the_reference(mut source in entropy(900)) {
        let world = random_stored_world(&mut source);
        let template = random_question(&world, &mut source);
        let (subject, context) = (template.subject(), template.context());
        // An id that one action may omit can be required by another.
        let all = Question::every_action(subject, template.resource(), context);
        for question in all.unwrap_or_default() {
            let expected = reference::decide(&world, &question);
            same(&world, &question, &world.decide(&question), &expected)?;
        }
    }
}

#[test]
fn random_questions_cover_every_reason_and_type() {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut answered: BTreeSet<(String, bool)> = BTreeSet::new();
    for seed in 0..600 {
        let mut source = Entropy::seeded(seed, 1200);
        let world = random_world(&mut source);
        for _ in 0..15 {
            let question = random_question(&world, &mut source);
            let decision = reference::decide(&world, &question);
            let kind = question.resource().map(|resource| resource.kind);
            let kind = kind.map(|kind| kind.to_string()).unwrap_or_default();
            answered.insert((kind, decision.is_allowed()));
            let reason = decision.denial.map(|reason| reason.code.to_string());
            let reason = reason.unwrap_or_else(|| format!("{:?}", decision.edit_mode));
            *reasons.entry(reason).or_default() += 1;
        }
    }
    // eleven reasons, and allowed with either edit mode or with none
    assert_eq!(reasons.len(), 14, "{reasons:?}");
    assert!(reasons.values().all(|count| *count >= 20), "{reasons:?}");
    for kind in ResourceType::iter() {
        for allowed in [true, false] {
            let met = answered.contains(&(kind.to_string(), allowed));
            assert!(met, "{kind} {allowed}");
        }
    }
}

#[test]
fn random_questions_cover_apps_without_scopes_and_unknown_attributes() {
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..400 {
        let mut source = Entropy::seeded(seed, 1200);
        let world = random_world(&mut source);
        for _ in 0..15 {
            let question = random_question(&world, &mut source);
            for case in cases_met(&world, &question) {
                *met.entry(case).or_default() += 1;
            }
        }
    }
    assert_eq!(met.len(), 7, "{met:?}");
    assert!(met.values().all(|count| *count >= 10), "{met:?}");
}

/// Returns the cases of rules 1.7 and 5.12 that a question covers.
fn cases_met(world: &World, question: &Question) -> Vec<&'static str> {
    let context = question.context();
    let decision = reference::decide(world, question);
    let denial = decision.denial.as_ref();
    let unknown = context
        .attribute
        .as_ref()
        .is_some_and(|code| !world.attributes.contains_key(code));
    let group = context.attribute_group.as_ref();
    let group_is_known = group.is_some_and(|group| {
        let mut stored = world.items_of(ItemKind::AttributeGroup);
        stored.any(|item| item.code == *group)
    });
    let subject = question.subject();
    let of_app = subject.kind == SubjectKind::App
        && matches!(question.action(), Action::Level(_))
        && question.resource().is_some();
    let scopes = world.apps.get(&subject.code).filter(|_| of_app);
    let by_scope = denial.is_some_and(|reason| reason.code == ReasonCode::Scope);
    let without_permission = denial.is_some_and(|reason| reason.permission.is_none());
    let rights_suffice = decision.level.is_some_and(|level| level != Level::Hidden);
    let closed = |granted: &ScopeSet| CATALOGUE.with_implied_scopes(*granted) == *granted;
    let cases = [
        (
            "an unknown attribute with a known group",
            unknown && group_is_known,
        ),
        ("an unknown attribute alone", unknown && group.is_none()),
        (
            "an app without a scope",
            scopes.is_some_and(|granted| granted.is_empty()),
        ),
        (
            "an app with a closed set of scopes that is allowed",
            decision.is_allowed()
                && scopes.is_some_and(|granted| closed(granted) && !granted.is_empty()),
        ),
        (
            "rights without a scope",
            of_app && by_scope && rights_suffice,
        ),
        (
            "no scope gives it",
            of_app && by_scope && without_permission,
        ),
        (
            "a scope that does not count",
            of_app && by_scope && !world.edition.is_enterprise() && !without_permission,
        ),
    ];
    cases
        .into_iter()
        .filter_map(|(case, is_met)| is_met.then_some(case))
        .collect()
}
