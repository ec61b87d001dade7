use strum::IntoEnumIterator as _;

use super::*;
use crate::{admin::AdminError, domain::EntityKind};

type Case = (Failure, Code, &'static str);

/// The failures of questions, with the code and reason that callers receive.
fn question_cases() -> Vec<Case> {
    let corrupt = || StoreError::CorruptRow {
        statement: "find_facts",
        message: "level 99".into(),
    };
    vec![
        (
            InvalidField::new("subject.type", "is missing").into(),
            Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
        (
            Failure::TooManyEntries {
                field: "items",
                found: 2,
                most: 1,
            },
            Code::ResourceExhausted,
            "TOO_MANY_ENTRIES",
        ),
        (
            Failure::TenantNotFound("acme".parse().unwrap()),
            Code::NotFound,
            "TENANT_NOT_FOUND",
        ),
        (
            Failure::RateLimited {
                caller: "shop".parse().unwrap(),
                rate: CallerRate {
                    calls_per_second: 10.try_into().unwrap(),
                    burst: 20.try_into().unwrap(),
                },
                wait: Duration::from_millis(5),
            },
            Code::ResourceExhausted,
            "RATE_LIMITED",
        ),
        (Failure::DeadlinePassed, Code::DeadlineExceeded, "DEADLINE"),
        (Failure::ShuttingDown, Code::Unavailable, "SHUTTING_DOWN"),
        (
            Failure::Store(StoreError::unreachable("gone")),
            Code::Unavailable,
            "STORE_UNAVAILABLE",
        ),
        (Failure::Store(corrupt()), Code::Internal, "INTERNAL"),
    ]
}

/// The failures of writes, likewise.
fn write_cases() -> Vec<Case> {
    vec![
        (
            AdminError::TenantNotFound {
                tenant: "acme".parse().unwrap(),
            }
            .into(),
            Code::NotFound,
            "TENANT_NOT_FOUND",
        ),
        (
            AdminError::EditionMismatch {
                tenant: "acme".parse().unwrap(),
                stored: domain::Edition::Growth,
                requested: domain::Edition::Enterprise,
            }
            .into(),
            Code::FailedPrecondition,
            "EDITION_MISMATCH",
        ),
        (
            AdminError::LockOutGuard.into(),
            Code::FailedPrecondition,
            "LOCK_OUT_GUARD",
        ),
        (
            AdminError::AppLimit {
                limit: 100,
                found: 101,
            }
            .into(),
            Code::ResourceExhausted,
            "APP_LIMIT",
        ),
        (AdminError::Conflict.into(), Code::Aborted, "CONFLICT"),
        (
            AdminError::OutcomeUnknown.into(),
            Code::Unknown,
            "OUTCOME_UNKNOWN",
        ),
        (
            Failure::ImportRefused { rows: 3 },
            Code::InvalidArgument,
            "IMPORT_REFUSED",
        ),
    ]
}

#[test]
fn failures_map_to_their_code_and_reason() {
    for (failure, code, reason) in question_cases().into_iter().chain(write_cases()) {
        let words = failure.to_string();
        let status = Status::from(failure);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(status.code(), code, "{words}");
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            (reason, DOMAIN)
        );
        let retry = status.get_details_retry_info().is_some();
        let may_retry =
            [Code::Unavailable, Code::Aborted].contains(&code) || reason == "RATE_LIMITED";
        assert_eq!(retry, may_retry, "{words}");
        let precondition = status.get_details_precondition_failure().is_some();
        assert_eq!(precondition, code == Code::FailedPrecondition, "{words}");
        let quota = status.get_details_quota_failure().is_some();
        assert_eq!(quota, reason == "APP_LIMIT", "{words}");
        let fields = status.get_details_bad_request().is_some();
        assert_eq!(fields, code == Code::InvalidArgument, "{words}");
        let resource = status.get_details_resource_info().is_some();
        assert_eq!(resource, code == Code::NotFound, "{words}");
    }
}

#[test]
fn internal_causes_are_not_exposed() {
    let failure = Failure::Store(StoreError::CorruptRow {
        statement: "find_facts",
        message: "secret".into(),
    });
    let status = Status::from(failure);
    assert_eq!(status.message(), "internal error");
    let seen = format!("{status:?}");
    assert!(!seen.contains("secret") && !seen.contains("find_facts"));
}

#[test]
fn error_reasons_match_the_contract() {
    // `api.md`, "Errors".
    const PLAIN: &str = "INVALID_REQUEST EDITION_REQUIRED EDITION_MISMATCH AUDIENCE_MISMATCH \
                         LOCK_OUT_GUARD CATEGORY_LOOP CATEGORY_TOO_DEEP PARENT_INVALID \
                         GROUP_ALL_IS_FIXED GROUP_IS_PRIVATE STEP_OUT_OF_ORDER ACTOR_NOT_PERMITTED APP_LIMIT \
                         TOO_MANY_ENTRIES OVERLOADED RATE_LIMITED WATCH_TOO_SLOW IMPORT_REFUSED \
                         IDEMPOTENCY_KEY_REUSED REVISION_CHANGED CONFLICT OUTCOME_UNKNOWN \
                         CALLER_UNKNOWN CALLER_NOT_PERMITTED STORE_UNAVAILABLE LEASE_LOST \
                         SHUTTING_DOWN DEADLINE INTERNAL";
    let entities: Vec<String> = EntityKind::iter()
        .map(|entity| <&str>::from(entity).to_uppercase())
        .collect();
    let is_listed = |name: &str| {
        let of_entity_kind = |entity: &String| {
            let rest = name.strip_prefix(entity.as_str());
            rest.is_some_and(|rest| ["_NOT_FOUND", "_EXISTS", "_IN_USE"].contains(&rest))
        };
        PLAIN.split_whitespace().any(|plain| plain == name) || entities.iter().any(of_entity_kind)
    };
    let unlisted: Vec<&str> = (1..)
        .map_while(|number| ErrorReason::try_from(number).ok())
        .map(reason_name)
        .filter(|name| !is_listed(name))
        .collect();
    assert_eq!(unlisted, Vec::<&str>::new());
}
