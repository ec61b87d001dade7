//! `pim-authz demo`: runs a server on a private PostgreSQL, loads the worked
//! examples of the product's help pages, and prints sample questions with answers.

mod questions;
mod shell;
mod tenants;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::sync::oneshot;

use self::{
    questions::QUESTIONS,
    tenants::{DemoTenant, TENANTS},
};
use super::{
    RunError, ShutdownSignals, http_address, print, private_postgres::serve_embedded, resolve,
    start_logging,
};
use pim_authz::{
    cache::CacheSettings,
    cli::{self, CliError, ClientTlsArguments, DemoArguments, Exit, SourceFile},
    domain::Code,
    pb::{self, authorization_service_client::AuthorizationServiceClient},
    server::{CallerSettings, HttpSettings, Limits, ObservationSettings, ServeConfig},
};

/// Time that a watcher may take for one event: the default of `serve`.
const WATCH_PATIENCE: Duration = Duration::from_secs(30);

/// Time that calls under way may take to end at shutdown: the default of `serve`.
const DRAIN: Duration = Duration::from_secs(20);

/// Duration from which a call is logged as slow: the default of `serve`.
const SLOW: Duration = Duration::from_secs(1);

/// Tenant of the questions that name none.
const DEFAULT_TENANT: &str = "default";

pub(super) async fn run(arguments: DemoArguments) -> Result<Exit, RunError> {
    let DemoArguments {
        listen,
        data_dir,
        http,
        log,
    } = arguments;
    start_logging(log)?;
    let shutdown = ShutdownSignals::listen()?;
    let listen = resolve(&listen).await?;
    let (ready, address) = oneshot::channel();
    let http = http_address(http).await?;
    let config = |database_url, migrate_url, database_start| ServeConfig {
        listen,
        tls: None,
        database_url,
        migrate_url,
        database_start,
        default_tenant: default_tenant(),
        watch_patience: WATCH_PATIENCE,
        cache: CacheSettings::default(),
        drain: DRAIN,
        limits: Limits::default(),
        callers: CallerSettings::default(),
        observation: ObservationSettings {
            http,
            slow: Some(SLOW),
            decisions: None,
        },
        http: HttpSettings::default(),
    };
    let served = serve_embedded(data_dir, config, shutdown, ready);
    let mut serving = std::pin::pin!(served);
    tokio::select! {
        served = &mut serving => return served.map(|()| Exit::Done),
        shown = show(address) => shown?,
    }
    serving.await.map(|()| Exit::Done)
}

fn default_tenant() -> Code {
    #[expect(clippy::expect_used, reason = "a literal, which a test parses too")]
    DEFAULT_TENANT.parse().expect("the tenant's code is one")
}

/// Loads the demo tenants and prints the questions with answers, once the server runs.
async fn show(address: oneshot::Receiver<SocketAddr>) -> Result<(), RunError> {
    let Ok(address) = address.await else {
        // The server failed: `run` returns its error.
        return std::future::pending().await;
    };
    let address = reachable(address);
    for tenant in TENANTS {
        load(&tenant, address).await?;
    }
    print(introduction(address).as_bytes())?;
    for (number, (sentence, line)) in QUESTIONS.iter().enumerate() {
        let answer = check(line, address).await?;
        let question = cli::question_of(line, DEFAULT_TENANT)?;
        let grpcurl = cli::grpcurl_line(&question, address);
        let number = number + 1;
        let text =
            format!("{number:>2}. {sentence}\n    {line}\n    -> {answer}\n    {grpcurl}\n\n");
        print(text.as_bytes())?;
    }
    print(b"Serving until Ctrl-C.\n")
}

async fn load(demo: &DemoTenant, address: SocketAddr) -> Result<(), RunError> {
    let channel =
        cli::connect(&format!("http://{address}"), &ClientTlsArguments::default()).await?;
    let files = demo.files.iter();
    let files = files.map(|(name, content)| SourceFile::in_memory(name, content));
    let header = pb::ImportHeader {
        tenant: demo.tenant.to_owned(),
        actor: "user:demo".to_owned(),
        edition: demo.edition.into(),
        ..Default::default()
    };
    let end = cli::import_files(channel, header, files.collect()).await?;
    if let Some(refusal) = end.refusal {
        return Err(RunError::ImportRefused {
            tenant: demo.tenant,
            refusal,
        });
    }
    let (tenant, revision) = (demo.tenant, end.summary.revision);
    let pb::Effect {
        created, changed, ..
    } = end.summary.effect.unwrap_or_default();
    print(
        format!(
            "tenant `{tenant}` is at revision {revision}: {created} created, {changed} changed\n"
        )
        .as_bytes(),
    )
}

async fn check(line: &str, address: SocketAddr) -> Result<String, RunError> {
    let question = cli::question_of(line, DEFAULT_TENANT)?;
    let channel =
        cli::connect(&format!("http://{address}"), &ClientTlsArguments::default()).await?;
    let mut client = AuthorizationServiceClient::new(channel);
    let answered = client.check(question).await.map_err(CliError::from)?;
    let response = answered.into_inner();
    Ok(cli::answer_sentence(&pb::Decision {
        allowed: response.allowed,
        edit_mode: response.edit_mode,
        level: response.level,
        reason: response.reason,
    }))
}

/// Returns the address by which a client on this machine reaches a server that
/// listens on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        address.ip()
    };
    SocketAddr::new(ip, address.port())
}

fn introduction(address: SocketAddr) -> String {
    let mut text = format!(
        "\npim-authz answers on {address}. Call it from another terminal, with `pim-authz` itself \
         or with grpcurl."
    );
    let settings = shell::settings(address);
    if !settings.is_empty() {
        text.push_str(" First, once:\n\n    ");
        text.push_str(&settings.join("\n    "));
    }
    text.push_str("\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_converts_to_a_request_and_to_grpcurl() {
        let address: SocketAddr = "127.0.0.1:50051".parse().unwrap();
        assert_eq!(default_tenant().as_str(), DEFAULT_TENANT);
        for (_, line) in QUESTIONS {
            let question = cli::question_of(line, DEFAULT_TENANT).unwrap();
            assert!(cli::grpcurl_line(&question, address).contains(&question.action));
        }
    }
}
