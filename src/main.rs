//! The command `pim-authz`.

use std::process::ExitCode;

use anyhow::Context as _;
use pim_authz::{
    cli::{Cli, Exit},
    run,
    telemetry::logs,
};

/// Gives memory back to the system once it is free, which the allocator of glibc
/// does only at the end of its heaps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (ended, last_words) = match start(Cli::of_process()) {
        Ok(exit) => (exit, String::new()),
        Err(error) => (Exit::Failed, format!("error: {error:#}\n")),
    };
    logs::finish(&last_words);
    ExitCode::from(ended.status())
}

fn start(cli: Cli) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    Ok(runtime.block_on(run::run(cli.command))?)
}
