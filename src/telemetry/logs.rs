//! How log lines look and which are written.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// What a log line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// What is written unless `RUST_LOG` says otherwise. The crates below us tell
/// every step of a migration at level `info`.
const USUAL: &str = "info,refinery_core=warn,tokio_postgres=warn";

/// Starts writing log lines to standard error: those of level `info` and
/// above, unless `RUST_LOG` says otherwise. Only the first call counts.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second start finds a subscriber in place; that one stays.
    let _first_wins = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}
