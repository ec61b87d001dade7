//! W0 to W5, the reaper, and retries.

use crate::rules::Rule;
use crate::scenario::{Request, Scenario};
use crate::shared_commit;
use crate::state::{Intent, Keys, State, View, Writer, WriterStep};
use crate::steps::Steps;

/// Everything that writer `w` may do next.
pub fn add_steps(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    match state.writers[w].step {
        WriterStep::Unused | WriterStep::AnsweredOk => {}
        WriterStep::Idle => plan(world, state, w, steps),
        WriterStep::Planned => announce(world, state, w, steps),
        WriterStep::EarlyRegistry => announce_one(world, state, w, steps),
        WriterStep::Announced | WriterStep::EarlyClock => read_registry(world, state, w, steps),
        WriterStep::Waiting => wait(world, state, w, steps),
        WriterStep::Sent => {
            commit(world, state, w, steps);
            give_up(world, state, w, steps);
        }
        WriterStep::Shared | WriterStep::InDoubt | WriterStep::LookingUp | WriterStep::FoundNothing => {
            shared_commit::add_member_steps(world, state, w, steps);
        }
        WriterStep::Done => answer(world, state, w, steps),
        WriterStep::Refused => refused(world, state, w, steps),
        WriterStep::AnsweredFailed => {
            if state.writers[w].stray_commit {
                commit(world, state, w, steps);
            }
        }
    }
    if world.reaper && state.database.intents[w].is_some() && !shared_commit::locks_intent(world, state, w) {
        let mut next = *state;
        next.database.intents[w] = None;
        steps.add(next, || format!("the reaper deletes the intent of w{w}"));
    }
}

/// W0; for a conditional write first the read that it depends on.
fn plan(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    let db = &state.database;
    let mut next = *state;
    if matches!(world.requests[w], Request::ClearIfUnchanged(_)) && state.writers[w].expected.is_none() {
        let revision = reported_revision(world, state);
        next.writers[w].expected = Some((revision, db.now));
        steps.add(next, || format!("w{w} reads {:02b} at revision {revision}", db.value()));
        return;
    }
    let writer = &mut next.writers[w];
    writer.keys = world.touches(w, db.value());
    let stored = db.applied[world.request_of(w)] > 0;
    if stored || writer.keys == 0 {
        writer.step = WriterStep::Done;
        writer.effect = db.now;
        steps.add(next, || format!("w{w} W0 nothing to do{}", if stored { ": the answer is stored" } else { "" }));
        return;
    }
    writer.step = WriterStep::Planned;
    writer.attempts_left -= 1;
    let keys = writer.keys;
    steps.add(next, || format!("w{w} W0 plans to touch {keys:02b}"));
}

/// The revision that an administrative read carries.
fn reported_revision(world: &Scenario, state: &State) -> u8 {
    let db = &state.database;
    let oldest_pending = db.intents.iter().flatten().map(|intent| intent.seq).min();
    match oldest_pending {
        Some(seq) if world.has(Rule::RevisionBelowPending) => seq - 1,
        _ => db.seq,
    }
}

/// W1, alone, as a group, or (with rules off) in other ways.
fn announce(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    if world.has(Rule::RegistryAfterIntent) {
        announce_one(world, state, w, steps);
    } else {
        let mut next = *state;
        take_registry(&mut next, w);
        next.writers[w].age = 0;
        next.writers[w].step = WriterStep::EarlyRegistry;
        steps.add(next, || format!("w{w} W2 reads the leases FIRST"));
    }
    if !world.group || w != 1 {
        return;
    }
    let mate = state.writers[0].step;
    if mate == WriterStep::Planned {
        announce_group(world, state, steps);
    } else if matches!(mate, WriterStep::Announced | WriterStep::Waiting) && !world.has(Rule::MembersBeforeCommit) {
        let mut next = *state;
        let Writer { step, seq, epoch, waits_for, renewed, age, .. } = state.writers[0];
        next.writers[1] = Writer { step, seq, epoch, waits_for, renewed, age, ..state.writers[1] };
        next.database.intents[1] = Some(Intent { seq, keys: state.writers[1].keys });
        steps.add(next, || "w1 joins the group of w0 after its W1".to_string());
    }
}

