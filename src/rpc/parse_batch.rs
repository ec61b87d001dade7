use prost::Message;

use crate::{
    domain::{Action, Code, Context, Question, Resource, Revision, SubjectRef},
    pb,
};

use super::{
    failure::{Failure, InvalidField, check_count},
    parse::{self, check_length},
};

/// Largest number of items in a batch.
pub(super) const MAX_ITEMS: usize = 100_000;

/// Largest total number of categories of the items' resources; categories
/// inherited from the batch's own resource count once per item.
pub(super) const MAX_CATEGORIES_IN_ALL: usize = 1_000_000;

/// Longest correlation ID of an item, in bytes.
const MAX_CORRELATION_ID_BYTES: usize = 255;

/// A batch of questions to one tenant.
#[derive(Debug)]
pub(super) struct Batch {
    /// The tenant.
    pub(super) tenant: Code,
    /// The questions, in the caller's order.
    pub(super) items: Vec<BatchItem>,
    /// The minimum revision of the answers.
    pub(super) minimum_revision: Revision,
    /// When to stop.
    pub(super) mode: pb::BatchMode,
}

/// One question of a batch, or why it is invalid.
#[derive(Debug)]
pub(super) struct BatchItem {
    /// The caller's correlation ID.
    pub(super) correlation_id: String,
    /// The question.
    pub(super) question: Result<Question, InvalidField>,
}

/// Default fields of the items; an item inherits a field whole or not at all.
struct Defaults {
    subject: Option<SubjectRef>,
    action: Option<Action>,
    resource: Option<Resource>,
    context: Option<Context>,
}

/// Parses a batch. An invalid tenant, mode or form of a default fails the call;
/// an invalid item fails alone (`api.md`).
pub(super) fn batch(
    message: pb::BatchCheckRequest,
    default_tenant: &Code,
) -> Result<Batch, Failure> {
    let pb::BatchCheckRequest {
        tenant,
        subject,
        action,
        resource,
        context,
        items,
        minimum_revision,
        mode,
    } = message;
    let tenant = parse::tenant(&tenant, default_tenant)?;
    let allowed = "0, BATCH_MODE_STOP_AT_DENIAL, BATCH_MODE_STOP_AT_ALLOW";
    let mode = parse::value("mode", mode, allowed)?;
    let defaults = Defaults {
        subject: subject.map(parse::subject).transpose()?,
        action: (!action.is_empty())
            .then(|| parse::action(&action))
            .transpose()?,
        resource: resource.map(parse::resource).transpose()?,
        context: context
            .map(|context| parse::context(Some(context)))
            .transpose()?,
    };
    check_size(&items, defaults.resource.as_ref())?;
    let items = items.into_iter().enumerate();
    let items = items.map(|(index, item)| self::item(index, item, &defaults));
    Ok(Batch {
        tenant,
        items: items.collect(),
        minimum_revision: Revision(minimum_revision),
        mode,
    })
}

/// Returns the bytes that a batch takes until it is answered: the decoded
/// message, its questions, each with a copy of the defaults, and their answers.
pub(super) fn weight(message: &pb::BatchCheckRequest) -> usize {
    const ITEM_BYTES: usize =
        size_of::<pb::CheckItem>() + size_of::<BatchItem>() + size_of::<pb::CheckResult>();
    // A code is stored both as written and folded.
    const COPIES: usize = 2;
    let defaults = message.subject.as_ref().map_or(0, Message::encoded_len)
        + message.resource.as_ref().map_or(0, Message::encoded_len)
        + message.context.as_ref().map_or(0, Message::encoded_len);
    let message_bytes = message.encoded_len().saturating_mul(1 + COPIES);
    let item_bytes = ITEM_BYTES + defaults * COPIES;
    message
        .items
        .len()
        .saturating_mul(item_bytes)
        .saturating_add(message_bytes)
}

fn check_size(items: &[pb::CheckItem], default: Option<&Resource>) -> Result<(), Failure> {
    check_count("items", items.len(), MAX_ITEMS)?;
    let inherited = default
        .and_then(|resource| resource.description.categories.as_ref())
        .map_or(0, |codes| codes.len());
    let categories = items.iter().map(|item| match &item.resource {
        Some(resource) => resource.categories.as_ref().map_or(0, |c| c.codes.len()),
        None => inherited,
    });
    let found = categories.fold(0, usize::saturating_add);
    check_count("items.resource.categories", found, MAX_CATEGORIES_IN_ALL)
}

fn item(index: usize, message: pb::CheckItem, defaults: &Defaults) -> BatchItem {
    let pb::CheckItem {
        correlation_id,
        subject,
        action,
        resource,
        context,
    } = message;
    let length = correlation_id.len();
    let question = check_length("correlation_id", length, MAX_CORRELATION_ID_BYTES)
        .and_then(|()| self::question(subject, &action, resource, context, defaults))
        .map_err(|invalid| invalid.within(&format!("items[{index}]")));
    BatchItem {
        correlation_id,
        question,
    }
}

fn question(
    subject: Option<pb::Subject>,
    action: &str,
    resource: Option<pb::Resource>,
    context: Option<pb::Context>,
    defaults: &Defaults,
) -> Result<Question, InvalidField> {
    let subject = match subject {
        Some(subject) => parse::subject(subject)?,
        None => defaults
            .subject
            .clone()
            .ok_or_else(parse::subject_missing)?,
    };
    let action = match action {
        "" => defaults.action.ok_or_else(parse::action_missing)?,
        word => parse::action(word)?,
    };
    let resource = match resource {
        Some(resource) => Some(parse::resource(resource)?),
        None => defaults.resource.clone(),
    };
    let context = match context {
        Some(context) => parse::context(Some(context))?,
        None => defaults.context.clone().unwrap_or_default(),
    };
    Ok(Question::new(subject, action, resource, context)?)
}

#[cfg(test)]
mod tests;
