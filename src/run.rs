//! Runs the commands: connects the command line, the server and the private
//! PostgreSQL. Belongs to the program, so that the library has no demo data.

mod demo;
mod error;
mod private_postgres;
mod shutdown_signals;

use std::{
    fs,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::{net::lookup_host, sync::oneshot};

pub(crate) use self::error::RunError;

use self::{private_postgres::serve_embedded, shutdown_signals::ShutdownSignals};
use pim_authz::{
    cache::{CacheMode, CacheSettings},
    cli::{
        self, Answer, BindingArguments, BootstrapArguments, CacheArguments, CallerArguments,
        CallerCommand, Command, CredentialsArgument, DatabaseArguments, DatabaseTlsArguments,
        DecisionLogArgument, Exit, HttpArguments, HttpListen, LimitArguments, ListenAddress,
        LogArguments, LogFormatArgument, MigrateArguments, ObservationArguments, OidcArguments,
        OnOff, ServeArguments, ServeTlsArguments, SslModeArgument,
    },
    domain::CallerKey,
    oidc::{KeyLocation, OidcSettings},
    server::{
        self, CallerRate, CallerSettings, CorsOrigins, Credentials, DatabaseStart,
        DecisionLogSettings, HttpSettings, Limits, LoggedDecisions, ObservationSettings, Plaintext,
        Reflection, RuntimeRole, ServeConfig, ServerError, SslMode, TlsFiles, TlsParameters,
    },
    telemetry::{
        logs::{self, LogFormat},
        traces::{self, TraceSettings},
    },
};

/// Runs a command and returns its result.
///
/// # Errors
///
/// [`RunError`] if the server or its database does not start, or fails.
pub(crate) async fn run(command: Command) -> Result<Exit, RunError> {
    match command {
        Command::Serve(arguments) => {
            let served = Box::pin(serve(arguments)).await;
            // It blocks until the spans are sent, which requires the runtime.
            tokio::task::spawn_blocking(traces::finish).await.ok();
            served
        }
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Migrate(MigrateArguments {
            database,
            database_tls,
            runtime_role,
            log,
        }) => {
            start_logging(log)?;
            let database_url = owner_url(database, database_tls)?;
            let report = server::migrate(&database_url, &RuntimeRole::of(runtime_role)).await?;
            print(format!("{report}\n").as_bytes())?;
            for line in &report.to_do {
                print(format!("{line}\n").as_bytes())?;
            }
            Ok(Exit::Done)
        }
        Command::Caller { command } => caller(command).await,
        Command::Completions { shell } => {
            print(&cli::completions(shell))?;
            Ok(Exit::Done)
        }
        Command::Client(command) => show(&cli::run(&command).await),
    }
}

/// Prints the answer of a client command.
fn show(answer: &Answer) -> Result<Exit, RunError> {
    print(answer.out.as_bytes())?;
    // Best effort: standard error may be closed.
    io::stderr().write_all(answer.err.as_bytes()).ok();
    Ok(answer.exit)
}

async fn caller(command: CallerCommand) -> Result<Exit, RunError> {
    match command {
        CallerCommand::Bootstrap(BootstrapArguments {
            database,
            database_tls,
            log,
        }) => {
            start_logging(log)?;
            let database_url = owner_url(database, database_tls)?;
            match server::bootstrap_caller(&database_url).await? {
                Some(key) => print_key(&key)?,
                None => print(b"nothing changed: there are callers already\n")?,
            }
            Ok(Exit::Done)
        }
        CallerCommand::NewKey => {
            let mut random = [0; CallerKey::RANDOM_BYTES];
            getrandom::fill(&mut random).map_err(|_| ServerError::NoRandomness)?;
            print_key(CallerKey::of(random).text())?;
            Ok(Exit::Done)
        }
        CallerCommand::Client(command) => show(&cli::run_callers(&command).await),
    }
}

/// Prints a key, which is printed nowhere else.
fn print_key(key: &SecretString) -> Result<(), RunError> {
    print(format!("{}\n", key.expose_secret()).as_bytes())
}

async fn serve(arguments: ServeArguments) -> Result<Exit, RunError> {
    let ServeArguments {
        listen,
        tls,
        database,
        database_tls,
        data_dir,
        default_tenant,
        cache,
        migrate,
        wait_for_database,
        drain_s,
        limits,
        callers,
        observation,
        http,
        log,
        watch_patience_s,
    } = arguments;
    start_logging(log)?;
    let observation = observation_settings(observation).await?;
    let http = http_settings(http)?;
    let shutdown = ShutdownSignals::listen()?;
    let listen = resolve(&listen).await?;
    let config = |database_url, migrate_url, database_start| ServeConfig {
        listen,
        tls: tls_files(tls),
        database_url,
        migrate_url,
        database_start,
        default_tenant,
        watch_patience: Duration::from_secs(watch_patience_s.into()),
        cache: cache_settings(cache),
        drain: Duration::from_secs(drain_s.into()),
        limits: self::limits(limits),
        callers: caller_settings(callers),
        observation,
        http,
    };
    let (ready, _address) = oneshot::channel();
    let Some(database_url) = database_url(database)? else {
        let served = serve_embedded(data_dir, config, shutdown, ready);
        return served.await.map(|()| Exit::Done);
    };
    let database_url = tls_parameters(database_tls).override_in(&database_url);
    let database_start = if wait_for_database {
        DatabaseStart::Awaited
    } else {
        DatabaseStart::Required
    };
    let migrate_url = migrate.then(|| database_url.clone());
    let config = config(database_url, migrate_url, database_start);
    server::serve(config, shutdown.came(), ready).await?;
    Ok(Exit::Done)
}

/// Returns the URL of the database, from its option or its file; `None` without.
fn database_url(arguments: DatabaseArguments) -> Result<Option<SecretString>, RunError> {
    let DatabaseArguments {
        database_url,
        database_url_file,
    } = arguments;
    let Some(file) = database_url_file else {
        return Ok(database_url);
    };
    let read: Result<SecretString, _> = fs::read_to_string(&file).map(Into::into);
    let read = read.map_err(|cause| RunError::DatabaseUrlFile { file, cause })?;
    Ok(Some(read.expose_secret().trim().into()))
}

/// Like [`database_url`], for a command that requires a database; with the TLS
/// options.
fn owner_url(
    arguments: DatabaseArguments,
    tls: DatabaseTlsArguments,
) -> Result<SecretString, RunError> {
    let url = database_url(arguments)?.ok_or(RunError::NoDatabase)?;
    Ok(tls_parameters(tls).override_in(&url))
}

fn http_settings(arguments: BindingArguments) -> Result<HttpSettings, RunError> {
    let BindingArguments {
        public_url,
        cors_origins,
    } = arguments;
    let public_url = public_url.map(|url| url.parse()).transpose();
    Ok(HttpSettings {
        public_url: public_url.map_err(RunError::PublicUrl)?,
        origins: CorsOrigins::new(&cors_origins).map_err(RunError::CorsOrigin)?,
    })
}

fn caller_settings(arguments: CallerArguments) -> CallerSettings {
    let CallerArguments {
        credentials,
        insecure,
        reflection,
        bootstrap_key_file,
        oidc,
    } = arguments;
    CallerSettings {
        credentials: credentials.map(|argument| match argument {
            CredentialsArgument::Required => Credentials::Required,
            CredentialsArgument::Optional => Credentials::Optional,
        }),
        plaintext: if insecure {
            Plaintext::Accepted
        } else {
            Plaintext::Refused
        },
        reflection: reflection.map(|argument| match argument {
            OnOff::On => Reflection::Served,
            OnOff::Off => Reflection::Hidden,
        }),
        bootstrap_key_file,
        oidc: oidc_settings(oidc),
    }
}

/// Converts the OIDC options; `None` without an issuer. The command line accepts
/// issuer and audience only together.
fn oidc_settings(arguments: OidcArguments) -> Option<OidcSettings> {
    let OidcArguments {
        issuer,
        audience,
        jwks,
        ca,
        algorithms,
    } = arguments;
    Some(OidcSettings {
        issuer: issuer?,
        audience: audience?,
        keys: KeyLocation::of(jwks.as_deref()),
        ca,
        algorithms,
    })
}

async fn observation_settings(
    arguments: ObservationArguments,
) -> Result<ObservationSettings, RunError> {
    let ObservationArguments {
        http,
        slow_request_ms,
        otlp_endpoint,
        trace_share,
        decision_log,
        decision_log_only,
        decision_log_share,
    } = arguments;
    if let Some(endpoint) = otlp_endpoint {
        let share = trace_share.get();
        let settings = TraceSettings { endpoint, share };
        traces::start(&settings).map_err(RunError::Traces)?;
    }
    let slow = (slow_request_ms > 0).then(|| Duration::from_millis(slow_request_ms.into()));
    Ok(ObservationSettings {
        http: http_address(http).await?,
        slow,
        decisions: decision_log.map(|file| DecisionLogSettings {
            file,
            of: match decision_log_only {
                DecisionLogArgument::All => LoggedDecisions::All,
                DecisionLogArgument::Denials => LoggedDecisions::Denials,
            },
            share: decision_log_share.get(),
        }),
    })
}

/// Resolves the address for metrics and probes; `None` if they are off.
async fn http_address(arguments: HttpArguments) -> Result<Option<SocketAddr>, RunError> {
    match arguments.http_listen {
        HttpListen::Off => Ok(None),
        HttpListen::On(listen) => resolve(&listen).await.map(Some),
    }
}

fn limits(arguments: LimitArguments) -> Limits {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Limits {
        call_bytes: count(arguments.call_mib).saturating_mul(1 << 20),
        connections: count(arguments.connections),
        calls_a_connection: arguments.calls_a_connection,
        caller_rate: NonZeroU32::new(arguments.caller_rate).map(|calls_per_second| CallerRate {
            calls_per_second,
            burst: arguments
                .caller_burst
                .and_then(NonZeroU32::new)
                .unwrap_or(calls_per_second),
        }),
        ..Limits::default()
    }
}

/// Converts the TLS options for callers; `None` without a certificate. The command
/// line accepts certificate and key only together.
fn tls_files(arguments: ServeTlsArguments) -> Option<TlsFiles> {
    let ServeTlsArguments {
        cert,
        key,
        client_ca,
    } = arguments;
    Some(TlsFiles {
        certificate: cert?,
        key: key?,
        client_ca,
    })
}

fn tls_parameters(arguments: DatabaseTlsArguments) -> TlsParameters {
    let DatabaseTlsArguments {
        sslmode,
        sslrootcert,
        sslcert,
        sslkey,
    } = arguments;
    let mode = |argument| match argument {
        SslModeArgument::Disable => SslMode::Disable,
        SslModeArgument::Prefer => SslMode::Prefer,
        SslModeArgument::Require => SslMode::Require,
        SslModeArgument::VerifyCa => SslMode::VerifyCa,
        SslModeArgument::VerifyFull => SslMode::VerifyFull,
    };
    TlsParameters {
        sslmode: sslmode.map(|argument| mode(argument).to_string()),
        sslrootcert,
        sslcert,
        sslkey,
    }
}

fn cache_settings(arguments: CacheArguments) -> CacheSettings {
    let milliseconds = |ms: u32| Duration::from_millis(ms.into());
    CacheSettings {
        mode: match arguments.cache {
            cli::CacheMode::On => CacheMode::On,
            cli::CacheMode::Off => CacheMode::Off,
        },
        bytes: u64::from(arguments.cache_mib) << 20,
        lease: milliseconds(arguments.lease_ms),
        poll: milliseconds(arguments.poll_ms),
        ..CacheSettings::default()
    }
}

/// Resolves the address of `--listen` or `--http-listen`: of a name the first
/// IPv4 address, or the first of another kind. `localhost` is 127.0.0.1 on every
/// machine.
async fn resolve(listen: &ListenAddress) -> Result<SocketAddr, RunError> {
    if listen.host().eq_ignore_ascii_case("localhost") {
        return Ok((Ipv4Addr::LOCALHOST, listen.port()).into());
    }
    let unknown = |cause| RunError::UnknownHost {
        listen: listen.clone(),
        cause,
    };
    let found = lookup_host((listen.host(), listen.port())).await;
    let found: Vec<SocketAddr> = found.map_err(unknown)?.collect();
    let first = found.iter().find(|address| address.is_ipv4());
    let first = first.or(found.first()).copied();
    first.ok_or_else(|| unknown(io::ErrorKind::NotFound.into()))
}

fn start_logging(arguments: LogArguments) -> Result<(), RunError> {
    let format = match arguments.log_format {
        LogFormatArgument::Text => LogFormat::Text,
        LogFormatArgument::Json => LogFormat::Json,
    };
    logs::start(format).map_err(RunError::Log)
}

/// Writes to standard output; a closed pipe is not an error.
fn print(text: &[u8]) -> Result<(), RunError> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(RunError::Output(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
