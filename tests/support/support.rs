//! A tenant in memory, for tests: built in the domain's words, queried, converted
//! to facts for the engine and to the PIM's files, and decided by a naive
//! reference written from `rules.md` alone.
//!
//! Test binaries include it: `#[path = "../support/support.rs"] mod support;`.

mod best_remedies;
mod building;
mod entropy;
mod facts;
mod files;
mod grants;
mod questions;
mod random_question;
mod random_world;
pub(crate) mod reference;
pub(crate) mod world;

pub(crate) use self::{
    best_remedies::sorted,
    building::SpecificTo,
    entropy::{Entropy, entropy},
    grants::{codes, cost},
    questions::{QuestionBuilder, assert_answers, decision_text, question, subject},
    random_question::random_question,
    random_world::{random_importable_world, random_stored_world, random_world},
    world::{World, code, item},
};
