//! Random worlds and questions: the engine against the naive reference.

use pim_authz::engine;
use proptest::prelude::*;

use crate::support::{entropy, random_question, random_world, reference};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_decides_what_the_reference_decides(mut tape in entropy(900)) {
        let world = random_world(&mut tape);
        for _ in 0..12 {
            let question = random_question(&world, &mut tape);
            let expected = reference::decide(&world, &question);
            prop_assert_eq!(world.decide(&question), expected, "{:#?}", question);
        }
    }
}
