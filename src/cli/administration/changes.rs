use std::io::{self, BufWriter};

use crate::{
    cli::{
        Answer, CliError, Exit, ServerArguments,
        arguments::{AuditCommand, ChangesArguments, WatchArguments},
        connection::{patient, service},
        names::{ResourceName, SubjectName},
        progress,
        report::lines,
        resuming::{FIRST_WAIT, Tries},
        rows::Rows,
        words,
    },
    pb::{
        self, audit_service_client::AuditServiceClient,
        operations_service_client::OperationsServiceClient, watch_changes_response::Event,
    },
};

/// Renders a change in one line.
fn change(change: &pb::Change) -> String {
    let pb::Change {
        revision,
        part,
        time,
        actor,
        kind,
        item,
        subject,
        before,
        after,
        caller,
        request_id: _,
        last: _,
        hash: _,
    } = change;
    let time = time.unwrap_or_default();
    let what = match (item, subject) {
        (Some(item), _) => words::item_name(Some(item)),
        (None, Some(subject)) => words::subject_name(subject),
        (None, None) => String::new(),
    };
    let by = if caller.is_empty() || actor.ends_with(caller.as_str()) {
        String::new()
    } else {
        format!(" by {caller}")
    };
    let actor = if actor.is_empty() { "-" } else { actor };
    let values = match (before.as_str(), after.as_str()) {
        ("", after) => after.to_owned(),
        (before, "") => format!("was {before}"),
        (before, after) => format!("{before} -> {after}"),
    };
    format!("{revision}.{part}  {time}  {actor}{by}  {kind}  {what}  {values}")
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
    let mut request = pb::ListChangesRequest {
        tenant: tenant(server, *callers),
        callers: *callers,
        page_size: 1_000,
        actor: actor.clone(),
        subject: subject.as_ref().map(SubjectName::render),
        item: item.as_ref().map(ResourceName::item),
        after_revision: *after_revision,
        ..Default::default()
    };
    let mut client = service!(AuditServiceClient, server);
    loop {
        let page = client.list_changes(patient(request.clone())).await?;
        let page = page.into_inner();
        rows.print(&page.changes, change)?;
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
                if let Some(Event::Change(new)) = message.event {
                    *at = (new.revision, new.part);
                    rows.print(&[new], change)?;
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
    let text = || lines(verified_lines(&report, *facts));
    Ok(Answer::of(server.output, &report, text).with_exit(Exit::of(report.intact)))
}

fn verified_lines(report: &pb::VerifyAuditResponse, facts: bool) -> Vec<String> {
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
    sentences.push(if *different_facts == 0 {
        format!("each of {compared_facts} facts is what the log says")
    } else {
        format!("{different_facts} of {compared_facts} facts are not what the log says:")
    });
    let described = u64::try_from(differences.len()).unwrap_or(u64::MAX);
    sentences.extend(differences.iter().cloned());
    let rest = different_facts.saturating_sub(described);
    if rest > 0 {
        sentences.push(format!("and {rest} more"));
    }
    sentences
}