fn announce_one(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    let mut next = *state;
    let keys = state.writers[w].keys;
    let early = state.writers[w].step == WriterStep::EarlyRegistry;
    let seq = next.database.append_log(keys);
    if world.has(Rule::CommitAfterWait) {
        next.database.intents[w] = Some(Intent { seq, keys });
    } else {
        next.database.clear(keys);
        next.writers[w].effect = next.database.now;
    }
    next.writers[w].seq = seq;
    next.writers[w].epoch = next.database.epoch;
    next.writers[w].step = if early { WriterStep::Waiting } else { WriterStep::Announced };
    steps.add(next, || format!("w{w} W1 intent {seq} on {keys:02b}"));
}

fn announce_group(world: &Scenario, state: &State, steps: &mut Steps) {
    let mut next = *state;
    let keys = state.writers.map(|writer| writer.keys);
    let union = keys[0] | keys[1];
    let announced = if world.has(Rule::GroupAnnouncesAll) { union } else { keys[0] };
    let seq = next.database.append_log(announced);
    if world.has(Rule::OwnMemberRow) {
        next.database.intents = keys.map(|keys| Some(Intent { seq, keys }));
    } else {
        next.database.intents[0] = Some(Intent { seq, keys: union });
    }
    for writer in &mut next.writers {
        writer.seq = seq;
        writer.epoch = next.database.epoch;
        writer.step = WriterStep::Announced;
    }
    steps.add(next, || format!("w0 and w1 W1 as a group: intents {seq} on {:02b} and {:02b}", keys[0], keys[1]));
}

/// W2.
fn read_registry(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    let writer = &state.writers[w];
    let mut next = *state;
    if writer.step == WriterStep::Announced && !world.has(Rule::ClockAfterRegistry) {
        next.writers[w].age = 0;
        next.writers[w].step = WriterStep::EarlyClock;
        steps.add(next, || format!("w{w} W2 takes t0 FIRST"));
        return;
    }
    let members: &[usize] = if shares_group(world, state) { &[0, 1] } else { &[w] };
    for &member in members.iter().filter(|member| state.writers[**member].step == writer.step) {
        take_registry(&mut next, member);
        if writer.step == WriterStep::Announced {
            next.writers[member].age = 0;
        }
        next.writers[member].step = WriterStep::Waiting;
    }
    steps.add(next, || format!("w{w} W2 waits for leases {:02b}", next.writers[w].waits_for));
}

fn shares_group(world: &Scenario, state: &State) -> bool {
    world.group && state.writers[0].seq == state.writers[1].seq
}

fn take_registry(state: &mut State, w: usize) {
    let leases = state.database.leases;
    let rows = (0..2).filter(|i| leases[*i].is_some()).map(|i| 1 << i).sum();
    state.writers[w].waits_for = rows;
    state.writers[w].renewed = 0;
}

