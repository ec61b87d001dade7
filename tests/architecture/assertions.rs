//! Checks that each test named for a rule asserts something, itself or through a
//! function of the tests that it calls: without an assertion it passes whether or not
//! the rule holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    code::{blanked, bodies, closing, is_word},
    sources::{Source, rust},
};

/// A function or macro of the sources, with the names that it calls: `name!` for a
/// macro.
#[derive(Debug)]
struct Function {
    place: String,
    name: String,
    asserts: bool,
    calls: BTreeSet<String>,
}

impl Function {
    fn of(path: &str, name: String, body: &str) -> Self {
        let mut calls = BTreeSet::new();
        let mut asserts = false;
        let mut rest = body;
        while let Some(start) = rest.find(is_word) {
            rest = &rest[start..];
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            let is_assertion = word.starts_with("assert") || word.starts_with("prop_assert");
            asserts |= is_assertion && behind.starts_with('!');
            if behind.starts_with('!') {
                calls.insert(format!("{word}!"));
            } else if behind.starts_with('(') || behind.starts_with("::<") {
                calls.insert(word.to_owned());
            }
            rest = behind;
        }
        Self {
            place: format!("{path} `{name}`"),
            name,
            asserts,
            calls,
        }
    }
}

/// Reports each test of a rule that does not assert anything. A call counts if every
/// function of its name asserts, so that a name that others share proves nothing.
fn assertion_complaints(sources: &[Source]) -> Vec<String> {
    let mut functions = Vec::new();
    for source in sources {
        let code = blanked(&source.text);
        let found = bodies(&code).into_iter();
        let found = found.chain(macros(&code));
        functions.extend(found.map(|(name, body)| Function::of(&source.path, name, body)));
    }
    let asserting = asserting_names(&functions);
    let tests = functions
        .iter()
        .filter(|function| is_of_a_rule(&function.name));
    tests
        .filter(|test| !test.asserts && test.calls.is_disjoint(&asserting))
        .map(|test| format!("{} asserts nothing", test.place))
        .collect()
}

/// Returns the name and the body of each macro.
fn macros(code: &str) -> Vec<(String, &str)> {
    let definitions = code.split("macro_rules! ").skip(1);
    definitions
        .filter_map(|definition| {
            let (name, rest) = definition.split_once('{')?;
            let body = rest.get(..closing(rest, ('{', '}'))?)?;
            Some((format!("{}!", name.trim()), body))
        })
        .collect()
}

/// Returns the names whose functions all assert, themselves or through others.
fn asserting_names(functions: &[Function]) -> BTreeSet<String> {
    let mut by_name: BTreeMap<&String, Vec<&Function>> = BTreeMap::new();
    for function in functions {
        by_name.entry(&function.name).or_default().push(function);
    }
    let mut asserting = BTreeSet::new();
    loop {
        let asserts =
            |function: &&Function| function.asserts || !function.calls.is_disjoint(&asserting);
        let more: Vec<String> = by_name
            .iter()
            .filter(|(name, of_name)| !asserting.contains(**name) && of_name.iter().all(asserts))
            .map(|(name, _)| (*name).clone())
            .collect();
        if more.is_empty() {
            return asserting;
        }
        asserting.extend(more);
    }
}

/// True for the name of a test such as `rule_4_1_the_highest_category_counts`.
fn is_of_a_rule(name: &str) -> bool {
    let number = name.strip_prefix("rule_");
    number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

/// Returns the sources of the tests of rules. Functions of `src/` are no helpers of
/// those in `tests/`: `check` would count, and decides without asserting.
fn test_sources() -> [Vec<Source>; 2] {
    let mut tests = rust("tests");
    tests.retain(|source| !source.path.starts_with("tests/architecture/"));
    [rust("src"), tests]
}

#[test]
fn every_test_of_a_rule_asserts() {
    let complaints: Vec<String> = test_sources()
        .iter()
        .flat_map(|sources| assertion_complaints(sources))
        .collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn test_of_a_rule_without_an_assertion_is_reported() {
    let cases = [
        ("fn rule_4_1_a() { assert!(true); }", 0),
        ("fn rule_4_1_a() { decide(); }", 1),
        ("fn rule_4_1_a() { \"assert!(true)\"; } // assert!(true)", 1),
        ("fn rule_4_1_a() { insta::assert_snapshot!(x); }", 0),
        ("fn rule_4_1_a(x in any()) { prop_assert_eq!(x, x); }", 0),
        (
            "fn rule_4_1_a() { w.is(1); } fn is() { both(); } fn both() { assert_eq!(1, 1); }",
            0,
        ),
        (
            "fn rule_4_1_a() { w.is(1); } mod a { fn is() { assert!(b); } } fn is() {}",
            1,
        ),
        ("fn rule_4_1_a() { client.check(1).expect(2); }", 1),
        (
            "macro_rules! is { () => { assert!(a) } } fn rule_4_1_a() { is!(); }",
            0,
        ),
        (
            "macro_rules! is { () => { a } } fn rule_4_1_a() { is!(); }",
            1,
        ),
        ("fn rule_on() {}", 0),
    ];
    for (text, found) in cases {
        let complaints = assertion_complaints(&[Source::new("tests/a.rs", text)]);
        assert_eq!(complaints.len(), found, "{text} {complaints:?}");
    }
}
