//! The AuthZEN Authorization API 1.0 of the `OpenID` Foundation: its requests as those of
//! the contract, and the contract's responses as its own.
//!
//! | endpoint | RPC |
//! |---|---|
//! | `/access/v1/evaluation` | `Check` |
//! | `/access/v1/evaluations` | `BatchCheck` |
//! | `/access/v1/search/subject` | `ListSubjects` |
//! | `/access/v1/search/resource` | `ListAllowed` |
//! | `/access/v1/search/action` | `ListActions` |
//!
//! A question that the vocabulary cannot express, about an unknown type or action, is
//! answered by a denial or an empty list, as the standard wants; it is no error.

mod answer;
mod configuration;
mod evaluations;
mod object;
mod question;
mod search;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use self::{
    answer::Answer,
    evaluations::{AskedEvaluations, Evaluations},
    object::Object,
    question::{Evaluation, Missing},
    search::{ActionSearch, AskedSearch, Search},
};
use super::json;
use crate::{
    pb,
    rpc::{Weight, broken, invalid_field},
};

pub(super) use self::configuration::configuration;

/// What follows the path of a tenant.
const TENANTS: &str = "/tenants/";

/// The fields of a request that name a type or an action, as its refusal names them.
const VOCABULARY: [&str; 5] = [
    "action",
    "subject.type",
    "subject_type",
    "resource.type",
    "resource_type",
];

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Evaluation,
    Evaluations,
    SubjectSearch,
    ResourceSearch,
    ActionSearch,
}

impl Endpoint {
    pub(super) const ALL: [Self; 5] = [
        Self::Evaluation,
        Self::Evaluations,
        Self::SubjectSearch,
        Self::ResourceSearch,
        Self::ActionSearch,
    ];

    /// Returns the path below that of the tenant.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Evaluation => "/access/v1/evaluation",
            Self::Evaluations => "/access/v1/evaluations",
            Self::SubjectSearch => "/access/v1/search/subject",
            Self::ResourceSearch => "/access/v1/search/resource",
            Self::ActionSearch => "/access/v1/search/action",
        }
    }

    /// Returns the path of the RPC that answers.
    pub(super) fn rpc_path(self) -> &'static str {
        match self {
            Self::Evaluation => "/pim.authz.v1.AuthorizationService/Check",
            Self::Evaluations => "/pim.authz.v1.AuthorizationService/BatchCheck",
            Self::SubjectSearch => "/pim.authz.v1.AuthorizationService/ListSubjects",
            Self::ResourceSearch => "/pim.authz.v1.AuthorizationService/ListAllowed",
            Self::ActionSearch => "/pim.authz.v1.AuthorizationService/ListActions",
        }
    }
}

/// Splits a path into the tenant that it names, if any, and the rest. `None`: the
/// tenant's code is not UTF-8.
pub(super) fn tenant_of(path: &str) -> Option<(String, &str)> {
    let Some((tenant, _)) = path
        .strip_prefix(TENANTS)
        .and_then(|below| below.split_once('/'))
    else {
        return Some((String::new(), path));
    };
    let (_, rest) = path.split_at_checked(TENANTS.len() + tenant.len())?;
    let tenant = percent_decode_str(tenant).decode_utf8().ok()?;
    Some((tenant.into_owned(), rest))
}

/// A call of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) endpoint: Endpoint,
    /// The tenant's code; empty: the default tenant.
    pub(super) tenant: String,
}

/// What is known of a question when it is answered.
#[derive(Debug)]
pub(super) enum Asked {
    Evaluation { explain: bool },
    Evaluations(AskedEvaluations),
    Search(AskedSearch),
}

