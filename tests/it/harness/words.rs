//! Conversion of questions to messages and of answers to words, independent of
//! the service's own parsing and rendering.

use std::fmt::Write as _;

use pim_authz::{
    domain::{Context, Edition, Level, Parent, Question, Resource},
    pb,
};

/// The message of an edition.
pub(crate) fn edition(edition: Edition) -> pb::Edition {
    match edition {
        Edition::Community => pb::Edition::Community,
        Edition::Growth => pb::Edition::Growth,
        Edition::Enterprise => pb::Edition::Enterprise,
    }
}

/// The message of a level; `None` where levels do not apply.
pub(crate) fn level(level: Option<Level>) -> pb::Level {
    let words = level.map_or("unspecified".to_owned(), |level| level.to_string());
    let name = format!("LEVEL_{}", words.to_uppercase());
    pb::Level::from_str_name(&name).unwrap()
}

/// The message of a question.
pub(crate) fn request(tenant: &str, question: &Question) -> pb::CheckRequest {
    let subject = question.subject();
    pb::CheckRequest {
        tenant: tenant.to_owned(),
        subject: Some(pb::Subject {
            r#type: subject.kind.to_string(),
            id: subject.code.to_string(),
        }),
        action: question.action().to_string(),
        resource: question.resource().map(resource),
        context: Some(context(question.context())),
        minimum_revision: 0,
    }
}

fn resource(resource: &Resource) -> pb::Resource {
    let description = &resource.description;
    let categories = description.categories.as_ref();
    pb::Resource {
        r#type: resource.kind.to_string(),
        id: text(resource.id.as_ref()),
        categories: categories.map(|codes| pb::CategoryList {
            codes: codes.iter().map(ToString::to_string).collect(),
        }),
        parent: description.parent.as_ref().map(|parent| match parent {
            Parent::Absent => String::new(),
            Parent::Code(code) => code.to_string(),
        }),
    }
}

fn context(context: &Context) -> pb::Context {
    pb::Context {
        channel: text(context.channel.as_ref()),
        locale: text(context.locale.as_ref()),
        attribute: text(context.attribute.as_ref()),
        attribute_group: text(context.attribute_group.as_ref()),
    }
}

fn text(code: Option<&pim_authz::domain::Code>) -> String {
    code.map(ToString::to_string).unwrap_or_default()
}

/// The decision in the answer to a `Check`.
pub(crate) fn decision(answer: &pb::CheckResponse) -> pb::Decision {
    pb::Decision {
        allowed: answer.allowed,
        edit_mode: answer.edit_mode,
        level: answer.level,
        reason: answer.reason.clone(),
    }
}

/// Renders a decision in the words of `support::decision_text`, such as `denied
/// at view: category audio needs edit, has view`.
pub(crate) fn decision_text(decision: &pb::Decision) -> String {
    let mut text = String::from(if decision.allowed {
        "allowed"
    } else {
        "denied"
    });
    if let Some(level) = word("LEVEL_", decision.level().as_str_name()) {
        write!(text, " at {level}").unwrap();
    }
    if let Some(mode) = word("EDIT_MODE_", decision.edit_mode().as_str_name()) {
        write!(text, ", {mode}").unwrap();
    }
    if let Some(reason) = &decision.reason {
        assert!(!reason.message.is_empty(), "{reason:?}");
        write!(text, ": {}", reason_text(reason)).unwrap();
    }
    text
}

fn reason_text(reason: &pb::Reason) -> String {
    let mut text = word("REASON_CODE_", reason.code().as_str_name()).unwrap();
    if let Some(item) = &reason.item {
        if item.r#type != text {
            write!(text, " {}", item.r#type).unwrap();
        }
        let id = if item.id.is_empty() {
            "(any)"
        } else {
            &item.id
        };
        write!(text, " {id}").unwrap();
    }
    if !reason.permission.is_empty() {
        write!(text, " {}", reason.permission).unwrap();
    }
    let levels = [reason.needed(), reason.held()];
    if let [Some(needed), Some(held)] = levels.map(|l| word("LEVEL_", l.as_str_name())) {
        write!(text, " needs {needed}, has {held}").unwrap();
    }
    text
}

/// The lower-case name of an enum value without its prefix; `None` for the
/// unspecified value.
fn word(prefix: &str, name: &str) -> Option<String> {
    let word = name.strip_prefix(prefix).unwrap().to_lowercase();
    (word != "unspecified").then_some(word)
}
