//! `pim-authz list-subjects`: prints one page of the subjects that may do an
//! action, or all pages.

use std::io::{self, BufWriter, Write};

use super::{
    Answer, CliError, ListSubjectsArguments, Output, PageArguments,
    connection::{call, client, patient},
    progress,
    report::lines,
    resuming::{FIRST_WAIT, Tries},
    rows::Rows,
    words,
};
use crate::pb::{self, authorization_service_client::AuthorizationServiceClient};

pub(super) async fn run(arguments: &ListSubjectsArguments) -> Result<Answer, CliError> {
    if arguments.page.all {
        let mut out = BufWriter::new(io::stdout());
        return Ok(print_all(arguments, Tries::starting_at(FIRST_WAIT), &mut out).await);
    }
    let request = request(arguments)?;
    let response = call!(
        arguments.server,
        AuthorizationServiceClient.list_subjects(request)
    );
    Ok(show(&response, arguments.server.output))
}

/// Prints all subjects; returns the closing message and the exit status.
async fn print_all(arguments: &ListSubjectsArguments, tries: Tries, out: &mut dyn Write) -> Answer {
    let mut rows = Rows::new(out, arguments.server.output, progress::rows());
    let ended = follow(arguments, tries, &mut rows).await;
    rows.end(ended, "subject")
}

fn request(arguments: &ListSubjectsArguments) -> Result<pb::ListSubjectsRequest, CliError> {
    let ListSubjectsArguments {
        action,
        about,
        subject_type,
        page:
            PageArguments {
                page_size,
                page_token,
                all: _,
            },
        server,
    } = arguments;
    let (resource, context) = about.render()?;
    Ok(pb::ListSubjectsRequest {
        tenant: server.tenant.clone(),
        action: action.clone(),
        resource,
        context,
        subject_type: subject_type.clone().unwrap_or_default(),
        page_size: page_size.unwrap_or_default(),
        page_token: page_token.clone().unwrap_or_default(),
        minimum_revision: 0,
    })
}

/// Prints all pages; returns the revision of the last one.
async fn follow(
    arguments: &ListSubjectsArguments,
    mut tries: Tries,
    rows: &mut Rows<'_>,
) -> Result<u64, CliError> {
    let mut request = request(arguments)?;
    let mut client = client(&arguments.server).await?;
    loop {
        let response = match client.list_subjects(patient(request.clone())).await {
            Ok(response) => response.into_inner(),
            Err(status) => {
                tries.wait(status.into()).await?;
                continue;
            }
        };
        tries.refill();
        rows.print(&response.subjects, words::subject_name)?;
        if response.next_page_token.is_empty() {
            return Ok(response.revision);
        }
        request.page_token = response.next_page_token;
    }
}

fn show(response: &pb::ListSubjectsResponse, output: Output) -> Answer {
    let pb::ListSubjectsResponse {
        subjects,
        next_page_token,
        revision,
    } = response;
    Answer::page(output, response, next_page_token, || {
        let count = words::counted_at(subjects.len(), "subject", *revision);
        lines(subjects.iter().map(words::subject_name).chain([count]))
    })
}

#[cfg(test)]
mod tests;
