//! W4s that wait for each other and share one transaction.
//!
//! A leader locks the tenant's row once. In a savepoint for each member it deletes
//! the member's intent and runs its change again, on what earlier members left.
//! Nobody is answered before the one COMMIT. If that is known to have failed, each
//! member runs alone; if its reply is lost, each finds out by its own intent.
//!
//! A member that failed may leave before COMMIT, or with it; after a failure the
//! members may share a transaction again. Both are more than the protocol does.

use crate::rules::Rule;
use crate::scenario::Scenario;
use crate::state::{SharedCommit, SharedStep, State, Verdict, View, WriterStep};
use crate::steps::Steps;
use crate::writer::{Rerun, depends_on_older, run_again};

/// Everything that the transaction may do next.
pub fn add_steps(world: &Scenario, state: &State, steps: &mut Steps) {
    match state.shared.step {
        SharedStep::Closed if world.shared => open(world, state, steps),
        SharedStep::Closed => {}
        SharedStep::Open if state.shared.is_complete() => {
            commit(world, state, steps);
            fail(world, state, steps);
            lose_reply(world, state, steps);
        }
        SharedStep::Open => {
            run_next(world, state, steps);
            fail(world, state, steps);
        }
        SharedStep::InFlight => {
            commit(world, state, steps);
            let mut next = *state;
            next.shared = SharedCommit::CLOSED;
            steps.add(next, || "the COMMIT never reaches the database: the transaction is rolled back".to_string());
        }
    }
}

/// Everything that a member may do next by itself.
pub fn add_member_steps(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    let writer = &state.writers[w];
    match writer.step {
        WriterStep::Shared => leave(world, state, w, steps),
        WriterStep::InDoubt if !world.has(Rule::SharedLookUpAfterDelete) => {
            look_up(world, state, w, WriterStep::FoundNothing, steps);
        }
        WriterStep::InDoubt if world.has(Rule::SharedUnknownDeletesIntent) => {
            delete_intent(world, state, w, WriterStep::LookingUp, steps);
        }
        WriterStep::InDoubt | WriterStep::LookingUp => look_up(world, state, w, WriterStep::Refused, steps),
        WriterStep::FoundNothing => delete_intent(world, state, w, WriterStep::Refused, steps),
        _ => {}
    }
}

/// A member does not wait for the end: it is back to W0 already, or its caller's time is up.
fn leave(world: &Scenario, state: &State, w: usize, steps: &mut Steps) {
    let mut next = *state;
    if matches!(state.shared.verdicts[w], Verdict::Stale(_)) {
        next.writers[w].step = WriterStep::Refused;
        steps.add(next, || format!("w{w} leaves the shared transaction"));
    } else if world.give_up {
        let finds_out = world.has(Rule::SharedGiveUpFindsOut);
        let step = if finds_out { WriterStep::InDoubt } else { WriterStep::AnsweredFailed };
        stop_waiting(world, &mut next, w, step);
        steps.add(next, || format!("w{w} stops waiting{}", if finds_out { "" } else { ", answers FAILED" }));
    }
}

/// Whether the transaction holds the lock on the intent row of `w`, so that others who delete it
/// wait. A rollback to a savepoint releases the locks that were taken since.
pub fn locks_intent(world: &Scenario, state: &State, w: usize) -> bool {
    state.shared.is_alive() && state.shared.verdicts[w].kept().is_some() && deletes_intent(world, state, w)
}

/// Ends the transaction with its connection: its members know that it failed, unless COMMIT may
/// have been sent.
pub fn disconnect(state: &mut State) {
    let step = if state.shared.is_complete() { WriterStep::InDoubt } else { WriterStep::Sent };
    for w in members(state) {
        state.writers[w].step = step;
        state.writers[w].effect = 0;
    }
    state.shared = SharedCommit::CLOSED;
}

fn members(state: &State) -> impl Iterator<Item = usize> + use<> {
    let writers = state.writers;
    (0..2).filter(move |w| writers[*w].step == WriterStep::Shared)
}

fn deletes_intent(world: &Scenario, state: &State, w: usize) -> bool {
    world.has(Rule::SharedOwnIntent) || w == usize::from(state.shared.first)
}

/// The leader locks the tenant's row for itself and the other.
fn open(world: &Scenario, state: &State, steps: &mut Steps) {
    let is_ready = |step: WriterStep| match step {
        WriterStep::Sent => true,
        WriterStep::Waiting => !world.has(Rule::SharedMembersWaited),
        _ => false,
    };
    if !state.writers.iter().all(|writer| is_ready(writer.step)) {
        return;
    }
    for first in 0..2 {
        let mut next = *state;
        next.shared = SharedCommit { step: SharedStep::Open, first, ..SharedCommit::CLOSED };
        for writer in &mut next.writers {
            writer.step = WriterStep::Shared;
        }
        steps.add(next, || format!("w{first} opens a transaction for both, and locks the tenant's row"));
    }
}

