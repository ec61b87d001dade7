//! The remedies of an explanation reverse its denial, and no smaller set of grants
//! does (rules 8.2).

use std::collections::BTreeMap;

use pim_authz::domain::{Explanation, Question, Remedy, ResourceType};
use proptest::prelude::*;

use crate::{
    random::cases,
    support::{
        Entropy, World, codes, cost, entropy, random_question, random_world, reference, sorted,
    },
};

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn rule_8_2_explanation_matches_check_and_its_remedies_reverse_denials(mut source in entropy(900)) {
        let world = random_world(&mut source);
        for _ in 0..12 {
            let question = random_question(&world, &mut source);
            let explanation = world.explain(&question);
            prop_assert_eq!(&explanation.decision, &world.decide(&question));
            prop_assert_eq!(explanation.root.passed, explanation.decision.is_allowed());
            let complaint = complaint(&world, &question, &explanation);
            prop_assert!(
                complaint.is_none(),
                "{}:\n{question:?}\n is decided: {:?}\n with: {:?} {:?}\n in {world:?}",
                complaint.unwrap(),
                explanation.decision,
                explanation.remedies,
                explanation.no_remedy_reason
            );
        }
    }
}

/// Returns what is wrong with the remedies, or `None`.
fn complaint(
    world: &World,
    question: &Question,
    explanation: &Explanation,
) -> Option<&'static str> {
    let remedies = &explanation.remedies;
    let why_none = &explanation.no_remedy_reason;
    if explanation.decision.is_allowed() {
        let silent = remedies.is_empty() && why_none.is_none();
        return (!silent).then_some("an allowed question needs no remedy");
    }
    if remedies.is_empty() != why_none.is_some() {
        return Some("either there are remedies, or the reason why there are none");
    }
    if *why_none != reference::no_remedy_reason(world, question) {
        return Some("the reference gives another reason why there is no remedy");
    }
    if remedies.is_empty() {
        return missed(world, question);
    }
    if !world.is_turned_by(question, remedies) {
        return Some("the remedies do not turn the denial");
    }
    let grants = world.every_grant(question);
    if !remedies.iter().all(|remedy| grants.contains(remedy)) {
        return Some("a remedy is none of the grants that there are");
    }
    for place in 0..remedies.len() {
        let mut fewer = remedies.clone();
        fewer.remove(place);
        if world.is_turned_by(question, &fewer) {
            return Some("a remedy can be left out");
        }
    }
    not_the_smallest(world, question, explanation)
        .or_else(|| not_the_preferred(world, question, remedies))
}

/// Returns a complaint if rules 8.2 prefer another set of the same size, compared
/// grant by grant.
fn not_the_preferred(
    world: &World,
    question: &Question,
    remedies: &[Remedy],
) -> Option<&'static str> {
    let kind = question.resource().map(|resource| resource.kind);
    if kind == Some(ResourceType::GridView) {
        return None;
    }
    let best = world.best_remedies(question);
    let is_best = best.is_some_and(|best| sorted(&best) == sorted(remedies));
    (!is_best).then_some("another set is to be preferred")
}

/// Returns a complaint if one or two grants reverse a denial that has no remedy
/// according to the explanation.
fn missed(world: &World, question: &Question) -> Option<&'static str> {
    let grants = world.every_grant(question);
    let found = (1..=2).any(|size| {
        let few = size == 1 || grants.len() <= 40;
        few && !world.turning_sets(question, &grants, size).is_empty()
    });
    found.then_some("there is a remedy")
}

/// Returns a complaint if fewer grants reverse the denial, or better ones of the
/// same number.
fn not_the_smallest(
    world: &World,
    question: &Question,
    explanation: &Explanation,
) -> Option<&'static str> {
    let kind = question.resource().map(|resource| resource.kind);
    let remedies = &explanation.remedies;
    let grants = world.every_grant(question);
    if kind == Some(ResourceType::GridView) || remedies.len() > 3 || grants.len() > 40 {
        return None;
    }
    for size in 1..remedies.len() {
        if !world.turning_sets(question, &grants, size).is_empty() {
            return Some("fewer grants turn the denial");
        }
    }
    if remedies.len() > 2 {
        return None;
    }
    let permission = question.rule().permission;
    let sets = world.turning_sets(question, &grants, remedies.len());
    let best = sets.iter().map(|set| cost(set, permission)).min()?;
    if cost(remedies, permission) != best {
        return Some("other grants are to be preferred");
    }
    let [remedy] = remedies.as_slice() else {
        return None;
    };
    let equals = sets.iter().filter(|set| cost(set, permission) == best);
    let first = equals.map(|set| codes(&set[0])).min()?;
    (codes(remedy) != first).then_some("another grant is the first by code")
}

/// Guards the property test: sets of three and more grants must be frequent enough
/// for its result to be meaningful.
#[test]
fn random_denials_often_need_several_grants() {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for seed in 0..300 {
        let mut source = Entropy::seeded(seed, 1_200);
        let world = random_world(&mut source);
        for _ in 0..12 {
            let question = random_question(&world, &mut source);
            let kind = question.resource().map(|resource| resource.kind);
            if kind != Some(ResourceType::GridView) {
                let remedies = world.explain(&question).remedies;
                *sizes.entry(remedies.len()).or_default() += 1;
            }
        }
    }
    let many: usize = sizes.range(3..).map(|(_, count)| count).sum();
    assert!(many >= 100 && sizes[&2] >= 100, "{sizes:?}");
}
