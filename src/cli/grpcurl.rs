//! Converts `check` command lines to requests, and requests to grpcurl commands.

use std::net::SocketAddr;

use clap::{CommandFactory as _, FromArgMatches as _, builder::Resettable};

use super::{Cli, CliError, ClientCommand, Command, json};
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
    let body = serde_json::to_string(&json::Message::without_unset(question)).unwrap_or_default();
    // Within single quotes a shell interprets nothing but the closing quote.
    let body = body.replace('\'', r"'\''");
    format!("grpcurl -plaintext -d '{body}' {server} pim.authz.v1.AuthorizationService/Check")
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
                r#"{"tenant":"x","subject":{"type":"user","id":"o'\''hara"},"action":"view","resource":{"type":"product","categories":{},"parent":"m"},"context":{"locale":"en_US"}}"#,
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
