use tonic::{Code, Status};
use tonic_types::ErrorDetails;

use crate::{
    admin::{AdminError, Fault, Refused},
    domain::{EntityKind, MAX_CATEGORY_LEVELS, Revision},
    pb::ErrorReason,
    rpc::failure::InvalidField,
};

use super::{
    Answer, caller_not_permitted, caller_unknown, conflict, deadline_passed, internal, of_cache,
    of_invalid, of_store, outcome_unknown, reason_name, tenant_not_found,
};

type Metadata = Vec<(&'static str, String)>;

fn revision_changed(expected: Revision, found: Revision, message: String) -> Status {
    Answer::new(Code::Aborted, ErrorReason::RevisionChanged, message)
        .about([
            ("expected_revision", expected.to_string()),
            ("revision", found.to_string()),
        ])
        .status()
}

/// Returns the status of a write that failed.
pub(super) fn of_admin(error: AdminError) -> Status {
    let message = error.to_string();
    match error {
        AdminError::Store(error) => of_store(&error),
        AdminError::NotAnnounced(error) => of_cache(&error),
        AdminError::Fault(fault) => of_fault(fault, message),
        AdminError::TenantNotFound { tenant } => tenant_not_found(&tenant, message),
        AdminError::TenantExists { tenant } => {
            let metadata = vec![("tenant", tenant.to_string())];
            exists(ErrorReason::TenantExists, metadata, message)
        }
        AdminError::IdempotencyKeyReused { key } => {
            let metadata = vec![("idempotency_key", key)];
            exists(ErrorReason::IdempotencyKeyReused, metadata, message)
        }
        AdminError::RevisionChanged { expected, found } => {
            revision_changed(expected, found, message)
        }
        AdminError::ActorNotPermitted { actor } => Answer::new(
            Code::PermissionDenied,
            ErrorReason::ActorNotPermitted,
            message,
        )
        .about([("actor", actor), ("permission", "app.manage".to_owned())])
        .status(),
        AdminError::CallerNotPermitted { field, missing } => {
            caller_not_permitted(missing, Some(field), message)
        }
        AdminError::CallerGone => caller_unknown(message),
        AdminError::StepOutOfOrder { app, next } => {
            let next = next.call().to_owned();
            let metadata = vec![("app", app.to_string()), ("next_step", next)];
            precondition(ErrorReason::StepOutOfOrder, app.as_str(), metadata, message)
        }
        AdminError::EditionMismatch {
            tenant,
            stored,
            requested,
        } => {
            let metadata = vec![
                ("tenant", tenant.to_string()),
                ("stored", stored.to_string()),
                ("asked", requested.to_string()),
            ];
            precondition(
                ErrorReason::EditionMismatch,
                tenant.as_str(),
                metadata,
                message,
            )
        }
        AdminError::LockOutGuard => {
            precondition(ErrorReason::LockOutGuard, "role.edit", Vec::new(), message)
        }
        AdminError::AppLimit { limit, found } => app_limit(limit, found, message),
        AdminError::Conflict => conflict(message),
        AdminError::OutcomeUnknown => outcome_unknown(&message),
        AdminError::DeadlinePassed => deadline_passed(message),
        AdminError::Interrupted(_) => internal(&error),
    }
}

fn app_limit(limit: usize, found: usize, message: String) -> Status {
    let details = ErrorDetails::with_quota_failure_violation("third parties", &message);
    Answer::new(Code::ResourceExhausted, ErrorReason::AppLimit, message)
        .about([("limit", limit.to_string()), ("found", found.to_string())])
        .with(details)
        .status()
}

fn exists(reason: ErrorReason, metadata: Metadata, message: String) -> Status {
    Answer::new(Code::AlreadyExists, reason, message)
        .about(metadata)
        .status()
}

fn not_found(entity: EntityKind, code: String, field: String, message: String) -> Status {
    let name = <&str>::from(entity);
    let details = ErrorDetails::with_resource_info(name, &code, "", &message);
    Answer::new(Code::NotFound, reason_of(entity, "NOT_FOUND"), message)
        .about([("field", field), (name, code)])
        .with(details)
        .status()
}

/// Returns the status of a precondition of `subject` that does not hold.
fn precondition(reason: ErrorReason, subject: &str, metadata: Metadata, message: String) -> Status {
    let kind = reason_name(reason);
    let details = ErrorDetails::with_precondition_failure_violation(kind, subject, &message);
    Answer::new(Code::FailedPrecondition, reason, message)
        .about(metadata)
        .with(details)
        .status()
}

/// Returns the status of a rejected entry, whose field is in the metadata.
fn of_fault(fault: Fault, message: String) -> Status {
    let Fault { field, refused } = fault;
    let of_one = |reason, entity, code: String| (reason, code.clone(), vec![(entity, code)]);
    let (reason, subject, about): (_, String, Metadata) = match refused {
        Refused::Invalid(message) => return of_invalid(InvalidField::new(field, message)),
        Refused::NotFound { entity, code } => return not_found(entity, code, field, message),
        Refused::Exists { entity, code } => {
            let metadata = vec![("field", field), (entity.into(), code.to_string())];
            return exists(reason_of(entity, "EXISTS"), metadata, message);
        }
        Refused::InUse { entity, code, uses } => {
            let about = vec![(entity.into(), code.to_string()), ("uses", uses)];
            (reason_of(entity, "IN_USE"), code.to_string(), about)
        }
        Refused::EditionRequired {
            permission,
            edition,
        } => {
            let subject = permission.to_owned();
            let about = vec![
                ("permission", subject.clone()),
                ("edition", edition.to_string()),
            ];
            (ErrorReason::EditionRequired, subject, about)
        }
        Refused::AudienceMismatch { role, .. } => {
            of_one(ErrorReason::AudienceMismatch, "role", role.to_string())
        }
        Refused::CategoryLoop(code) => {
            of_one(ErrorReason::CategoryLoop, "category", code.to_string())
        }
        Refused::CategoryTooDeep {
            code,
            deepest,
            level,
        } => {
            let about = vec![
                ("category", code.to_string()),
                ("deepest", deepest.to_string()),
                ("level", level.to_string()),
                ("limit", MAX_CATEGORY_LEVELS.to_string()),
            ];
            (ErrorReason::CategoryTooDeep, code.to_string(), about)
        }
        Refused::ParentInvalid { code, .. } => of_one(ErrorReason::ParentInvalid, "product", code),
        Refused::GroupAllIsFixed => (ErrorReason::GroupAllIsFixed, "All".to_owned(), Vec::new()),
        Refused::GroupIsPrivate(code) => {
            of_one(ErrorReason::GroupIsPrivate, "user_group", code.to_string())
        }
    };
    let metadata = [vec![("field", field)], about].concat();
    precondition(reason, &subject, metadata, message)
}

/// Returns the error reason `<ENTITY>_<WHAT>`, such as `<ENTITY>_NOT_FOUND`; each
/// entity kind to which it applies has one.
fn reason_of(entity: EntityKind, what: &str) -> ErrorReason {
    let entity = <&str>::from(entity).to_uppercase();
    let name = format!("ERROR_REASON_{entity}_{what}");
    ErrorReason::from_str_name(&name).unwrap_or(ErrorReason::Internal)
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn every_entity_kind_has_a_not_found_reason() {
        for entity in EntityKind::iter() {
            assert_ne!(
                reason_of(entity, "NOT_FOUND"),
                ErrorReason::Internal,
                "{entity:?}"
            );
        }
    }
}
