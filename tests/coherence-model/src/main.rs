//! Explores the coherence protocol exhaustively: see README.md.

mod check;
mod explore;
mod replica;
mod rules;
mod scenario;
mod shared_commit;
mod state;
mod steps;
mod writer;

use std::process::ExitCode;

use explore::{Found, explore};
use rules::{TABLE, WITHOUT_COUNTEREXAMPLE};
use scenario::{SCENARIOS, Scenario};

/// About 13 bytes each, and the frontier besides.
const MAX_STATES: usize = 250_000_000;

/// Whether the steps to a wrong answer are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Traces {
    Printed,
    Omitted,
}

/// Fails if a world shows a violation with all rules, or none without a rule that needs one.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_as_expected = match words[..] {
        [] | ["rules"] => explore_without_each_rule(|_| true, Traces::Printed),
        ["all"] => explore_worlds(|_| true),
        ["shared"] => {
            let holds = explore_worlds(|world| world.shared && world.quick);
            explore_without_each_rule(|world| world.shared, Traces::Omitted) && holds
        }
        [name] => report(&find(name), "all rules", Traces::Printed),
        [name, ref rules @ ..] => {
            let world = rules.iter().fold(find(name), |world, rule| without(world, rule));
            report(&world, &rules.join(" "), Traces::Printed);
            true
        }
    };
    if is_as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn find(name: &str) -> Scenario {
    *SCENARIOS.iter().find(|world| world.name == name).expect("a scenario's name")
}

fn without(world: Scenario, name: &str) -> Scenario {
    let (rule, ..) = *TABLE.iter().find(|row| row.1 == name).expect("a rule's name");
    Scenario { rules: world.rules.without(rule), ..world }
}

/// Explores the worlds that are small enough; true if all hold.
fn explore_worlds(is_wanted: impl Fn(&Scenario) -> bool) -> bool {
    let mut hold = true;
    for world in SCENARIOS.iter().filter(|world| world.whole && is_wanted(world)) {
        hold &= report(world, "all rules", Traces::Printed);
    }
    hold
}

/// Explores each rule's world without the rule; true if the rules that need it show a violation.
fn explore_without_each_rule(is_wanted: impl Fn(&Scenario) -> bool, traces: Traces) -> bool {
    let mut as_expected = true;
    for (rule, name, _, scenario, _) in TABLE.iter().filter(|row| is_wanted(&find(row.3))) {
        let holds = report(&without(find(scenario), name), name, traces);
        if holds != WITHOUT_COUNTEREXAMPLE.contains(rule) {
            println!("    not expected: README.md");
            as_expected = false;
        }
    }
    as_expected
}

/// Explores a world and prints what was found; true if no answer was wrong.
fn report(world: &Scenario, what: &str, traces: Traces) -> bool {
    let outcome = explore(world, MAX_STATES);
    let Scenario { name, .. } = world;
    let line =
        format!("{name:<20} {what:<26} {:>11} states {:>3} deep {:>6.1?}", outcome.states, outcome.depth, outcome.time);
    match outcome.result {
        Found::Holds => println!("{line}  HOLDS"),
        Found::TooMany => println!("{line}  TOO MANY STATES"),
        Found::Violation(ref steps) => {
            println!("{line}  VIOLATION in {} steps", steps.len());
            if traces == Traces::Printed {
                for (number, step) in steps.iter().enumerate() {
                    println!("    {:>2}. {step}", number + 1);
                }
            }
        }
    }
    matches!(outcome.result, Found::Holds)
}