/// What the transaction sees: the database, with the effects of the members so far.
fn view(world: &Scenario, state: &State) -> View {
    let db = &state.database;
    let mut view = db.view();
    for (w, verdict) in state.shared.verdicts.into_iter().enumerate() {
        view.value &= !verdict.kept().unwrap_or(0);
        if matches!(verdict, Verdict::Effect(_)) {
            view.applied[world.request_of(w)] += 1;
            view.last_write = view.last_write.max(state.writers[w].seq);
        }
    }
    // One COMMIT is one instant, however many writes it commits.
    view.position += u8::from(view.value != db.value());
    view
}

/// Runs the W4 of the next member in a savepoint.
fn run_next(world: &Scenario, state: &State, steps: &mut Steps) {
    let first = usize::from(state.shared.first);
    let w = if state.shared.verdicts[first] == Verdict::Waits { first } else { 1 - first };
    let earlier = view(world, state);
    let (verdict, why) = judge(world, state, w, earlier);
    if matches!(verdict, Verdict::Effect(_)) {
        if depends_on_older(&state.writers[w], &earlier) {
            return steps.violation(|| format!("w{w} has an effect though the data changed since its caller's read"));
        }
        if earlier.applied[world.request_of(w)] > 0 {
            return steps.violation(|| format!("w{w} has an effect: the request takes effect twice"));
        }
    }
    let mut next = *state;
    next.shared.verdicts[w] = verdict;
    next.writers[w].effect = match verdict {
        Verdict::Waits | Verdict::Stale(_) => 0,
        Verdict::Effect(_) | Verdict::Unchanged | Verdict::Stored | Verdict::Refused(_) => view(world, &next).position,
    };
    let is_held = match verdict {
        Verdict::Unchanged => world.has(Rule::SharedNoOpHeld),
        Verdict::Stored => world.has(Rule::SharedRetryHeld),
        Verdict::Refused(_) => world.has(Rule::SharedRefusalHeld),
        Verdict::Waits | Verdict::Effect(_) | Verdict::Stale(_) => true,
    };
    if !is_held && next.writers[w].step == WriterStep::Shared {
        release(&mut next, w);
    }
    steps.add(next, || format!("w{w} in its savepoint: {why}"));
}

/// The verdict on a member, and its reason.
fn judge(world: &Scenario, state: &State, w: usize, mut view: View) -> (Verdict, &'static str) {
    let db = &state.database;
    if !world.has(Rule::SharedSeesEarlierKeys) {
        view.applied = db.applied;
    }
    if !world.has(Rule::SharedSeesEarlierRevision) {
        view.last_write = db.last_write;
    }
    let has_intent = has_intent(state, w) || !deletes_intent(world, state, w);
    let stays = |keys| if world.has(Rule::SharedSavepoint) { 0 } else { keys };
    match run_again(world, state, w, &view, has_intent) {
        Rerun::Stored => (Verdict::Stored, "its key is there"),
        Rerun::Clears(0) if !world.keyed => (Verdict::Unchanged, "nothing to change"),
        Rerun::Clears(keys) => (Verdict::Effect(keys), "it has an effect"),
        Rerun::Stale(why, keys) => (Verdict::Stale(stays(keys)), why),
        Rerun::Refused(keys) => (Verdict::Refused(stays(keys)), "changed since `expected_revision`"),
    }
}

fn has_intent(state: &State, w: usize) -> bool {
    state.database.intents[w].is_some_and(|intent| intent.seq == state.writers[w].seq)
}

/// Lets a member go with its verdict.
fn release(state: &mut State, w: usize) {
    state.writers[w].step = match state.shared.verdicts[w] {
        Verdict::Waits => WriterStep::Sent,
        Verdict::Effect(_) | Verdict::Unchanged | Verdict::Stored => WriterStep::Done,
        Verdict::Refused(_) | Verdict::Stale(_) => WriterStep::Refused,
    };
}

