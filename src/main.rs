//! The command `pim-authz`.

mod run;

use std::process::ExitCode;

use anyhow::Context as _;
use pim_authz::{
    cli::{Cli, Exit},
    server,
    telemetry::logs,
};

/// Returns freed memory to the system early; the allocator of glibc does so only
/// at the end of its heaps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (ended, error_text) = match start(Cli::of_process()) {
        Ok(exit) => (exit, String::new()),
        Err(error) => (Exit::Failed, format!("error: {error:#}\n")),
    };
    logs::finish(&error_text);
    ExitCode::from(ended.status())
}

fn start(cli: Cli) -> anyhow::Result<Exit> {
    let runtime = server::runtime().context("cannot start the runtime")?;
    Ok(runtime.block_on(run::run(cli.command))?)
}
