//! JSON output: the fields of the contract, under its names and in its order;
//! enums as words, unset fields as `null`.

mod listing;

use serde::Serialize;

pub(super) use self::listing::{AccessFilter, Allowed, AllowedId, AllowedPage, SubjectPage};

use super::{CliError, Refusal, words};
use crate::pb::{self, remedy::Grant};

#[derive(Serialize)]
pub(super) struct Check<'a> {
    #[serde(flatten)]
    decision: Decision<'a>,
    revision: u64,
}

#[derive(Serialize)]
pub(super) struct Explain<'a> {
    decision: Decision<'a>,
    root: Option<Step<'a>>,
    remedies: Vec<Remedy<'a>>,
    no_remedy_reason: &'a str,
    revision: u64,
}

#[derive(Serialize)]
pub(super) struct Actions<'a> {
    actions: Vec<AllowedAction<'a>>,
    revision: u64,
}

#[derive(Serialize)]
pub(super) struct Failed {
    error: Refusal,
}

#[derive(Serialize)]
struct Decision<'a> {
    allowed: bool,
    edit_mode: Option<String>,
    level: Option<String>,
    reason: Option<Reason<'a>>,
}

#[derive(Serialize)]
struct Reason<'a> {
    code: Option<String>,
    message: &'a str,
    item: Option<Named<'a>>,
    needed: Option<String>,
    held: Option<String>,
    permission: &'a str,
}

/// An item or a subject; displayed as `user:julia`.
#[derive(Serialize)]
pub(super) struct Named<'a> {
    r#type: &'a str,
    id: &'a str,
}

#[derive(Serialize)]
struct Step<'a> {
    rule: &'a str,
    axis: Option<String>,
    item: Option<Named<'a>>,
    needed: Option<String>,
    held: Option<String>,
    groups: &'a [String],
    roles: &'a [String],
    permission: &'a str,
    passed: bool,
    message: &'a str,
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Remedy<'a> {
    Access {
        group: &'a str,
        item: Option<Named<'a>>,
        level: Option<String>,
        apply_to_children: Option<bool>,
    },
    Permission {
        role: &'a str,
        permission: &'a str,
    },
    Scope {
        app: &'a str,
        scope: &'a str,
    },
    Membership {
        subject: Option<Named<'a>>,
        group: &'a str,
    },
}

#[derive(Serialize)]
struct AllowedAction<'a> {
    action: &'a str,
    edit_mode: Option<String>,
}

impl<'a> Check<'a> {
    pub(super) fn render(decision: &'a pb::Decision, revision: u64) -> Self {
        Self {
            decision: Decision::render(decision),
            revision,
        }
    }
}

impl<'a> Explain<'a> {
    pub(super) fn render(response: &'a pb::ExplainResponse) -> Self {
        static NOTHING: pb::Decision = pb::Decision {
            allowed: false,
            edit_mode: 0,
            level: 0,
            reason: None,
        };
        let pb::ExplainResponse {
            decision,
            root,
            remedies,
            no_remedy_reason,
            revision,
        } = response;
        let grants = remedies.iter().filter_map(|remedy| remedy.grant.as_ref());
        Self {
            decision: Decision::render(decision.as_ref().unwrap_or(&NOTHING)),
            root: root.as_ref().map(Step::render),
            remedies: grants.map(Remedy::render).collect(),
            no_remedy_reason,
            revision: *revision,
        }
    }
}

impl<'a> Actions<'a> {
    pub(super) fn render(response: &'a pb::ListActionsResponse) -> Self {
        let actions = response.actions.iter().map(|allowed| AllowedAction {
            action: &allowed.action,
            edit_mode: words::edit_mode(allowed.edit_mode()),
        });
        Self {
            actions: actions.collect(),
            revision: response.revision,
        }
    }
}

impl Failed {
    pub(super) fn render(error: &CliError) -> Self {
        Self {
            error: refusal(error),
        }
    }
}

