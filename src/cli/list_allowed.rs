//! `pim-authz list-allowed`: prints one page of the resources that a subject may
//! access, or streams all of them.

mod stream;

use std::io::{self, BufWriter, Write};

use super::{
    Answer, CliError, ListAllowedArguments, Output, PageArguments, ReachArguments,
    connection::{call, client},
    progress,
    report::counted_table,
    resuming::{FIRST_WAIT, Tries},
    rows::Rows,
    words,
};
use crate::pb::{self, authorization_service_client::AuthorizationServiceClient};

pub(super) async fn run(arguments: &ListAllowedArguments) -> Result<Answer, CliError> {
    if arguments.page.all {
        let mut out = BufWriter::new(io::stdout());
        return Ok(print_all(arguments, Tries::starting_at(FIRST_WAIT), &mut out).await);
    }
    let request = page_request(arguments);
    let response = call!(
        arguments.server,
        AuthorizationServiceClient.list_allowed(request)
    );
    Ok(show(&response, arguments.server.output))
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
    let pb::ListAllowedResponse {
        resources,
        next_page_token,
        revision,
    } = response;
    Answer::page(output, response, next_page_token, || {
        let rows = resources.iter().map(|resource| {
            let level = words::level(resource.level()).unwrap_or_default();
            vec![resource.id.clone(), level]
        });
        counted_table(&["id", "level"], rows.collect(), "resource", *revision)
    })
}

#[cfg(test)]
mod tests;
