use crate::{
    domain::{CATALOGUE, Explanation, Facts, ItemKind, Remedy, Step, SubjectRef},
    pb::{self, remedy::Grant},
};

use super::render;

/// Renders the response to an Explain about `subject`.
pub(super) fn explain_response(
    explanation: Explanation,
    subject: &SubjectRef,
    facts: &Facts,
) -> pb::ExplainResponse {
    let Explanation {
        decision,
        root,
        remedies,
        no_remedy_reason,
    } = explanation;
    let stored = facts.subjects.get(subject);
    let subject = SubjectRef {
        kind: subject.kind,
        code: stored.map_or(&subject.code, |stored| &stored.code).clone(),
    };
    let remedies = remedies.into_iter();
    pb::ExplainResponse {
        decision: Some(render::decision(decision)),
        root: Some(step(root)),
        remedies: remedies
            .map(|remedy| render_remedy(remedy, &subject, facts))
            .collect(),
        no_remedy_reason: no_remedy_reason.unwrap_or_default(),
        revision: facts.revision.0,
    }
}

fn step(step: Step) -> pb::ExplainStep {
    let Step {
        rule,
        axis,
        item,
        needed,
        held,
        groups,
        roles,
        permission,
        passed,
        message,
        steps,
    } = step;
    pb::ExplainStep {
        rule: rule.to_owned(),
        axis: render::reason_code(axis).into(),
        item: item.map(render::reason_item),
        needed: render::level(needed).into(),
        held: render::level(held).into(),
        groups: render::codes(&groups),
        roles: render::codes(&roles),
        permission: permission.unwrap_or_default().to_owned(),
        passed,
        message,
        steps: steps.into_iter().map(self::step).collect(),
    }
}

fn render_remedy(remedy: Remedy, subject: &SubjectRef, facts: &Facts) -> pb::Remedy {
    let grant = match remedy {
        Remedy::Access { group, item, level } => Grant::Access(pb::AccessGrant {
            group: group.to_string(),
            item: Some(render::stored_item(&item, facts)),
            level: render::level(Some(level)).into(),
            // A category's access is granted for that category alone (rules 8.2).
            apply_to_children: (item.kind == ItemKind::Category).then_some(false),
        }),
        Remedy::Permission { role, permission } => Grant::Permission(pb::RolePermission {
            role: role.to_string(),
            permission: CATALOGUE.permission(permission).code.to_owned(),
        }),
        Remedy::Scope(scope) => Grant::Scope(pb::AppScope {
            app: subject.code.to_string(),
            scope: CATALOGUE.scope(scope).code.to_owned(),
        }),
        Remedy::Membership { group } => Grant::Membership(pb::GroupMembership {
            subject: Some(render::subject(subject)),
            group: group.to_string(),
        }),
    };
    pb::Remedy { grant: Some(grant) }
}
