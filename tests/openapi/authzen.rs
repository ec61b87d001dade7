//! The operations of the Authorization API 1.0 of the `OpenID` Foundation, which has no
//! descriptors.

mod answers;
mod parts;
mod requests;

use std::slice;

use serde_json::{Map, Value, json};

use self::parts::{full_name, own};
use crate::connect::parameter;

/// The tag of all operations.
const TAG: &str = "AuthZEN";

/// The path of the configuration.
const CONFIGURATION_PATH: &str = "/.well-known/authzen-configuration";

/// What the path of a tenant's endpoint begins with.
const TENANT: &str = "/tenants/{tenant}";

/// An endpoint for questions.
#[derive(Clone, Copy, Debug)]
struct Endpoint {
    /// The path below that of the tenant.
    path: &'static str,
    /// The end of the identifiers of its operations.
    name: &'static str,
    /// Its purpose, in one sentence.
    summary: &'static str,
    /// What the description says besides the summary.
    details: &'static str,
    /// The schemas of the request and of the answer.
    schemas: [&'static str; 2],
}

/// All endpoints for questions.
const ENDPOINTS: [Endpoint; 5] = [
    Endpoint {
        path: "/access/v1/evaluation",
        name: "Evaluation",
        summary: "Decides one question.",
        details: "Answered by `Check`. A question about an unknown type or action is denied.",
        schemas: ["EvaluationRequest", "EvaluationAnswer"],
    },
    Endpoint {
        path: "/access/v1/evaluations",
        name: "Evaluations",
        summary: "Decides several questions at one revision.",
        details: "Answered by `BatchCheck`. A member that a question lacks is taken, as a whole, \
            from the request. A question that fails is denied, with `error` in its context. A \
            request without `evaluations` is one question, with the answer of one.",
        schemas: ["EvaluationsRequest", "EvaluationsAnswer"],
    },
    Endpoint {
        path: "/access/v1/search/subject",
        name: "SubjectSearch",
        summary: "Lists the subjects of a type that may do an action on a resource.",
        details: "Answered by `ListSubjects`. For an unknown type or action the list is empty.",
        schemas: ["SubjectSearchRequest", "EntitySearchAnswer"],
    },
    Endpoint {
        path: "/access/v1/search/resource",
        name: "ResourceSearch",
        summary: "Lists the resources of a type that a subject may do an action on.",
        details: "Answered by `ListAllowed`. For an unknown type or action the list is empty.",
        schemas: ["ResourceSearchRequest", "EntitySearchAnswer"],
    },
    Endpoint {
        path: "/access/v1/search/action",
        name: "ActionSearch",
        summary: "Lists the actions that a subject may do on a resource.",
        details: "Answered by `ListActions`. For an unknown type the list is empty.",
        schemas: ["ActionSearchRequest", "ActionSearchAnswer"],
    },
];

/// Returns the tag of the operations.
pub(crate) fn tag() -> Value {
    json!({
        "name": TAG,
        "description": "The AuthZEN Authorization API 1.0 of the OpenID Foundation. Members of a \
            request that are not described are ignored.",
    })
}

/// Returns the paths: each endpoint, and the configuration, for the default tenant and for
/// a named one.
pub(crate) fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let path = endpoint.path;
        let request_id = parameter("X-Request-ID");
        let own = operation(&endpoint, "", slice::from_ref(&request_id));
        paths.insert(path.to_owned(), json!({ "post": own }));
        let of_tenant = operation(&endpoint, "Tenant", &[tenant(), request_id]);
        paths.insert(format!("{TENANT}{path}"), json!({ "post": of_tenant }));
    }
    let own = json!({ "get": configuration("", &[]) });
    paths.insert(CONFIGURATION_PATH.to_owned(), own);
    let of_tenant = json!({ "get": configuration("Tenant", &[tenant()]) });
    paths.insert(format!("{CONFIGURATION_PATH}{TENANT}"), of_tenant);
    paths
}

/// Returns the schemas of requests and answers, by full name.
pub(crate) fn schemas() -> Map<String, Value> {
    let schemas = [requests::schemas(), answers::schemas()].into_iter();
    schemas
        .flatten()
        .map(|(name, schema)| (full_name(name), schema))
        .collect()
}

/// Returns the response to a request that is refused.
pub(crate) fn refusal() -> Value {
    json!({
        "description": "The request was refused; the text says why.",
        "content": { "text/plain": { "schema": { "type": "string" } } },
    })
}

/// Returns the operation of an endpoint; `of` makes its identifier unique.
fn operation(endpoint: &Endpoint, of: &str, parameters: &[Value]) -> Value {
    let Endpoint {
        path: _,
        name,
        summary,
        details,
        schemas: [request, answer],
    } = endpoint;
    json!({
        "operationId": format!("{TAG}_{of}{name}"),
        "tags": [TAG],
        "summary": summary,
        "description": format!("{summary} {details}"),
        "parameters": parameters,
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": own(request) } },
        },
        "responses": {
            "200": {
                "description": "The answer.",
                "content": { "application/json": { "schema": own(answer) } },
            },
            "default": { "$ref": "#/components/responses/Refusal" },
        },
    })
}

/// Returns the parameter that names a tenant.
fn tenant() -> Value {
    json!({
        "name": "tenant",
        "in": "path",
        "required": true,
        "description": "The code of the tenant.",
        "schema": { "type": "string" },
    })
}

/// Returns the operation that reads the configuration; `of` makes its identifier unique.
fn configuration(of: &str, parameters: &[Value]) -> Value {
    let summary = "Returns the URLs of the endpoints.";
    json!({
        "operationId": format!("{TAG}_{of}Configuration"),
        "tags": [TAG],
        "summary": summary,
        "description": format!("{summary} Status 404 unless the server has `--public-url`."),
        "parameters": parameters,
        "security": [],
        "responses": {
            "200": {
                "description": "The configuration.",
                "content": {
                    "application/json": { "schema": own("Configuration") },
                },
            },
            "default": { "$ref": "#/components/responses/Error" },
        },
    })
}
