use std::time::Duration;

use tonic::{Request, transport::Channel};

use super::{
    Answer, CliError, Exit, Output, QuestionArguments, ResourceName, ServerArguments, SubjectName,
    arguments::ContextArguments,
    connect, json,
    report::{decision, document, table},
    tree, words,
};
use crate::pb::{self, authorization_service_client::AuthorizationServiceClient};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer: every action there is takes a hundredth of it.
const LONGEST_ANSWER: usize = 64 << 20;

pub(super) async fn check(
    question: &QuestionArguments,
    server: &ServerArguments,
) -> Result<Answer, CliError> {
    let request = request(question, server)?;
    let mut client = client(server).await?;
    let response = client.check(patient(request)).await?.into_inner();
    Ok(show_check(&response, server.output))
}

/// A question as a request asks it.
pub(super) fn request(
    question: &QuestionArguments,
    server: &ServerArguments,
) -> Result<pb::CheckRequest, CliError> {
    let QuestionArguments {
        subject,
        action,
        resource,
        context,
    } = question;
    let (resource, context) = surroundings(resource.as_ref(), context)?;
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
    let mut client = client(server).await?;
    let response = client.explain(patient(request)).await?.into_inner();
    Ok(show_explanation(&response, server.output))
}

pub(super) async fn list_actions(
    subject: &SubjectName,
    resource: Option<&ResourceName>,
    context: &ContextArguments,
    server: &ServerArguments,
) -> Result<Answer, CliError> {
    let (resource, context) = surroundings(resource, context)?;
    let request = pb::ListActionsRequest {
        tenant: server.tenant.clone(),
        subject: Some(subject.render()),
        resource,
        context,
        minimum_revision: 0,
    };
    let mut client = client(server).await?;
    let response = client.list_actions(patient(request)).await?.into_inner();
    Ok(show_actions(&response, server.output))
}

async fn client(server: &ServerArguments) -> Result<AuthorizationServiceClient<Channel>, CliError> {
    let client = AuthorizationServiceClient::new(connect(&server.server).await?);
    Ok(client.max_decoding_message_size(LONGEST_ANSWER))
}

fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// The resource and the context of a question as a request carries them.
fn surroundings(
    resource: Option<&ResourceName>,
    said: &ContextArguments,
) -> Result<(Option<pb::Resource>, Option<pb::Context>), CliError> {
    let Some(resource) = resource else {
        return match said.needs_resource() {
            Some(option) => Err(CliError::NeedsResource(option)),
            None => Ok((None, None)),
        };
    };
    let categories = said.categories.as_ref();
    let resource = pb::Resource {
        categories: categories.map(|categories| pb::CategoryList {
            codes: categories.0.clone(),
        }),
        parent: said.parent.clone(),
        ..resource.render()
    };
    let context = pb::Context {
        channel: said.channel.clone().unwrap_or_default(),
        locale: said.locale.clone().unwrap_or_default(),
        attribute: said.attribute.clone().unwrap_or_default(),
        attribute_group: said.attribute_group.clone().unwrap_or_default(),
    };
    let context = (context != pb::Context::default()).then_some(context);
    Ok((Some(resource), context))
}

fn show_check(response: &pb::CheckResponse, output: Output) -> Answer {
    let answer = pb::Decision {
        allowed: response.allowed,
        edit_mode: response.edit_mode,
        level: response.level,
        reason: response.reason.clone(),
    };
    let out = match output {
        Output::Table => decision(&answer, response.revision),
        Output::Json => document(&json::Check::render(&answer, response.revision)),
    };
    Answer::new(out, Exit::of(response.allowed))
}

fn show_explanation(response: &pb::ExplainResponse, output: Output) -> Answer {
    let answer = response.decision.clone().unwrap_or_default();
    let out = match output {
        Output::Table => decision(&answer, response.revision) + "\n" + &tree::draw(response),
        Output::Json => document(&json::Explain::render(response)),
    };
    Answer::new(out, Exit::of(answer.allowed))
}

fn show_actions(response: &pb::ListActionsResponse, output: Output) -> Answer {
    let out = match output {
        Output::Json => document(&json::Actions::render(response)),
        Output::Table if response.actions.is_empty() => {
            format!("no actions at revision {}\n", response.revision)
        }
        Output::Table => {
            let rows = response.actions.iter().map(|allowed| {
                let mode = words::edit_mode(allowed.edit_mode()).unwrap_or_default();
                vec![allowed.action.clone(), mode]
            });
            let count = match response.actions.len() {
                1 => "1 action".to_owned(),
                count => format!("{count} actions"),
            };
            table(&["action", "edit mode"], rows.collect())
                + &format!("{count} at revision {}\n", response.revision)
        }
    };
    Answer::new(out, Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_without_a_resource_is_refused_before_anyone_is_asked() {
        let said = ContextArguments {
            locale: Some("en_US".to_owned()),
            ..Default::default()
        };
        let error = surroundings(None, &said).unwrap_err();
        assert!(matches!(error, CliError::NeedsResource("--locale")));
        assert_eq!(
            surroundings(None, &ContextArguments::default()).unwrap(),
            (None, None)
        );
    }

    #[test]
    fn a_context_of_which_nothing_is_said_is_absent() {
        let hat: ResourceName = "product:hat".parse().unwrap();
        let said = ContextArguments {
            categories: Some("".parse().unwrap()),
            parent: Some(String::new()),
            ..Default::default()
        };
        let (resource, context) = surroundings(Some(&hat), &said).unwrap();
        assert_eq!(context, None);
        let resource = resource.unwrap();
        assert_eq!(resource.categories, Some(pb::CategoryList::default()));
        assert_eq!(resource.parent, Some(String::new()));
    }

    #[test]
    fn a_denial_ends_with_status_1_and_an_allow_with_0() {
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
    fn the_actions_are_a_table_for_people_and_a_list_for_programs() {
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
