//! `pim-authz list-allowed`: prints one page of the resources that a subject may
//! access, or streams all of them.

mod stream;

use std::io::{self, BufWriter, Write};

use super::{
    Answer, CliError, Exit, ListAllowedArguments, Output, PageArguments, ReachArguments,
    connection::{client, patient},
    json, progress,
    report::{document, more_line, table},
    resuming::{FIRST_WAIT, Tries},
    rows::Rows,
    words,
};
use crate::pb;

pub(super) async fn run(arguments: &ListAllowedArguments) -> Result<Answer, CliError> {
    if arguments.page.all {
        let mut out = BufWriter::new(io::stdout());
        return Ok(print_all(arguments, Tries::starting_at(FIRST_WAIT), &mut out).await);
    }
    let mut client = client(&arguments.server).await?;
    let response = client
        .list_allowed(patient(page_request(arguments)))
        .await?;
    Ok(show(response.get_ref(), arguments.server.output))
}

/// Prints all rows; returns the closing message and the exit status.
async fn print_all(arguments: &ListAllowedArguments, tries: Tries, out: &mut dyn Write) -> Answer {
    let mut rows = Rows::new(out, arguments.server.output, progress::rows());
    let ended = match client(&arguments.server).await {
        Ok(client) => stream::follow(client, stream_request(arguments), tries, &mut rows).await,
        Err(error) => Err(error),
    };
    rows.end(ended, "resource")
}

fn page_request(arguments: &ListAllowedArguments) -> pb::ListAllowedRequest {
    let ReachArguments {
        subject,
        action,
        resource_type,
        context,
    } = &arguments.reach;
    let PageArguments {
        page_size,
        page_token,
        all: _,
    } = &arguments.page;
    pb::ListAllowedRequest {
        tenant: arguments.server.tenant.clone(),
        subject: Some(subject.render()),
        action: action.clone(),
        resource_type: resource_type.clone(),
        context: context.render(),
        filter: arguments.filter.render(),
        page_size: page_size.unwrap_or_default(),
        page_token: page_token.clone().unwrap_or_default(),
        minimum_revision: 0,
    }
}

fn stream_request(arguments: &ListAllowedArguments) -> pb::StreamAllowedRequest {
    let pb::ListAllowedRequest {
        tenant,
        subject,
        action,
        resource_type,
        context,
        filter,
        page_size,
        page_token: _,
        minimum_revision,
    } = page_request(arguments);
    pb::StreamAllowedRequest {
        tenant,
        subject,
        action,
        resource_type,
        context,
        filter,
        batch_size: page_size,
        resume_token: String::new(),
        minimum_revision,
        ids_only: arguments.ids_only,
    }
}

fn show(response: &pb::ListAllowedResponse, output: Output) -> Answer {
    if output == Output::Json {
        let page = json::Message::of("ListAllowedResponse", response);
        return Answer::new(document(&page), Exit::Done);
    }
    let pb::ListAllowedResponse {
        resources,
        next_page_token,
        revision,
    } = response;
    let rows = resources.iter().map(|resource| {
        let level = words::level(resource.level()).unwrap_or_default();
        vec![resource.id.clone(), level]
    });
    let count = words::counted(resources.len(), "resource");
    let count = format!("{count} at revision {revision}\n");
    let out = if resources.is_empty() {
        count
    } else {
        table(&["id", "level"], rows.collect()) + &count
    };
    Answer {
        out,
        err: more_line(next_page_token),
        exit: Exit::Done,
    }
}

#[cfg(test)]
mod tests;
