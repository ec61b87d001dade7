//! `pim-authz list-subjects`: prints one page of the subjects that may do an
//! action, or all pages.

use std::{
    fmt,
    io::{self, BufWriter, Write},
};

use serde::{Serialize, Serializer};

use super::{
    Answer, CliError, Exit, ListSubjectsArguments, Output, PageArguments,
    connection::{client, patient},
    json, progress,
    report::{document, lines, more_line},
    resuming::{FIRST_WAIT, Tries},
    rows::Rows,
    words,
};
use crate::pb;

pub(super) async fn run(arguments: &ListSubjectsArguments) -> Result<Answer, CliError> {
    if arguments.page.all {
        let mut out = BufWriter::new(io::stdout());
        return Ok(print_all(arguments, Tries::starting_at(FIRST_WAIT), &mut out).await);
    }
    let request = request(arguments)?;
    let mut client = client(&arguments.server).await?;
    let response = client.list_subjects(patient(request)).await?;
    Ok(show(response.get_ref(), arguments.server.output))
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
        rows.print(response.subjects.iter().map(SubjectRow))?;
        if response.next_page_token.is_empty() {
            return Ok(response.revision);
        }
        request.page_token = response.next_page_token;
    }
}

fn show(response: &pb::ListSubjectsResponse, output: Output) -> Answer {
    if output == Output::Json {
        let page = json::Message::of("ListSubjectsResponse", response);
        return Answer::new(document(&page), Exit::Done);
    }
    let pb::ListSubjectsResponse {
        subjects,
        next_page_token,
        revision,
    } = response;
    let names = subjects.iter().map(SubjectRow);
    let count = words::counted(subjects.len(), "subject");
    let count = format!("{count} at revision {revision}");
    Answer {
        out: lines(names.map(|name| name.to_string()).chain([count])),
        err: more_line(next_page_token),
        exit: Exit::Done,
    }
}

/// A subject; displayed as `user:julia`.
struct SubjectRow<'a>(&'a pb::Subject);

impl Serialize for SubjectRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json::Message::of("Subject", self.0).serialize(serializer)
    }
}

impl fmt::Display for SubjectRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pb::Subject { r#type, id } = self.0;
        write!(f, "{type}:{id}")
    }
}

#[cfg(test)]
mod tests;
