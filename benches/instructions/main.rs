//! Counts the instructions of what every call needs, under callgrind: a decision from
//! facts, and a warm Check and a batch through the layers, the service and the cache. Each has a
//! limit, beyond which `scripts/check-instructions` fails. Clocks have no influence, and
//! the compiler little.

#![expect(
    missing_docs,
    reason = "the macros generate items without documentation"
)]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot start fails")]

mod facts;
mod server;

use std::hint::black_box;

use bytes::Bytes;
use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use pim_authz::{
    domain::Decision,
    engine::{self, Decider},
};

use self::{
    facts::{World, world},
    server::{BATCH_CHECK, CHECK, Server, warm, warm_batch},
};

// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[library_benchmark]
#[bench::of_3_groups(args = (3, 100), setup = world, config = at_most(530_000))]
#[bench::of_50_groups(args = (50, 100), setup = world, config = at_most(2_900_000))]
fn decisions((questions, facts): World) -> usize {
    let decisions = questions
        .iter()
        .map(|question| black_box(engine::decide(question, facts)));
    decisions.filter(Decision::is_allowed).count()
}

#[library_benchmark]
#[bench::of_one_user(args = (3, 1000), setup = world, config = at_most(7_700_000))]
fn batch((questions, facts): World) -> usize {
    let needed = black_box(engine::needs(questions));
    let mut decider = Decider::default();
    let allowed = questions
        .iter()
        .filter(|question| decider.decide(question, facts).is_allowed());
    allowed.count() + needed.subjects.len()
}

#[library_benchmark]
#[bench::of_3_groups(args = (3), setup = warm, config = at_most(48_000))]
#[bench::of_50_groups(args = (50), setup = warm, config = at_most(75_000))]
fn warm_check((server, question): (&'static Server, Bytes)) -> Bytes {
    server.call(CHECK, &question)
}

#[library_benchmark]
#[bench::of_one_user(args = (true), setup = warm_batch, config = at_most(13_800_000))]
#[bench::of_100_users(args = (false), setup = warm_batch, config = at_most(17_800_000))]
fn batch_of_1000((server, question): (&'static Server, Bytes)) -> Bytes {
    server.call(BATCH_CHECK, &question)
}

/// Fails a benchmark of more instructions.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    // PostgreSQL runs as it does otherwise.
    let mut callgrind = Callgrind::with_args(["--trace-children=no"]);
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    // The programs of PostgreSQL are found by it.
    config.pass_through_env("PATH");
    config
}

library_benchmark_group!(
    name = instructions,
    benchmarks = [decisions, batch, warm_check, batch_of_1000]
);
main!(library_benchmark_groups = instructions);
