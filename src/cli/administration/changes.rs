use std::{
    fmt,
    io::{self, BufWriter},
};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    cli::{
        Answer, CliError, Exit, Output, ServerArguments,
        arguments::{AuditCommand, ChangesArguments, WatchArguments},
        connection::{connect_to, patient},
        progress,
        report::{document, lines},
        resuming::{FIRST_WAIT, Tries},
        rows::Rows,
    },
    pb::{
        self, audit_service_client::AuditServiceClient,
        operations_service_client::OperationsServiceClient, watch_changes_response::Event,
    },
};

use super::writes::service;

/// A row of the audit log as printed: one line of text, or one JSON object.
#[derive(Debug, Serialize)]
struct Row {
    revision: u64,
    part: u32,
    time: String,
    actor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    caller: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    before: String,
    after: String,
    request_id: String,
}

impl Row {
    fn render(change: pb::Change) -> Self {
        let time = change.time.unwrap_or_default();
        Self {
            revision: change.revision,
            part: change.part,
            time: time.to_string(),
            actor: change.actor,
            caller: change.caller,
            kind: change.kind,
            item: change
                .item
                .map(|item| format!("{}:{}", item.r#type, item.id)),
            subject: change
                .subject
                .map(|subject| format!("{}:{}", subject.r#type, subject.id)),
            before: change.before,
            after: change.after,
            request_id: change.request_id,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            revision,
            part,
            time,
            actor,
            caller,
            kind,
            item,
            subject,
            before,
            after,
            request_id: _,
        } = self;
        let what = item.as_deref().or(subject.as_deref()).unwrap_or_default();
        let actor = if actor.is_empty() { "-" } else { actor };
        write!(f, "{revision}.{part}  {time}  {actor}")?;
        if !caller.is_empty() && !actor.ends_with(caller.as_str()) {
            write!(f, " by {caller}")?;
        }
        write!(f, "  {kind}  {what}")?;
        match (before.as_str(), after.as_str()) {
            ("", after) => write!(f, "  {after}"),
            (before, "") => write!(f, "  was {before}"),
            (before, after) => write!(f, "  {before} -> {after}"),
        }
    }
}

/// Tenant of the requested audit log; empty for the log of callers.
fn tenant(server: &ServerArguments, of_callers: bool) -> String {
    if of_callers {
        return String::new();
    }
    server.tenant.clone()
}

/// Prints every change that matches the filters, page by page.
pub(super) async fn list(arguments: &ChangesArguments) -> Result<Answer, CliError> {
    let mut out = BufWriter::new(io::stdout());
    let mut rows = Rows::new(&mut out, arguments.server.output, progress::rows());
    let ended = print_all(arguments, &mut rows).await;
    Ok(rows.end(ended, "change"))
}

async fn print_all(arguments: &ChangesArguments, rows: &mut Rows<'_>) -> Result<u64, CliError> {
    let ChangesArguments {
        actor,
        subject,
        item,
        after_revision,
        callers,
        server,
    } = arguments;
    let item = item.as_ref().map(|name| {
        let pb::Resource { r#type, id, .. } = name.render();
        pb::Item { r#type, id }
    });
    let mut request = pb::ListChangesRequest {
        tenant: tenant(server, *callers),
        callers: *callers,
        page_size: 1_000,
        actor: actor.clone(),
        subject: subject.as_ref().map(crate::cli::SubjectName::render),
        item,
        after_revision: *after_revision,
        ..Default::default()
    };
    let mut client = service!(AuditServiceClient, server);
    loop {
        let page = client.list_changes(patient(request.clone())).await?;
        let page = page.into_inner();
        rows.print(page.changes.into_iter().map(Row::render))?;
        if page.next_page_token.is_empty() {
            return Ok(page.revision);
        }
        request.page_token = page.next_page_token;
    }
}

/// Prints changes as they are committed, until the process is stopped; resumes
/// after the last one when the connection is lost.
pub(super) async fn watch(arguments: &WatchArguments) -> Result<Answer, CliError> {
    let mut out = BufWriter::new(io::stdout());
    let mut rows = Rows::new(&mut out, arguments.server.output, progress::rows());
    let mut at = (arguments.after_revision, 0);
    let mut tries = Tries::starting_at(FIRST_WAIT);
    loop {
        let broken = match follow(arguments, &mut at, &mut rows, &mut tries).await {
            Ok(status) => tries.wait(status.into()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = broken {
            return Ok(rows.end(Err(error), "change"));
        }
    }
}

/// Prints the changes of one stream; returns the status with which it broke off.
async fn follow(
    arguments: &WatchArguments,
    at: &mut (u64, u32),
    rows: &mut Rows<'_>,
    tries: &mut Tries,
) -> Result<tonic::Status, CliError> {
    let WatchArguments {
        after_revision: _,
        callers,
        server,
    } = arguments;
    let mut client = service!(AuditServiceClient, server);
    let request = pb::WatchChangesRequest {
        tenant: tenant(server, *callers),
        after_revision: at.0,
        after_part: at.1,
        callers: *callers,
    };
    let mut events = match client.watch_changes(request).await {
        Ok(events) => events.into_inner(),
        Err(status) => return Ok(status),
    };
    loop {
        match events.message().await {
            Ok(Some(message)) => {
                tries.refill();
                if let Some(Event::Change(change)) = message.event {
                    *at = (change.revision, change.part);
                    rows.print(std::iter::once(Row::render(change)))?;
                }
            }
            Ok(None) => return Ok(tonic::Status::unavailable("the stream ended")),
            Err(status) => return Ok(status),
        }
    }
}

pub(super) async fn verify(command: &AuditCommand) -> Result<Answer, CliError> {
    let AuditCommand::Verify {
        facts,
        callers,
        server,
    } = command;
    let mut client = service!(OperationsServiceClient, server);
    let request = pb::VerifyAuditRequest {
        tenant: tenant(server, *callers),
        facts: *facts,
        callers: *callers,
    };
    // No timeout: every row is read and hashed, which is slow for a large log.
    let report = client.verify_audit(request).await?.into_inner();
    let exit = if report.intact {
        Exit::Done
    } else {
        Exit::Denied
    };
    let shown = if server.output == Output::Json {
        document(&verified_json(report, *facts))
    } else {
        lines(verified_lines(report, *facts))
    };
    Ok(Answer::new(shown, exit))
}

fn verified_json(report: pb::VerifyAuditResponse, facts: bool) -> Value {
    let mut value = json!({
        "intact": report.intact,
        "revision": report.revision,
        "rows": report.rows,
        "erased_rows": report.erased_rows,
        "broken_revision": report.broken_revision,
        "problem": report.problem,
    });
    if let (true, Some(value)) = (facts, value.as_object_mut()) {
        value.insert("compared_facts".to_owned(), report.compared_facts.into());
        value.insert("different_facts".to_owned(), report.different_facts.into());
        value.insert("differences".to_owned(), report.differences.into());
    }
    value
}

fn verified_lines(report: pb::VerifyAuditResponse, facts: bool) -> Vec<String> {
    let pb::VerifyAuditResponse {
        intact: _,
        revision,
        rows,
        erased_rows,
        broken_revision,
        problem,
        compared_facts,
        different_facts,
        differences,
    } = report;
    let mut sentences = vec![if problem.is_empty() {
        format!(
            "intact: {rows} rows of {revision} writes; a name was erased from {erased_rows} of them"
        )
    } else {
        format!("broken at revision {broken_revision}: {problem}")
    }];
    if !facts {
        return sentences;
    }
    sentences.push(if different_facts == 0 {
        format!("each of {compared_facts} facts is what the log says")
    } else {
        format!("{different_facts} of {compared_facts} facts are not what the log says:")
    });
    let described = u64::try_from(differences.len()).unwrap_or(u64::MAX);
    sentences.extend(differences);
    let rest = different_facts.saturating_sub(described);
    if rest > 0 {
        sentences.push(format!("and {rest} more"));
    }
    sentences
}
