use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{Endpoint, written};
use crate::http::public_url::PublicUrl;

/// What is encoded in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Where the endpoints of a policy decision point are.
#[derive(Serialize)]
struct Configuration {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
    search_subject_endpoint: String,
    search_resource_endpoint: String,
    search_action_endpoint: String,
}

/// Returns the configuration of a tenant, as JSON; an empty code: the default tenant.
pub(in crate::http) fn configuration(base: &PublicUrl, tenant: &str) -> Vec<u8> {
    let tenant = match tenant {
        "" => String::new(),
        code => format!("/tenants/{}", utf8_percent_encode(code, SEGMENT)),
    };
    let policy_decision_point = format!("{base}{tenant}");
    let at = |endpoint: Endpoint| format!("{policy_decision_point}{}", endpoint.path());
    written(&Configuration {
        access_evaluation_endpoint: at(Endpoint::Evaluation),
        access_evaluations_endpoint: at(Endpoint::Evaluations),
        search_subject_endpoint: at(Endpoint::SubjectSearch),
        search_resource_endpoint: at(Endpoint::ResourceSearch),
        search_action_endpoint: at(Endpoint::ActionSearch),
        policy_decision_point,
    })
}
