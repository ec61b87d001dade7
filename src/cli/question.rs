use super::{
    Answer, CliError, Exit, Output, QuestionArguments, ServerArguments, SubjectName,
    arguments::AboutArguments,
    connection::call,
    report::{counted_table, decision},
    tree, words,
};
use crate::pb::{self, authorization_service_client::AuthorizationServiceClient};

pub(super) async fn check(
    question: &QuestionArguments,
    server: &ServerArguments,
) -> Result<Answer, CliError> {
    let request = request(question, server)?;
    let response = call!(server, AuthorizationServiceClient.check(request));
    Ok(show_check(&response, server.output))
}

/// Converts a question to a check request.
pub(super) fn request(
    question: &QuestionArguments,
    server: &ServerArguments,
) -> Result<pb::CheckRequest, CliError> {
    let QuestionArguments {
        subject,
        action,
        about,
    } = question;
    let (resource, context) = about.render()?;
    Ok(pb::CheckRequest {
        tenant: server.tenant.clone(),
        subject: Some(subject.render()),
        action: action.clone(),
        resource,
        context,
        minimum_revision: 0,
    })
}

pub(super) async fn explain(
    question: &QuestionArguments,
    server: &ServerArguments,
) -> Result<Answer, CliError> {
    let pb::CheckRequest {
        tenant,
        subject,
        action,
        resource,
        context,
        minimum_revision,
    } = request(question, server)?;
    let request = pb::ExplainRequest {
        tenant,
        subject,
        action,
        resource,
        context,
        minimum_revision,
    };
    let response = call!(server, AuthorizationServiceClient.explain(request));
    Ok(show_explanation(&response, server.output))
}

pub(super) async fn list_actions(
    subject: &SubjectName,
    about: &AboutArguments,
    server: &ServerArguments,
) -> Result<Answer, CliError> {
    let (resource, context) = about.render()?;
    let request = pb::ListActionsRequest {
        tenant: server.tenant.clone(),
        subject: Some(subject.render()),
        resource,
        context,
        minimum_revision: 0,
    };
    let response = call!(server, AuthorizationServiceClient.list_actions(request));
    Ok(show_actions(&response, server.output))
}

fn show_check(response: &pb::CheckResponse, output: Output) -> Answer {
    let answer = pb::Decision {
        allowed: response.allowed,
        edit_mode: response.edit_mode,
        level: response.level,
        reason: response.reason.clone(),
    };
    Answer::of(output, response, || decision(&answer, response.revision))
        .with_exit(Exit::of(response.allowed))
}

fn show_explanation(response: &pb::ExplainResponse, output: Output) -> Answer {
    let answer = response.decision.clone().unwrap_or_default();
    let text = || decision(&answer, response.revision) + "\n" + &tree::draw(response);
    Answer::of(output, response, text).with_exit(Exit::of(answer.allowed))
}

fn show_actions(response: &pb::ListActionsResponse, output: Output) -> Answer {
    let pb::ListActionsResponse { actions, revision } = response;
    Answer::of(output, response, || {
        let rows = actions.iter().map(|allowed| {
            let mode = words::edit_mode(allowed.edit_mode()).unwrap_or_default();
            vec![allowed.action.clone(), mode]
        });
        counted_table(
            &["action", "edit mode"],
            rows.collect(),
            "action",
            *revision,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_status_is_0_if_allowed_and_1_if_denied() {
        for (allowed, status) in [(true, 0), (false, 1)] {
            let response = pb::CheckResponse {
                allowed,
                ..Default::default()
            };
            for output in [Output::Table, Output::Json] {
                assert_eq!(show_check(&response, output).exit.status(), status);
            }
        }
    }

    #[test]
    fn actions_are_printed_as_table_or_as_json() {
        let response = pb::ListActionsResponse {
            actions: vec![
                pb::AllowedAction {
                    action: "view".to_owned(),
                    edit_mode: 0,
                },
                pb::AllowedAction {
                    action: "edit".to_owned(),
                    edit_mode: pb::EditMode::Proposal.into(),
                },
            ],
            revision: 3,
        };
        insta::assert_snapshot!(show_actions(&response, Output::Table).out, @r#"
        action  edit mode
        view
        edit    proposal
        2 actions at revision 3
        "#);
        insta::assert_snapshot!(show_actions(&response, Output::Json).out, @r#"
        {
          "actions": [
            {
              "action": "view",
              "edit_mode": null
            },
            {
              "action": "edit",
              "edit_mode": "proposal"
            }
          ],
          "revision": 3
        }
        "#);
    }
}
