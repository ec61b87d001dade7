use crate::{
    domain::{
        Code, Decision, EditMode, Facts, ItemRef, Level, Reason, ReasonCode, ReasonItem, Revision,
        SubjectRef,
    },
    pb,
};

/// Renders the response to a Check.
pub(super) fn check_response(decision: Decision, revision: Revision) -> pb::CheckResponse {
    let pb::Decision {
        allowed,
        edit_mode,
        level,
        reason,
    } = self::decision(decision);
    pb::CheckResponse {
        allowed,
        edit_mode,
        level,
        reason,
        revision: revision.0,
    }
}

/// Renders the decision on one question.
pub(super) fn decision(decision: Decision) -> pb::Decision {
    let allowed = decision.is_allowed();
    let Decision {
        denial,
        level,
        edit_mode,
    } = decision;
    pb::Decision {
        allowed,
        edit_mode: self::edit_mode(edit_mode).into(),
        level: self::level(level).into(),
        reason: denial.map(reason),
    }
}

/// Renders an action that a subject may perform.
pub(super) fn allowed_action(action: &str, mode: Option<EditMode>) -> pb::AllowedAction {
    pb::AllowedAction {
        action: action.to_owned(),
        edit_mode: edit_mode(mode).into(),
    }
}

/// Renders a level; `None`: levels do not apply.
pub(super) fn level(level: Option<Level>) -> pb::Level {
    match level {
        None => pb::Level::Unspecified,
        Some(Level::Hidden) => pb::Level::None,
        Some(Level::View) => pb::Level::View,
        Some(Level::Edit) => pb::Level::Edit,
        Some(Level::Own) => pb::Level::Own,
        Some(Level::Execute) => pb::Level::Execute,
        Some(Level::ExecuteAndEdit) => pb::Level::ExecuteAndEdit,
    }
}

/// Renders a kind of rule; `None`: a rule without a code of its own.
pub(super) fn reason_code(code: Option<ReasonCode>) -> pb::ReasonCode {
    match code {
        None => pb::ReasonCode::Unspecified,
        Some(ReasonCode::SubjectUnknown) => pb::ReasonCode::SubjectUnknown,
        Some(ReasonCode::SubjectDisabled) => pb::ReasonCode::SubjectDisabled,
        Some(ReasonCode::Edition) => pb::ReasonCode::Edition,
        Some(ReasonCode::Permission) => pb::ReasonCode::Permission,
        Some(ReasonCode::Scope) => pb::ReasonCode::Scope,
        Some(ReasonCode::Channel) => pb::ReasonCode::Channel,
        Some(ReasonCode::Locale) => pb::ReasonCode::Locale,
        Some(ReasonCode::Category) => pb::ReasonCode::Category,
        Some(ReasonCode::AttributeGroup) => pb::ReasonCode::AttributeGroup,
        Some(ReasonCode::Item) => pb::ReasonCode::Item,
        Some(ReasonCode::ResourceUnknown) => pb::ReasonCode::ResourceUnknown,
    }
}

/// Renders the item that a rule evaluated.
pub(super) fn reason_item(item: ReasonItem) -> pb::Item {
    let ReasonItem { kind, code } = item;
    pb::Item {
        r#type: kind.to_string(),
        id: code.map(|code| code.to_string()).unwrap_or_default(),
    }
}

/// Renders an item in the spelling it was first written with.
pub(super) fn stored_item(item: &ItemRef, facts: &Facts) -> pb::Item {
    let stored = facts
        .vocabulary
        .items
        .get(item)
        .and_then(|id| facts.vocabulary.item_facts.get(id));
    let code = stored.map_or(&item.code, |stored| &stored.code);
    pb::Item {
        r#type: item.kind.to_string(),
        id: code.to_string(),
    }
}

/// Renders a subject.
pub(super) fn subject(subject: &SubjectRef) -> pb::Subject {
    pb::Subject {
        r#type: subject.kind.to_string(),
        id: subject.code.to_string(),
    }
}

/// Renders a list of codes.
pub(super) fn codes<'c>(codes: impl IntoIterator<Item = &'c Code>) -> Vec<String> {
    codes.into_iter().map(Code::to_string).collect()
}

fn edit_mode(mode: Option<EditMode>) -> pb::EditMode {
    match mode {
        None => pb::EditMode::Unspecified,
        Some(EditMode::Direct) => pb::EditMode::Direct,
        Some(EditMode::Proposal) => pb::EditMode::Proposal,
    }
}

fn reason(reason: Reason) -> pb::Reason {
    let message = reason.to_string();
    let Reason {
        code,
        item,
        needed,
        held,
        permission,
        unknown: _, // the message names it
    } = reason;
    pb::Reason {
        code: reason_code(Some(code)).into(),
        message,
        item: item.map(reason_item),
        needed: level(needed).into(),
        held: level(held).into(),
        permission: permission.unwrap_or_default().to_owned(),
    }
}
