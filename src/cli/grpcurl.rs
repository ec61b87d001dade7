//! Converts `check` command lines to requests, and requests to grpcurl commands.

use std::net::SocketAddr;

use clap::{CommandFactory as _, FromArgMatches as _, builder::Resettable};
use serde::Serialize;

use super::{Cli, CliError, ClientCommand, Command};
use crate::pb;

/// Returns the request that a line such as `pim-authz check user:julia view`
/// sends. Environment variables are ignored; the tenant is left empty if it is
/// `default_tenant`.
///
/// # Errors
///
/// [`CliError`] if the line is not a `check` command.
pub fn question_of(line: &str, default_tenant: &str) -> Result<pb::CheckRequest, CliError> {
    let not_a_check = || CliError::Line(line.to_owned());
    let words = Cli::command().mut_subcommand("check", |check| {
        check.mut_args(|argument| argument.env(Resettable::Reset))
    });
    let matches = words
        .try_get_matches_from(line.split_whitespace())
        .map_err(|_| not_a_check())?;
    let cli = Cli::from_arg_matches(&matches).map_err(|_| not_a_check())?;
    let Command::Client(ClientCommand::Check { question, server }) = cli.command else {
        return Err(not_a_check());
    };
    let mut request = super::question::request(&question, &server)?;
    if request.tenant == default_tenant {
        request.tenant.clear();
    }
    Ok(request)
}

/// Returns the grpcurl command line that sends the same request.
#[must_use]
pub fn grpcurl_line(question: &pb::CheckRequest, server: SocketAddr) -> String {
    let body = serde_json::to_string(&Body::render(question)).unwrap_or_default();
    // Within single quotes a shell interprets nothing but the closing quote.
    let body = body.replace('\'', r"'\''");
    format!("grpcurl -plaintext -d '{body}' {server} pim.authz.v1.AuthorizationService/Check")
}

/// A check request as JSON, without unset fields.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Subject<'a>>,
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Resource<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context<'a>>,
}

#[derive(Serialize)]
struct Subject<'a> {
    r#type: &'a str,
    id: &'a str,
}

#[derive(Serialize)]
struct Resource<'a> {
    r#type: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    categories: Option<Categories<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a str>,
}

#[derive(Serialize)]
struct Categories<'a> {
    codes: &'a [String],
}

#[derive(Serialize)]
struct Context<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    channel: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    locale: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    attribute: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    attribute_group: &'a str,
}

impl<'a> Body<'a> {
    fn render(question: &'a pb::CheckRequest) -> Self {
        let pb::CheckRequest {
            tenant,
            subject,
            action,
            resource,
            context,
            minimum_revision: _,
        } = question;
        Self {
            tenant,
            subject: subject
                .as_ref()
                .map(|pb::Subject { r#type, id }| Subject { r#type, id }),
            action,
            resource: resource.as_ref().map(Resource::render),
            context: context.as_ref().map(Context::render),
        }
    }
}

impl<'a> Resource<'a> {
    fn render(resource: &'a pb::Resource) -> Self {
        let pb::Resource {
            r#type,
            id,
            categories,
            parent,
        } = resource;
        Self {
            r#type,
            id,
            categories: categories
                .as_ref()
                .map(|list| Categories { codes: &list.codes }),
            parent: parent.as_deref(),
        }
    }
}

impl<'a> Context<'a> {
    fn render(context: &'a pb::Context) -> Self {
        let pb::Context {
            channel,
            locale,
            attribute,
            attribute_group,
        } = context;
        Self {
            channel,
            locale,
            attribute,
            attribute_group,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grpcurl(line: &str) -> String {
        let question = question_of(line, "default").unwrap();
        grpcurl_line(&question, "127.0.0.1:50051".parse().unwrap())
    }

    #[test]
    fn grpcurl_line_sends_the_request_of_the_command() {
        let cases = [
            (
                "pim-authz check user:julia app.manage",
                r#"{"subject":{"type":"user","id":"julia"},"action":"app.manage"}"#,
            ),
            (
                "pim-authz check user:o'hara view product: --categories= --parent=m --locale en_US --tenant x",
                r#"{"tenant":"x","subject":{"type":"user","id":"o'\''hara"},"action":"view","resource":{"type":"product","id":"","categories":{"codes":[]},"parent":"m"},"context":{"locale":"en_US"}}"#,
            ),
        ];
        for (line, body) in cases {
            assert_eq!(
                grpcurl(line),
                format!(
                    "grpcurl -plaintext -d '{body}' 127.0.0.1:50051 pim.authz.v1.AuthorizationService/Check"
                )
            );
        }
    }

    #[test]
    fn line_without_a_check_command_is_rejected() {
        for line in ["pim-authz serve", "pim-authz check", "ls"] {
            assert!(question_of(line, "default").is_err(), "{line}");
        }
    }
}
