//! Random worlds and questions: the engine against the naive reference.

use pim_authz::domain::{Decision, Question};
use proptest::prelude::*;

use crate::support::{World, entropy, random_question, random_world, reference};

/// So many cases, unless `PROPTEST_CASES` says another number.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let is_said = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if is_said { default.cases } else { cases },
        failure_persistence: None,
        ..default
    }
}

/// The whole decision has to be equal.
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
    #![proptest_config(cases(1000))]

    #[test]
    fn the_engine_decides_what_the_reference_decides(mut tape in entropy(900)) {
        let world = random_world(&mut tape);
        for _ in 0..12 {
            let question = random_question(&world, &mut tape);
            let expected = reference::decide(&world, &question);
            same(&world, &question, &world.decide(&question), &expected)?;
        }
    }
}
