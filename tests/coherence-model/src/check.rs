//! A4: one Check, which answers with the values of both keys.
//!
//! A boolean "both are 1" is a function of that pair, so a pair that is right
//! makes every such decision right.

use crate::replica::read_fact;
use crate::rules::Rule;
use crate::scenario::{Property, Scenario};
use crate::state::{Begun, Check, Fact, FactKind, Keys, Load, Phase, State};
use crate::steps::Steps;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Collect(usize),
    /// The last statement: every fact that had a pending intent, together.
    LastStatement,
    /// With the rule off: one statement for each key.
    LastStatementOf(usize),
    /// Loads `until` and its epoch.
    LoadUntil,
    CompareFloor(usize),
    ReadClock,
    Reply,
}

/// The steps of a Check, in order, under the rules in force.
fn steps_of(world: &Scenario) -> Vec<Step> {
    let last: &[Step] = match (world.has(Rule::UncachedLast), world.has(Rule::UncachedTogether)) {
        (false, _) => &[],
        (true, false) => &[Step::LastStatementOf(0), Step::LastStatementOf(1)],
        (true, true) => &[Step::LastStatement],
    };
    let floors: &[Step] =
        if world.has(Rule::FinalFloorCheck) { &[Step::CompareFloor(0), Step::CompareFloor(1)] } else { &[] };
    let collect: &[Step] = &[Step::Collect(0), Step::Collect(1)];
    let (until, clock, reply): (&[Step], &[Step], &[Step]) = (&[Step::LoadUntil], &[Step::ReadClock], &[Step::Reply]);
    let order: Vec<&[Step]> = if !world.has(Rule::LeaseChecked) {
        vec![collect, last, floors, reply]
    } else if !world.has(Rule::LeaseCheckedLast) {
        vec![until, clock, collect, last, floors, reply]
    } else if !world.has(Rule::ValidateAfterLast) {
        vec![collect, until, floors, last, clock, reply]
    } else if !world.has(Rule::UntilBeforeFloors) {
        vec![collect, last, floors, until, clock, reply]
    } else {
        vec![collect, last, until, floors, clock, reply]
    };
    let mut order = order.concat();
    order.retain(|step| !matches!(step, Step::Collect(key) if world.check_keys & (1 << key) == 0));
    order
}

/// The order of steps, padded with `Reply`.
type Order = [Step; 10];

thread_local! {
    static ORDER: std::cell::Cell<Order> = const { std::cell::Cell::new([Step::Reply; 10]) };
}

/// Fixes the order of steps for the exploration that begins.
pub fn prepare(world: &Scenario) {
    let mut order = [Step::Reply; 10];
    let steps = steps_of(world);
    order[..steps.len()].copy_from_slice(&steps);
    ORDER.set(order);
}

fn step_at(position: u8) -> Step {
    ORDER.get()[position as usize]
}

/// Everything that the Check of replica `i` may do next.
pub fn add_steps(world: &Scenario, state: &State, i: usize, steps: &mut Steps) {
    if state.replicas[i].phase == Phase::Unused {
        return;
    }
    let Some(check) = state.replicas[i].check else {
        begin(world, state, i, steps);
        return;
    };
    match step_at(check.position) {
        Step::Collect(key) => collect(world, state, i, check, key, steps),
        Step::LastStatement => {
            let both: Keys = 0b11;
            last_statement(state, i, check, both, steps);
        }
        Step::LastStatementOf(key) => last_statement(state, i, check, 1 << key, steps),
        Step::LoadUntil => load_until(world, state, i, check, steps),
        Step::CompareFloor(key) => compare_floor(state, i, check, key, steps),
        Step::ReadClock => {
            let valid = check.until > 0;
            proceed(state, i, check, valid, steps, "clock < until");
        }
        Step::Reply => reply(world, state, i, check, steps),
    }
}

fn begin(world: &Scenario, state: &State, i: usize, steps: &mut Steps) {
    let must_see = match world.property {
        Property::Observed => state.known,
        Property::Strict => state.database.now,
    };
    let mut next = *state;
    next.replicas[i].check = Some(Check { position: 0, must_see, facts: [None; 2], until: 0 });
    mark_load(&mut next.replicas[i].load, Begun::BeforeCheck);
    steps.add(next, || format!("r{i} CHECK begins, must see {} or later", state.database.show(must_see)));
}

/// A cache hit, a shared load, or a statement of its own.
fn collect(world: &Scenario, state: &State, i: usize, check: Check, key: usize, steps: &mut Steps) {
    let replica = &state.replicas[i];
    let mut take = |fact: Fact, how: &str| {
        let mut next = *state;
        let mut check = Check { position: check.position + 1, ..check };
        check.facts[key] = Some(fact);
        // Read after all others: this statement is the last one already.
        if key == 1 && fact.kind == FactKind::Pending && !is_pending(check.facts[0]) {
            check.facts[1] = Some(Fact { kind: FactKind::Last, ..fact });
        }
        next.replicas[i].check = Some(check);
        mark_load(&mut next.replicas[i].load, Begun::BeforeFact);
        let value = fact.entry.value as u8;
        steps.add(next, || {
            format!("r{i} CHECK has k{} = {value} as of {} from {how} ({:?})", key + 1, fact.entry.as_of, fact.kind)
        });
    };
    if let Some(entry) = replica.cache[key]
        && entry.as_of >= replica.floor[key]
    {
        take(Fact { kind: FactKind::Cacheable, entry }, "the cache");
    }
    if let Load::Read { key: loaded, fact, begun } = replica.load
        && usize::from(loaded) == key
        && (fact.kind == FactKind::Cacheable || may_share(world, begun))
    {
        take(fact, "a shared load");
    }
    take(read_fact(&state.database, key), "the database");
}

