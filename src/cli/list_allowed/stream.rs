use serde_json::json;
use tokio::time::timeout;

use crate::{
    cli::{
        CliError,
        connection::{Line, PATIENCE},
        report::line,
        resuming::{Interruption, Tries},
        rows::Rows,
        words,
    },
    pb::{
        self, authorization_service_client::AuthorizationServiceClient,
        stream_allowed_response::Event,
    },
};

/// Prints a whole list, over as many streams as necessary; returns the revision
/// at which it ended.
///
/// # Errors
///
/// [`CliError`] if the list is incomplete.
pub(super) async fn follow(
    mut client: AuthorizationServiceClient<Line>,
    mut request: pb::StreamAllowedRequest,
    mut tries: Tries,
    rows: &mut Rows<'_>,
) -> Result<u64, CliError> {
    loop {
        let count = rows.count();
        let interruption = match stream(&mut client, &mut request, rows).await {
            Ok(revision) => return Ok(revision),
            Err(interruption) => interruption,
        };
        if rows.count() > count {
            tries.refill();
        }
        // Without a token the list would restart and print rows twice.
        if rows.count() > 0 && request.resume_token.is_empty() {
            return Err(interruption.error());
        }
        tries.wait(interruption).await?;
    }
}

/// Prints the rows of one stream; stores each batch's resume token in the request.
async fn stream(
    client: &mut AuthorizationServiceClient<Line>,
    request: &mut pb::StreamAllowedRequest,
    rows: &mut Rows<'_>,
) -> Result<u64, Interruption> {
    let before = rows.count();
    let answered = in_time(client.stream_allowed(request.clone())).await?;
    let mut events = answered.into_inner();
    let mut end = None;
    while let Some(response) = in_time(events.message()).await? {
        match response.event {
            Some(Event::Batch(batch)) => {
                let token = print(batch, rows).map_err(Interruption::Final)?;
                request.resume_token = token;
            }
            Some(Event::End(stream_end)) => end = Some(stream_end),
            None => {}
        }
    }
    let Some(pb::StreamEnd { revision, count }) = end else {
        return Err(Interruption::passing(CliError::NoEnd));
    };
    let arrived = (rows.count() - before) as u64;
    if arrived != count {
        let sent = count;
        return Err(Interruption::Final(CliError::Lost { sent, arrived }));
    }
    Ok(revision)
}

/// Prints a batch; returns the token to resume after it.
fn print(batch: pb::AllowedBatch, rows: &mut Rows<'_>) -> Result<String, CliError> {
    let pb::AllowedBatch {
        resources,
        ids,
        resume_token,
    } = batch;
    rows.print(&resources, id_and_level)?;
    rows.print_as(&ids, String::clone, |id| line(&json!({ "id": id })))?;
    Ok(resume_token)
}

/// Renders a resource as its id, a tab and the level.
fn id_and_level(resource: &pb::AllowedResource) -> String {
    match words::level(resource.level()) {
        Some(level) => format!("{}\t{level}", resource.id),
        None => resource.id.clone(),
    }
}

async fn in_time<T>(
    answer: impl Future<Output = Result<T, tonic::Status>>,
) -> Result<T, Interruption> {
    match timeout(PATIENCE, answer).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(Interruption::passing(CliError::Silent(PATIENCE))),
    }
}
