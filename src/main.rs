//! The command `pim-authz`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use pim_authz::{
    cli::{Cli, Exit},
    run,
};

fn main() -> ExitCode {
    let ended = start(Cli::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Exit::Failed
    });
    ExitCode::from(ended.status())
}

fn start(cli: Cli) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    Ok(runtime.block_on(run::run(cli.command))?)
}
