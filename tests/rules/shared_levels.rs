//! Levels that the questions of a call share are computed once: the decisions stay
//! the same, and the work is bounded by the questions and the categories.

use std::sync::Arc;

use pim_authz::{
    domain::{Action, Code, Context, Description, Facts, Level::View, Question, Resource},
    engine::{self, Decider, Explainer},
};
use proptest::prelude::*;

use crate::{
    random::cases,
    support::{World, code, entropy, question, random_question, random_world, reference, subject},
};

/// Returns a long list that repeats `codes`.
fn long<T: Clone>(codes: &[T]) -> Vec<T> {
    let length = codes.len() * 40;
    codes.iter().cycle().take(length).cloned().collect()
}

/// Returns the same question; its list of categories, if any, is made long.
fn lengthened(question: &Question) -> Question {
    let resource = question.resource().cloned().map(|resource| {
        let Description { categories, parent } = resource.description;
        let categories = categories.map(|codes| long(&codes).into());
        Resource {
            description: Description { categories, parent },
            ..resource
        }
    });
    let subject = question.subject().clone();
    let context = question.context().clone();
    Question::new(subject, question.action(), resource, context).unwrap()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn rule_4_1_shared_and_single_decisions_match_on_long_lists(mut source in entropy(900)) {
        let world = random_world(&mut source);
        let questions: Vec<Question> = (0..12)
            .map(|_| lengthened(&random_question(&world, &mut source)))
            .collect();
        let mut facts = world.facts(&engine::needs(&questions));
        for product in facts.products.values_mut() {
            let categories = long(&product.categories);
            Arc::make_mut(product).categories = categories;
        }
        let mut decider = Decider::default();
        for question in questions.iter().chain(&questions) {
            while decider.prepare(question, &facts, 1) {}
            let together = decider.decide(question, &facts);
            let alone = engine::decide(question, &facts);
            let expected = reference::decide(&world, question);
            prop_assert!(together == expected, "{question:?}\n{together:?}\n{expected:?}");
            prop_assert!(alone == expected, "{question:?}\n{alone:?}\n{expected:?}");
        }
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn rule_8_2_explanation_is_the_same_in_parts_and_at_once(mut source in entropy(900)) {
        let world = random_world(&mut source);
        for _ in 0..6 {
            let question = lengthened(&random_question(&world, &mut source));
            let facts = world.facts_to_explain(&question);
            let mut explainer = Explainer::new(&question, &facts);
            while explainer.prepare(1) {}
            let in_parts = explainer.explain();
            let at_once = engine::explain(&question, &facts);
            prop_assert!(in_parts == at_once, "{question:?}\n{in_parts:?}\n{at_once:?}");
        }
    }
}

/// Returns a world with users `u0`, `u1` and so on, and the codes of its categories.
///
/// All users are in the same groups, which have no more than view on one category.
fn crowd(users: usize, groups: usize, categories: usize) -> (World, Vec<Code>) {
    let names = |letter: &str, count: usize| -> Vec<String> {
        (0..count)
            .map(|number| format!("{letter}{number}"))
            .collect()
    };
    let groups = names("g", groups);
    let categories = names("c", categories);
    let joined: Vec<&str> = groups.iter().map(String::as_str).collect();
    let trees: Vec<&str> = categories.iter().map(String::as_str).collect();
    let mut world = World::enterprise().with_trees(&trees);
    for user in names("u", users) {
        world = world.user(&user, &joined);
    }
    let world = world.group("g0").may(View).category("c0");
    (world, categories.iter().map(|text| code(text)).collect())
}

/// Decides all questions and returns the work, in look-ups of a right.
fn work(questions: &[Question], facts: &Facts) -> u64 {
    let mut decider = Decider::default();
    for question in questions {
        let together = decider.decide(question, facts);
        assert_eq!(together, engine::decide(question, facts));
    }
    decider.work()
}

/// Returns a product that is described with some categories.
fn described(categories: Vec<Code>) -> Resource {
    Resource {
        kind: "product".parse().unwrap(),
        id: None,
        description: Description {
            categories: Some(categories.into()),
            parent: None,
        },
    }
}

#[test]
fn all_actions_on_a_described_product_share_category_look_ups() {
    let (world, categories) = crowd(1, 20, 400);
    let resource = described(categories);
    let julia = subject("user:u0");
    let context = Context::default();
    let all = Question::every_action(&julia, Some(&resource), &context).unwrap();
    let facts = world.facts(&engine::needs(&all));
    let one = work(&all[..1], &facts);
    let every = work(&all, &facts);
    assert!(one >= 400 * 20, "{one}");
    assert!(every <= one + 300 * all.len() as u64, "{one} {every}");
}

#[test]
fn many_subjects_in_the_same_groups_share_category_work() {
    let (world, categories) = crowd(40, 10, 400);
    let resource = described(categories);
    let question_of = |user: usize| {
        let by = question(&format!("user:u{user}"), "view", "product:").in_categories(&[]);
        let question = by.build();
        let subject = question.subject().clone();
        let resource = Some(resource.clone());
        Question::new(subject, question.action(), resource, Context::default()).unwrap()
    };
    let questions: Vec<Question> = (0..40).map(question_of).collect();
    let facts = world.facts(&engine::needs(&questions));
    let [one, twenty, forty] = [1, 20, 40].map(|users| work(&questions[..users], &facts));
    assert!(
        forty - twenty <= 25 * (twenty - one) / 20,
        "{one} {twenty} {forty}"
    );
    assert!(forty <= 2 * one, "{one} {forty}");
}

#[test]
fn work_grows_linearly_with_the_category_list() {
    let (world, categories) = crowd(1, 10, 800);
    let of = |length: usize| {
        let resource = described(categories[..length].to_vec());
        let context = Context::default();
        let all = Question::every_action(&subject("user:u0"), Some(&resource), &context);
        let all = all.unwrap();
        work(&all, &world.facts(&engine::needs(&all)))
    };
    let (once, twice) = (of(400), of(800));
    assert!(2 * twice <= 5 * once, "{once} {twice}");
}

#[test]
fn question_is_prepared_in_bounded_parts() {
    let (world, categories) = crowd(1, 20, 400);
    let resource = described(categories);
    let all = Question::every_action(&subject("user:u0"), Some(&resource), &Context::default());
    let all = all.unwrap();
    let facts = world.facts(&engine::needs(&all));
    let mut decider = Decider::default();
    let mut parts = 0;
    let mut before = 0;
    while decider.prepare(&all[0], &facts, 1_000) {
        let done = decider.work() - before;
        assert!(done <= 1_000 + 400 * 9, "{done}");
        before = decider.work();
        parts += 1;
    }
    assert!(parts > 3, "{parts}");
    let prepared = decider.work();
    let _ = decider.decide(&all[0], &facts);
    assert!(decider.work() - prepared < 300, "all was prepared");
}

#[test]
fn explanation_is_prepared_in_bounded_parts() {
    let (mut world, categories) = crowd(1, 20, 400);
    for other in 0..30 {
        world = world
            .group(&format!("other{other}"))
            .may(View)
            .category("c0");
    }
    let resource = Some(described(categories));
    let action = Action::find("edit").unwrap();
    let question = Question::new(subject("user:u0"), action, resource, Context::default());
    let question = question.unwrap();
    let facts = world.facts_to_explain(&question);
    let mut explainer = Explainer::new(&question, &facts);
    let mut parts = 0;
    while explainer.prepare(1_000) {
        parts += 1;
    }
    // The decision reads 20 groups, the steps 20 groups, the remedies 30 others, each on
    // 400 categories.
    assert!((20..=60).contains(&parts), "{parts}");
    let explanation = explainer.explain();
    assert_eq!(explanation, engine::explain(&question, &facts));
    assert!(
        explanation
            .root
            .steps
            .iter()
            .any(|step| step.steps.len() == 400)
    );
}