/// W3.
fn wait(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    let writer = &state.writers[w];
    let db = &state.database;
    let over = writer.age >= full_wait(world);
    let unacknowledged =
        |i: &usize| writer.waits_for & (1 << i) != 0 && db.leases[*i].is_some_and(|lease| lease.acked < writer.seq);
    for i in (0..2).filter(|i| over && unacknowledged(i)) {
        if writer.renewed & (1 << i) == 0 || !world.has(Rule::DeleteUnmovedLease) {
            let mut next = *state;
            next.database.leases[i] = None;
            steps.add(next, || format!("w{w} W3 deletes the lease of r{i}"));
        }
    }
    if over && !db.armed && (writer.epoch == db.epoch || !world.has(Rule::ArmOwnEpoch)) {
        let mut next = *state;
        next.database.armed = true;
        steps.add(next, || format!("w{w} W3 arms"));
    }
    let all_acknowledged = (0..2).all(|i| !unacknowledged(&i));
    let quick = (all_acknowledged && may_be_quick(world, state)) || !world.has(Rule::WaitForAcks);
    if over || quick {
        let mut next = *state;
        next.writers[w].step = if world.has(Rule::CommitAfterWait) { WriterStep::Sent } else { WriterStep::Done };
        let why = if over { "the leases are over" } else { "all acknowledged" };
        steps.add(next, || format!("w{w} W3 {why}; W4 is sent"));
    }
    if world.give_up {
        let mut next = *state;
        next.database.intents[w] = None;
        next.writers[w].step = WriterStep::AnsweredFailed;
        steps.add(next, || format!("w{w} W5 gives up waiting: intent deleted, answers FAILED"));
    }
}

fn may_be_quick(world: &Scenario, state: &State) -> bool {
    state.database.armed || !world.has(Rule::FullWaitUnlessArmed)
}

/// W in ticks.
pub fn full_wait(world: &Scenario) -> u8 {
    if world.has(Rule::WaitFullLease) { world.lease_ticks } else { world.lease_ticks - 1 }
}