/// Whether a load that saw a pending intent, and so cannot be validated by its
/// floor, may serve this Check.
fn may_share(world: &Scenario, begun: Begun) -> bool {
    match begun {
        Begun::Late => true,
        Begun::BeforeFact => !world.has(Rule::ShareAfterOtherFacts),
        Begun::BeforeCheck => !world.has(Rule::ShareYoungLoadsOnly),
    }
}

fn mark_load(load: &mut Load, when: Begun) {
    if let Load::Read { begun, .. } | Load::DataOnly { begun, .. } = load {
        *begun = when.max(*begun);
    }
}

fn is_pending(fact: Option<Fact>) -> bool {
    fact.is_some_and(|fact| fact.kind == FactKind::Pending)
}

/// Reads those of `keys` again that had a pending intent, in one snapshot.
fn last_statement(state: &State, i: usize, check: Check, keys: Keys, steps: &mut Steps) {
    let mut next = *state;
    let mut check = Check { position: check.position + 1, ..check };
    for key in (0..2).filter(|key| keys & (1 << key) != 0) {
        if is_pending(check.facts[key]) {
            let fact = read_fact(&state.database, key);
            check.facts[key] = Some(Fact { kind: FactKind::Last, ..fact });
        }
    }
    next.replicas[i].check = Some(check);
    steps.add(next, || format!("r{i} CHECK last statement: {}", show(check.facts)));
}

fn load_until(world: &Scenario, state: &State, i: usize, check: Check, steps: &mut Steps) {
    let replica = &state.replicas[i];
    let same_epoch = check.facts.iter().flatten().all(|fact| fact.entry.epoch == replica.epoch);
    let valid = replica.lease > 0 && (same_epoch || !world.has(Rule::EpochTag));
    let check = Check { until: replica.lease, ..check };
    proceed(state, i, check, valid, steps, "loads `until`");
}

fn compare_floor(state: &State, i: usize, check: Check, key: usize, steps: &mut Steps) {
    let valid = check.facts[key]
        .is_none_or(|fact| fact.kind != FactKind::Cacheable || fact.entry.as_of >= state.replicas[i].floor[key]);
    proceed(state, i, check, valid, steps, "floor in order");
}

/// Goes on if `valid`; else the Check ends without an answer. A second try is a
/// new Check that must see no less.
fn proceed(state: &State, i: usize, check: Check, valid: bool, steps: &mut Steps, what: &str) {
    let mut next = *state;
    next.replicas[i].check = valid.then_some(Check { position: check.position + 1, ..check });
    steps.add(next, || format!("r{i} CHECK {}", if valid { what } else { "UNAVAILABLE" }));
}

fn reply(world: &Scenario, state: &State, i: usize, check: Check, steps: &mut Steps) {
    let db = &state.database;
    let answer = pair(check.facts);
    let explains = |value: &Keys| value & world.check_keys == answer;
    let history = &db.history[..=db.now as usize];
    let (Some(instant), Some(latest)) = (history.iter().position(explains), history.iter().rposition(explains)) else {
        steps.violation(|| format!("r{i} CHECK answers {}, which no single instant explains", show(check.facts)));
        return;
    };
    if latest < check.must_see as usize {
        steps.violation(|| {
            let must_see = db.show(check.must_see);
            format!("r{i} CHECK answers {}, but {must_see} was known when it began", show(check.facts))
        });
        return;
    }
    let mut next = *state;
    next.replicas[i].check = None;
    if world.property == Property::Observed {
        next.known = next.known.max(instant as u8);
    }
    steps.add(next, || format!("r{i} CHECK answers {}", show(check.facts)));
}

fn pair(facts: [Option<Fact>; 2]) -> Keys {
    (0..2).filter(|key| facts[*key].is_some_and(|fact| fact.entry.value)).map(|key| 1 << key).sum()
}

fn show(facts: [Option<Fact>; 2]) -> String {
    let digit = |fact: Option<Fact>| fact.map_or("?".to_string(), |fact| (fact.entry.value as u8).to_string());
    format!("(k1, k2) = ({}, {})", digit(facts[0]), digit(facts[1]))
}

/// Whether this Check can no longer end with an answer.
pub fn is_doomed(check: &Check, floor: [u8; 2]) -> bool {
    let order = ORDER.get();
    let remaining = &order[check.position as usize..];
    let loads_until = remaining.contains(&Step::LoadUntil);
    remaining.iter().any(|step| match step {
        Step::CompareFloor(key) => {
            check.facts[*key].is_some_and(|fact| fact.kind == FactKind::Cacheable && fact.entry.as_of < floor[*key])
        }
        Step::ReadClock => check.until == 0 && !loads_until,
        _ => false,
    })
}
