use std::{fmt, path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};

use crate::cli::listen_address::{ListenAddress, ListenAddressInvalid};

/// What those who watch a server see.
#[derive(Clone, Debug, Args)]
pub struct ObservationArguments {
    /// Where metrics and probes are served.
    #[command(flatten)]
    pub http: HttpArguments,
    /// From how many milliseconds on a call is logged as slow; streams never are.
    /// 0: none.
    #[arg(
        long,
        env = "PIM_AUTHZ_SLOW_REQUEST_MS",
        value_name = "MS",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(0..=3_600_000)
    )]
    pub slow_request_ms: u32,
    /// The URL of an OpenTelemetry collector that calls are traced to, by OTLP over
    /// gRPC, such as `http://localhost:4317`.
    #[arg(long, env = "PIM_AUTHZ_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// The share of calls that is traced, where their callers have not decided it by
    /// `traceparent`: from 0 to 1.
    #[arg(
        long,
        env = "PIM_AUTHZ_TRACE_SHARE",
        value_name = "SHARE",
        default_value = "0.01"
    )]
    pub trace_share: Share,
    /// A file, to which the decisions of Check and `BatchCheck` are added as lines of
    /// JSON: tenant, subject, action and resource, and the decision with its reason.
    #[arg(long, env = "PIM_AUTHZ_DECISION_LOG", value_name = "FILE")]
    pub decision_log: Option<PathBuf>,
    /// Which decisions are logged there.
    #[arg(
        long,
        env = "PIM_AUTHZ_DECISION_LOG_ONLY",
        value_enum,
        default_value_t = DecisionLogArgument::All
    )]
    pub decision_log_only: DecisionLogArgument,
    /// Of these the share that is logged, evenly: from 0 to 1.
    #[arg(
        long,
        env = "PIM_AUTHZ_DECISION_LOG_SHARE",
        value_name = "SHARE",
        default_value = "1"
    )]
    pub decision_log_share: Share,
}

/// Where metrics and probes are served.
#[derive(Clone, Debug, Args)]
pub struct HttpArguments {
    /// The address to serve metrics (`/metrics`) and probes (`/livez`, `/readyz`) on,
    /// over plain HTTP and without credentials, as HOST:PORT; `off`: nowhere.
    #[arg(
        long,
        env = "PIM_AUTHZ_HTTP_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9464"
    )]
    pub http_listen: HttpListen,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Args)]
pub struct LogArguments {
    /// What log lines look like, on standard error.
    #[arg(
        long,
        env = "PIM_AUTHZ_LOG_FORMAT",
        value_enum,
        default_value_t = LogFormatArgument::Text
    )]
    pub log_format: LogFormatArgument,
}

/// What log lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormatArgument {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Which decisions are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DecisionLogArgument {
    /// All.
    All,
    /// Denials alone.
    Denials,
}

/// The address of the HTTP listener, or `off`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpListen {
    /// No HTTP listener is started.
    Off,
    /// The HTTP listener binds to this address.
    On(ListenAddress),
}

/// The error for a text that is neither an address nor `off`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}, or `off`")]
pub struct HttpListenInvalid(ListenAddressInvalid);

impl FromStr for HttpListen {
    type Err = HttpListenInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::On).map_err(HttpListenInvalid)
    }
}

/// A share of calls or decisions, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// Returns the share, from 0 to 1.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

/// The error for a text that is not a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a share; write a number from 0 to 1, such as `0.01`")]
pub struct ShareInvalid;

impl FromStr for Share {
    type Err = ShareInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let share: f64 = text.parse().map_err(|_| ShareInvalid)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(ShareInvalid);
        }
        Ok(Self(share))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