/// COMMIT takes place. Members that still wait for its reply get it.
fn commit(world: &Scenario, state: &State, steps: &mut Steps) {
    let after = view(world, state);
    let mut next = *state;
    next.database.clear(!after.value);
    next.database.applied = after.applied;
    next.database.last_write = after.last_write;
    for w in 0..2 {
        if locks_intent(world, state, w) {
            next.database.intents[w] = None;
        }
        // With a rule off, what a refused member changed may stay: that is an effect, too.
        if matches!(state.shared.verdicts[w], Verdict::Effect(_) | Verdict::Refused(1..)) {
            if has_given_up(state.writers[w].step) {
                return steps.violation(|| format!("the COMMIT takes place: w{w} was taken to have failed"));
            }
            next.database.commits[w] = state.writers[w].seq;
        }
    }
    for w in members(state) {
        release(&mut next, w);
    }
    next.shared = SharedCommit::CLOSED;
    steps.add(next, || format!("the shared transaction commits: the data is {:02b}", next.database.value()));
}

/// Whether a writer in this step no longer expects that its W4 takes effect.
fn has_given_up(step: WriterStep) -> bool {
    match step {
        WriterStep::Shared
        | WriterStep::InDoubt
        | WriterStep::LookingUp
        | WriterStep::FoundNothing
        | WriterStep::Sent
        | WriterStep::Done
        | WriterStep::AnsweredOk => false,
        WriterStep::Unused
        | WriterStep::Idle
        | WriterStep::Planned
        | WriterStep::EarlyRegistry
        | WriterStep::EarlyClock
        | WriterStep::Announced
        | WriterStep::Waiting
        | WriterStep::Refused
        | WriterStep::AnsweredFailed => true,
    }
}

/// The transaction is known to have failed: nothing of it stands, and each member runs alone.
fn fail(world: &Scenario, state: &State, steps: &mut Steps) {
    let mut next = *state;
    for w in members(state) {
        stop_waiting(world, &mut next, w, WriterStep::Sent);
    }
    next.shared = SharedCommit::CLOSED;
    steps.add(next, || "the shared transaction fails: nothing of it stands".to_string());
}

/// The reply to COMMIT is lost.
fn lose_reply(world: &Scenario, state: &State, steps: &mut Steps) {
    let mut next = *state;
    let unknown = if world.has(Rule::SharedUnknownIsNotFailure) { WriterStep::InDoubt } else { WriterStep::Sent };
    for w in members(state) {
        stop_waiting(world, &mut next, w, unknown);
    }
    next.shared.step = SharedStep::InFlight;
    steps.add(next, || "the reply to COMMIT is lost".to_string());
}

/// A member goes on without the reply. Its verdict is void.
fn stop_waiting(world: &Scenario, state: &mut State, w: usize, step: WriterStep) {
    let verdict = state.shared.verdicts[w];
    let is_held = matches!(verdict, Verdict::Unchanged | Verdict::Stored | Verdict::Refused(_));
    if is_held && !world.has(Rule::SharedFailureDropsAnswers) {
        release(state, w);
        return;
    }
    state.writers[w].step = step;
    if !matches!(verdict, Verdict::Effect(_)) || step == WriterStep::Sent {
        state.writers[w].effect = 0;
    }
}

/// Deletes the intent of a member in doubt: if its row was there, its W4 can never commit.
fn delete_intent(world: &Scenario, state: &State, w: usize, if_gone: WriterStep, steps: &mut Steps) {
    if locks_intent(world, state, w) {
        return;
    }
    let mut next = *state;
    if has_intent(state, w) {
        next.database.intents[w] = None;
        settle(world, &mut next, w, WriterStep::Refused);
        steps.add(next, || format!("w{w} deletes its intent: it never committed"));
    } else {
        next.writers[w].step = if_gone;
        steps.add(next, || format!("w{w} finds its intent gone"));
    }
}

/// Looks up the commit row of a member in doubt.
fn look_up(world: &Scenario, state: &State, w: usize, if_absent: WriterStep, steps: &mut Steps) {
    let mut next = *state;
    let of_group = || state.database.commits.contains(&state.writers[w].seq);
    if state.is_committed(w) || (!world.has(Rule::SharedCommitRowOfMember) && of_group()) {
        settle(world, &mut next, w, WriterStep::Done);
        steps.add(next, || format!("w{w} finds its commit row"));
    } else {
        settle(world, &mut next, w, if_absent);
        steps.add(next, || format!("w{w} finds no commit row"));
    }
}

/// Ends the doubt of a member.
fn settle(world: &Scenario, state: &mut State, w: usize, step: WriterStep) {
    for (member, writer) in state.writers.iter_mut().enumerate() {
        let follows = !world.has(Rule::SharedOutcomeByOwnIntent) && writer.step == WriterStep::InDoubt;
        if member == w || follows {
            writer.step = step;
            if step != WriterStep::Done {
                writer.effect = 0;
            }
        }
    }
}