/// Converts an error to a refusal; errors of the client itself have no code.
fn refusal(error: &CliError) -> Refusal {
    match error {
        CliError::Refused(refusal) => refusal.clone(),
        // The code of the cause is more useful than an empty code.
        CliError::NotWhole { cause, .. } => Refusal {
            message: error.to_string(),
            ..refusal(cause)
        },
        CliError::Address(_)
        | CliError::Scheme(_)
        | CliError::PlainAddress(_)
        | CliError::TlsFile(_)
        | CliError::Tls(_)
        | CliError::Untrusted { .. }
        | CliError::Unreachable { .. }
        | CliError::NeedsResource(_)
        | CliError::Word { .. }
        | CliError::NotConfirmed { .. }
        | CliError::Line(_)
        | CliError::NoFiles(_)
        | CliError::NoToken(_)
        | CliError::File { .. }
        | CliError::NoSummary
        | CliError::NoEnd
        | CliError::Lost { .. }
        | CliError::Silent(_)
        | CliError::Output(_) => Refusal {
            code: "",
            reason: String::new(),
            message: error.to_string(),
            fields: Vec::new(),
        },
    }
}

impl<'a> Decision<'a> {
    fn render(decision: &'a pb::Decision) -> Self {
        Self {
            allowed: decision.allowed,
            edit_mode: words::edit_mode(decision.edit_mode()),
            level: words::level(decision.level()),
            reason: decision.reason.as_ref().map(Reason::render),
        }
    }
}

impl<'a> Reason<'a> {
    fn render(reason: &'a pb::Reason) -> Self {
        Self {
            code: words::reason_code(reason.code()),
            message: &reason.message,
            item: reason.item.as_ref().map(Named::item),
            needed: words::level(reason.needed()),
            held: words::level(reason.held()),
            permission: &reason.permission,
        }
    }
}

impl<'a> Named<'a> {
    fn item(item: &'a pb::Item) -> Self {
        let pb::Item { r#type, id } = item;
        Self { r#type, id }
    }

    pub(super) fn subject(subject: &'a pb::Subject) -> Self {
        let pb::Subject { r#type, id } = subject;
        Self { r#type, id }
    }
}

impl<'a> Step<'a> {
    fn render(step: &'a pb::ExplainStep) -> Self {
        Self {
            rule: &step.rule,
            axis: words::reason_code(step.axis()),
            item: step.item.as_ref().map(Named::item),
            needed: words::level(step.needed()),
            held: words::level(step.held()),
            groups: &step.groups,
            roles: &step.roles,
            permission: &step.permission,
            passed: step.passed,
            message: &step.message,
            steps: step.steps.iter().map(Self::render).collect(),
        }
    }
}

impl<'a> Remedy<'a> {
    fn render(grant: &'a Grant) -> Self {
        match grant {
            Grant::Access(access) => Self::Access {
                group: &access.group,
                item: access.item.as_ref().map(Named::item),
                level: words::level(access.level()),
                apply_to_children: access.apply_to_children,
            },
            Grant::Permission(pb::RolePermission { role, permission }) => {
                Self::Permission { role, permission }
            }
            Grant::Scope(pb::AppScope { app, scope }) => Self::Scope { app, scope },
            Grant::Membership(pb::GroupMembership { subject, group }) => Self::Membership {
                subject: subject.as_ref().map(Named::subject),
                group,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanation_keeps_names_and_order_of_the_contract() {
        let response = pb::ExplainResponse {
            decision: Some(pb::Decision {
                level: pb::Level::None.into(),
                ..Default::default()
            }),
            root: Some(pb::ExplainStep {
                rule: "2.2".to_owned(),
                axis: pb::ReasonCode::Permission.into(),
                permission: "product.list".to_owned(),
                ..Default::default()
            }),
            remedies: vec![pb::Remedy {
                grant: Some(Grant::Permission(pb::RolePermission {
                    role: "reader".to_owned(),
                    permission: "product.list".to_owned(),
                })),
            }],
            revision: 9,
            ..Default::default()
        };
        let text = serde_json::to_string_pretty(&Explain::render(&response)).unwrap();
        insta::assert_snapshot!(text, @r#"
        {
          "decision": {
            "allowed": false,
            "edit_mode": null,
            "level": "none",
            "reason": null
          },
          "root": {
            "rule": "2.2",
            "axis": "permission",
            "item": null,
            "needed": null,
            "held": null,
            "groups": [],
            "roles": [],
            "permission": "product.list",
            "passed": false,
            "message": "",
            "steps": []
          },
          "remedies": [
            {
              "permission": {
                "role": "reader",
                "permission": "product.list"
              }
            }
          ],
          "no_remedy_reason": "",
          "revision": 9
        }
        "#);
    }
}