/// What W4 finds when it runs a change again. The last two name the keys that the change would
/// have cleared, were it not rolled back.
pub enum Rerun {
    /// Its idempotency key is there: the same answer.
    Stored,
    /// It clears these keys.
    Clears(Keys),
    /// It is not the announced write any more.
    Stale(&'static str, Keys),
    /// `expected_revision` is not the tenant's.
    Refused(Keys),
}

/// Runs the change of `w` again on what its transaction sees.
pub fn run_again(world: &Scenario, state: &State, w: usize, view: &View, has_intent: bool) -> Rerun {
    let writer = &state.writers[w];
    if !has_intent && world.has(Rule::IntentIsCondition) {
        return Rerun::Stale("its intent row is gone", 0);
    }
    if world.has(Rule::EpochIsCondition) && writer.epoch != state.database.epoch {
        return Rerun::Stale("the epoch changed", 0);
    }
    if !may_be_quick(world, state) {
        return Rerun::Stale("not armed", 0);
    }
    if view.applied[world.request_of(w)] > 0 && world.has(Rule::IdempotencyInCommit) {
        return Rerun::Stored;
    }
    let touched = world.touches(w, view.value);
    if touched & !writer.keys != 0 && world.has(Rule::AnnouncedKeysOnly) {
        return Rerun::Stale("it would touch other keys than announced", touched);
    }
    if writer.expected.is_some_and(|(revision, _)| view.last_write > revision) {
        return Rerun::Refused(touched);
    }
    Rerun::Clears(touched)
}

/// Whether the data changed since the read that a conditional write depends on.
pub fn depends_on_older(writer: &Writer, view: &View) -> bool {
    writer.expected.is_some_and(|(_, read)| read != view.position)
}

/// W4 alone, at the database: commits, or is refused as a whole. It waits while a shared
/// transaction holds the lock on the tenant's row.
fn commit(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    if state.shared.is_alive() {
        return;
    }
    let mut next = *state;
    let writer = state.writers[w];
    let stray = writer.step == WriterStep::AnsweredFailed;
    let view = state.database.view();
    let has_intent = take_intent(world, &mut next, w);
    match run_again(world, state, w, &view, has_intent) {
        Rerun::Stale(why, _) => return refuse(state, w, steps, why),
        Rerun::Refused(_) => return refuse(state, w, steps, "changed since `expected_revision`"),
        Rerun::Clears(_) if depends_on_older(&writer, &view) => {
            return steps.violation(|| format!("w{w} W4 commits though the data changed since its caller's read"));
        }
        Rerun::Clears(keys) => {
            let request = world.request_of(w);
            next.database.clear(keys);
            next.database.applied[request] += 1;
            next.database.last_write = view.last_write.max(writer.seq);
            if world.shared {
                next.database.commits[w] = writer.seq;
            }
            if next.database.applied[request] > 1 {
                return steps.violation(|| format!("w{w} W4 commits: the request took effect twice"));
            }
            if stray {
                return steps.violation(|| format!("w{w} W4 commits: a write reported as failed took effect"));
            }
        }
        Rerun::Stored => {}
    }
    next.writers[w].stray_commit = false;
    if !stray {
        next.writers[w].effect = next.database.now;
        next.writers[w].step = WriterStep::Done;
    }
    steps.add(next, || format!("w{w} W4 commits: the data is {:02b}", next.database.value()));
}

fn refuse(state: &State, w: usize, steps: &mut Steps, why: &str) {
    let mut next = *state;
    next.writers[w].stray_commit = false;
    if state.writers[w].step != WriterStep::AnsweredFailed {
        next.writers[w].step = WriterStep::Refused;
    }
    steps.add(next, || format!("w{w} W4 refused: {why}"));
}

/// Deletes the intent row of `w`; false if there was none.
fn take_intent(world: &Scenario, state: &mut State, w: usize) -> bool {
    let writer = state.writers[w];
    let row = if shares_group(world, state) && !world.has(Rule::OwnMemberRow) { 0 } else { w };
    let found = state.database.intents[row].is_some_and(|intent| intent.seq == writer.seq);
    if found {
        state.database.intents[row] = None;
    }
    let mate = &state.writers[1 - w];
    let mate_took_it = row != w || !world.has(Rule::OwnMemberRow);
    let mate_committed = matches!(mate.step, WriterStep::Done | WriterStep::AnsweredOk);
    found || (mate_took_it && mate_committed && shares_group(world, state))
}

/// The answer to W4 does not come. Deleting the intent settles what happened.
fn give_up(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    if !world.give_up {
        return;
    }
    let mut next = *state;
    next.writers[w].step = WriterStep::AnsweredFailed;
    next.writers[w].stray_commit = true;
    if world.has(Rule::GiveUpDeletesIntent) {
        next.database.intents[w] = None;
        steps.add(next, || format!("w{w} W5 gives up on W4: intent deleted, answers FAILED"));
    } else {
        steps.add(next, || format!("w{w} W5 gives up on W4: answers FAILED"));
    }
}

/// W5.
fn answer(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    let db = &state.database;
    if db.applied[world.request_of(w)] == 0 && world.touches(w, db.value()) != 0 {
        return steps.violation(|| format!("w{w} W5 answers OK, but its effect is not in the data"));
    }
    let mut next = *state;
    next.writers[w].step = WriterStep::AnsweredOk;
    next.known = next.known.max(state.writers[w].effect);
    steps.add(next, || format!("w{w} W5 answers OK"));
}

/// After a refusal: deletes what is left of the intent; tries again or fails. FAILED tells that
/// the data changed: what was seen of it is known from then on.
fn refused(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    if shared_commit::locks_intent(world, state, w) {
        return;
    }
    let mut next = *state;
    let writer = &mut next.writers[w];
    let conflict = writer.expected.is_some();
    let again = writer.attempts_left > 0 && !conflict;
    let outcome = if again { "back to W0" } else { "answers FAILED" };
    if state.is_committed(w) {
        return steps.violation(|| format!("w{w} {outcome}, but its write took effect"));
    }
    writer.step = if again { WriterStep::Idle } else { WriterStep::AnsweredFailed };
    next.known = next.known.max(state.writers[w].effect);
    if next.database.intents[w].is_some_and(|intent| intent.seq == state.writers[w].seq) {
        next.database.intents[w] = None;
    }
    steps.add(next, || format!("w{w} deletes its intent, {outcome}"));
}