impl Call {
    /// Translates a question to the message of its RPC.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`: it is not JSON, or a member is missing or of the wrong type.
    pub(super) fn question(
        &self,
        json: &[u8],
        weight: Option<&Weight>,
    ) -> Result<(Bytes, Asked), Status> {
        let tenant = self.tenant.clone();
        match self.endpoint {
            Endpoint::Evaluation => {
                let Object(asked) = json::parse(Object::<Evaluation>::seed(), json)?;
                let explain = asked.explains();
                let item = asked.item().map_err(Missing::status)?;
                let request = pb::CheckRequest {
                    tenant,
                    subject: item.subject,
                    action: item.action,
                    resource: item.resource,
                    context: item.context,
                    minimum_revision: 0,
                };
                Ok((
                    request.encode_to_vec().into(),
                    Asked::Evaluation { explain },
                ))
            }
            Endpoint::Evaluations => {
                let Object(asked) = json::parse(Object::<Evaluations>::seed(), json)?;
                let (request, asked) = asked.request(tenant, weight)?;
                Ok((request.encode_to_vec().into(), Asked::Evaluations(asked)))
            }
            Endpoint::SubjectSearch => {
                let Object(asked) = json::parse(Object::<Search>::seed(), json)?;
                let (request, asked) = asked.subjects(tenant)?;
                Ok((request.encode_to_vec().into(), Asked::Search(asked)))
            }
            Endpoint::ResourceSearch => {
                let Object(asked) = json::parse(Object::<Search>::seed(), json)?;
                let (request, asked) = asked.resources(tenant)?;
                Ok((request.encode_to_vec().into(), Asked::Search(asked)))
            }
            Endpoint::ActionSearch => {
                let Object(asked) = json::parse(Object::<ActionSearch>::seed(), json)?;
                let (request, asked) = asked.request(tenant)?;
                Ok((request.encode_to_vec().into(), Asked::Search(asked)))
            }
        }
    }
}

impl Asked {
    /// Translates the response of the RPC to the answer.
    ///
    /// # Errors
    ///
    /// `INTERNAL` if the message is not the RPC's response, a bug of the service; the
    /// refusal of the only item of a batch.
    pub(super) fn answer(&self, response: &[u8]) -> Result<Vec<u8>, Status> {
        match self {
            Self::Evaluation { explain } => {
                let response: pb::CheckResponse = decoded(response)?;
                Ok(written(&Answer::of_check(response, *explain)))
            }
            Self::Evaluations(asked) => asked.answer(decoded(response)?),
            Self::Search(asked) => asked.answer(response),
        }
    }

    /// Returns the answer to a question that was refused only because it names an
    /// unknown type or action.
    pub(super) fn refused(&self, status: &Status) -> Option<Vec<u8>> {
        if !is_unknown_word(status) {
            return None;
        }
        match self {
            Self::Evaluation { explain } => Some(written(&Answer::of_refusal(status, *explain))),
            Self::Evaluations(_) => None,
            Self::Search(asked) => Some(asked.nothing()),
        }
    }
}

/// True if a refusal is about nothing but words that are not in the vocabulary.
fn is_unknown_word(status: &Status) -> bool {
    let violations = status.get_details_bad_request();
    let fields = violations.map(|request| request.field_violations);
    let fields = fields.unwrap_or_default();
    status.code() == Code::InvalidArgument
        && !fields.is_empty()
        && fields.iter().all(|violation| {
            let field = violation.field.as_str();
            // That of an item of a batch begins with its place: `items[0].action`.
            let field = field.split_once("].").map_or(field, |(_, field)| field);
            VOCABULARY.contains(&field)
        })
}

fn decoded<M: prost::Message + Default>(response: &[u8]) -> Result<M, Status> {
    M::decode(response).map_err(|error| broken("a response is not its message", &error))
}

fn written(answer: &impl serde::Serialize) -> Vec<u8> {
    // Such values are always writable.
    serde_json::to_vec(answer).unwrap_or_default()
}

/// Returns the refusal of a member of a request.
fn missing(member: &str) -> Status {
    invalid_field(member, "it is required")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_is_read_from_the_path() {
        for (path, expected) in [
            ("/access/v1/evaluation", Some(("", "/access/v1/evaluation"))),
            ("/tenants/acme/access", Some(("acme", "/access"))),
            ("/tenants/a%20b%2Fc/access", Some(("a b/c", "/access"))),
            ("/tenants//access", Some(("", "/access"))),
            ("/tenants/acme", Some(("", "/tenants/acme"))),
            ("/tenants/%ff/access", None),
        ] {
            let found = tenant_of(path);
            let found = found
                .as_ref()
                .map(|(tenant, rest)| (tenant.as_str(), *rest));
            assert_eq!(found, expected, "{path}");
        }
    }
}
