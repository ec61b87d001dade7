//! Renders an explanation: the evaluated rules as a tree, and the remedies of a
//! denial.

use super::{report::lines, words};
use crate::pb::{self, remedy::Grant};

/// Renders the tree of an explanation and its remedies.
pub(super) fn draw(response: &pb::ExplainResponse) -> String {
    let mut drawn = Vec::new();
    if let Some(root) = &response.root {
        drawn.push(line(root));
        branches(&root.steps, "", &mut drawn);
    }
    drawn.extend(remedies(response));
    lines(drawn)
}

fn remedies(response: &pb::ExplainResponse) -> Vec<String> {
    let allowed = response.decision.as_ref().is_some_and(|d| d.allowed);
    let headline = match (response.remedies.len(), response.no_remedy_reason.as_str()) {
        (1, _) => "this would turn it:".to_owned(),
        (0, "") => return Vec::new(),
        (0, _) if allowed => return Vec::new(),
        (0, reason) => format!("no grant would turn it: {reason}"),
        (_, _) => "these together would turn it:".to_owned(),
    };
    let grants = response.remedies.iter().filter_map(|r| r.grant.as_ref());
    [String::new(), headline]
        .into_iter()
        .chain(grants.map(|grant| format!("  • {}", sentence(grant))))
        .collect()
}

fn branches(steps: &[pb::ExplainStep], indent: &str, drawn: &mut Vec<String>) {
    for (at, step) in steps.iter().enumerate() {
        let is_last = at + 1 == steps.len();
        let (branch, below) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        drawn.push(format!("{indent}{branch}{}", line(step)));
        branches(&step.steps, &format!("{indent}{below}"), drawn);
    }
}

fn line(step: &pb::ExplainStep) -> String {
    let tick = if step.passed { '✓' } else { '✗' };
    let rule = if step.rule.is_empty() {
        String::new()
    } else {
        format!(" {}", step.rule)
    };
    let given_by = match (step.groups.as_slice(), step.roles.as_slice()) {
        ([], []) => String::new(),
        (groups, []) => format!(" [{}]", named("group", groups)),
        ([], roles) => format!(" [{}]", named("role", roles)),
        (groups, roles) => format!(" [{}; {}]", named("group", groups), named("role", roles)),
    };
    format!("{tick}{rule} {}{given_by}", step.message)
}

fn named(entity: &str, codes: &[String]) -> String {
    let plural = if codes.len() == 1 { "" } else { "s" };
    format!("{entity}{plural} {}", codes.join(", "))
}

fn sentence(grant: &Grant) -> String {
    match grant {
        Grant::Access(access) => {
            let level = words::level(access.level()).unwrap_or_default();
            let item = access.item.as_ref().map(words::item).unwrap_or_default();
            let alone = if access.apply_to_children == Some(false) {
                ", its sub-categories aside"
            } else {
                ""
            };
            format!(
                "give user group `{}` `{level}` on {item}{alone}",
                access.group
            )
        }
        Grant::Permission(pb::RolePermission { role, permission }) => {
            format!("add permission `{permission}` to role `{role}`")
        }
        Grant::Scope(pb::AppScope { app, scope }) => {
            format!("give app `{app}` the scope `{scope}`")
        }
        Grant::Membership(pb::GroupMembership { subject, group }) => {
            let subject = subject.clone().unwrap_or_default();
            let kind = subject.r#type;
            format!("put {kind} `{}` into user group `{group}`", subject.id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rule: &str, passed: bool, message: &str) -> pb::ExplainStep {
        pb::ExplainStep {
            rule: rule.to_owned(),
            passed,
            message: message.to_owned(),
            ..Default::default()
        }
    }

    fn access() -> pb::Remedy {
        pb::Remedy {
            grant: Some(Grant::Access(pb::AccessGrant {
                group: "redactor".to_owned(),
                item: Some(pb::Item {
                    r#type: "category".to_owned(),
                    id: "audio".to_owned(),
                }),
                level: pb::Level::Edit.into(),
                apply_to_children: Some(false),
            })),
        }
    }

    #[test]
    fn denial_is_drawn_as_a_tree_with_its_remedies() {
        let mut permission = step("2.2", true, "A role gives `product.list`.");
        permission.roles = vec!["reader".to_owned()];
        let mut levels = step("4.1", false, "Needs `edit`; held is `view`.");
        let mut first = step("3.5", true, "`view` on category `audio`.");
        first.groups = vec!["All".to_owned(), "redactor".to_owned()];
        levels.steps = vec![first, step("4.2", false, "Nothing on category `tv`.")];
        let mut root = step("8.1", false, "The subject may not.");
        root.steps = vec![permission, levels, step("4.5", true, "The gate is open.")];
        let response = pb::ExplainResponse {
            decision: Some(pb::Decision::default()),
            root: Some(root),
            remedies: vec![
                access(),
                pb::Remedy {
                    grant: Some(Grant::Permission(pb::RolePermission {
                        role: "reader".to_owned(),
                        permission: "product.create".to_owned(),
                    })),
                },
                pb::Remedy {
                    grant: Some(Grant::Scope(pb::AppScope {
                        app: "shop".to_owned(),
                        scope: "read_products".to_owned(),
                    })),
                },
                pb::Remedy {
                    grant: Some(Grant::Membership(pb::GroupMembership {
                        subject: Some(pb::Subject {
                            r#type: "user".to_owned(),
                            id: "mary".to_owned(),
                        }),
                        group: "manager".to_owned(),
                    })),
                },
            ],
            ..Default::default()
        };
        insta::assert_snapshot!(draw(&response), @r#"
        ✗ 8.1 The subject may not.
        ├─ ✓ 2.2 A role gives `product.list`. [role reader]
        ├─ ✗ 4.1 Needs `edit`; held is `view`.
        │  ├─ ✓ 3.5 `view` on category `audio`. [groups All, redactor]
        │  └─ ✗ 4.2 Nothing on category `tv`.
        └─ ✓ 4.5 The gate is open.

        these together would turn it:
          • give user group `redactor` `edit` on category `audio`, its sub-categories aside
          • add permission `product.create` to role `reader`
          • give app `shop` the scope `read_products`
          • put user `mary` into user group `manager`
        "#);
    }

    #[test]
    fn denial_without_a_remedy_gives_the_reason() {
        let response = pb::ExplainResponse {
            decision: Some(pb::Decision::default()),
            root: Some(step("1.6", false, "The tenant has no such subject.")),
            no_remedy_reason: "the subject is unknown".to_owned(),
            ..Default::default()
        };
        insta::assert_snapshot!(draw(&response), @r#"
        ✗ 1.6 The tenant has no such subject.

        no grant would turn it: the subject is unknown
        "#);
    }
}
