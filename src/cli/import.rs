//! `pim-authz import`: streams a directory of CSV files to a server and prints
//! the result.

mod feed;
mod sources;
mod summary;

use std::{path::Path, pin::pin};

use indicatif::ProgressBar;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, transport::Channel};

pub use self::sources::SourceFile;

use self::sources::Sources;
use super::{
    Answer, CliError, ImportArguments, Refusal,
    connection::{Line, MAX_RESPONSE_BYTES, Token, connect_to},
    environment, json, progress,
    report::line,
};
use crate::pb::{self, import_catalog_response::Event, import_service_client::ImportServiceClient};

/// Maximum number of pieces that are queued for sending.
const MAX_QUEUED_PIECES: usize = 4;

/// The result of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportEnd {
    /// The summary that the server sent.
    pub summary: pb::ImportSummary,
    /// Why nothing was changed; `None`: it was applied, or would be in a dry run.
    pub refusal: Option<Refusal>,
}

/// Streams files to a server as one import.
///
/// # Errors
///
/// [`CliError`] if a file cannot be read, or the call ends without a summary.
pub async fn import_files(
    channel: Channel,
    header: pb::ImportHeader,
    files: Vec<SourceFile>,
) -> Result<ImportEnd, CliError> {
    let line = Line::new(channel, Token::default());
    send(line, header, files, &ProgressBar::hidden()).await
}

pub(super) async fn run(arguments: &ImportArguments) -> Result<Answer, CliError> {
    let sources = Sources::find(&arguments.dir)?;
    let line = connect_to(&arguments.server).await?;
    let bar = progress::bytes(sources.bytes);
    let ended = send(line, header(arguments), sources.files, &bar).await;
    bar.finish_and_clear();
    let mut end = ended?;
    sources::add_ignored(&mut end.summary, sources.ignored);
    if let Some(path) = &arguments.report {
        write_report(path, &end.summary)?;
    }
    Ok(summary::show(&end, arguments))
}

fn header(arguments: &ImportArguments) -> pb::ImportHeader {
    let edition = arguments.edition.map(pb::Edition::from);
    pb::ImportHeader {
        tenant: arguments.server.tenant.clone(),
        actor: environment::actor(arguments.actor.as_deref()),
        idempotency_key: String::new(),
        dry_run: arguments.dry_run,
        edition: edition.unwrap_or_default().into(),
        skip_bad_rows: arguments.skip_bad_rows,
        prune: arguments.prune || arguments.prune_all,
        prune_all: arguments.prune_all,
        product_key: arguments.product_key.clone().unwrap_or_default(),
    }
}

async fn send(
    line: Line,
    header: pb::ImportHeader,
    files: Vec<SourceFile>,
    bar: &ProgressBar,
) -> Result<ImportEnd, CliError> {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED_PIECES);
    let mut feeding = pin!(feed::feed(sender, header, files, bar));
    let mut calling = pin!(call(line, ReceiverStream::new(receiver), bar));
    tokio::select! {
        fed = &mut feeding => {
            let end = calling.await;
            // A failed feed may drop the stream only now (`feed::Failed`).
            fed.map_err(|failed| failed.error)?;
            end
        }
        // The server may respond before it has received everything.
        end = &mut calling => end,
    }
}

async fn call(
    line: Line,
    parts: ReceiverStream<pb::ImportCatalogRequest>,
    bar: &ProgressBar,
) -> Result<ImportEnd, CliError> {
    let mut client = ImportServiceClient::new(line).max_decoding_message_size(MAX_RESPONSE_BYTES);
    let mut events = client.import_catalog(parts).await?.into_inner();
    let mut received = None;
    let status: Option<Status> = loop {
        match events.message().await {
            Ok(Some(response)) => match response.event {
                Some(Event::Summary(summary)) => received = Some(summary),
                Some(Event::Progress(done)) => progress::show(bar, &done),
                None => {}
            },
            Ok(None) => break None,
            Err(status) => break Some(status),
        }
    };
    match (received, status) {
        (Some(summary), status) => Ok(ImportEnd {
            summary,
            refusal: status.as_ref().map(Refusal::parse),
        }),
        (None, Some(status)) => Err(status.into()),
        (None, None) => Err(CliError::NoSummary),
    }
}

/// Writes each refused row as one line of JSON; the file is empty without any.
fn write_report(path: &Path, summary: &pb::ImportSummary) -> Result<(), CliError> {
    let rows = summary.refused.iter().map(json::Message::of);
    let text: String = rows.map(|row| line(&row)).collect();
    std::fs::write(path, text).map_err(CliError::file("write", path))
}

#[cfg(test)]
mod tests;
