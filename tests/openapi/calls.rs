//! The operations of the contract's RPCs.

use prost_reflect::MethodDescriptor;
use serde_json::{Map, Value, json};

use crate::{
    comments::first_sentence,
    connect::{STREAMED, parameter},
    contract::{Contract, Messages, path},
    schemas::Schemas,
};

/// Returns the tags: one for each service.
pub(crate) fn tags(contract: &Contract) -> Vec<Value> {
    let services = contract.services().into_iter();
    services
        .map(|service| {
            let comment = contract.comment(&service.parent_file(), service.path());
            json!({ "name": service.name(), "description": comment })
        })
        .collect()
}

/// Returns the paths of all RPCs that HTTP can call, and adds the schemas of their
/// messages.
pub(crate) fn paths(contract: &Contract, schemas: &mut Schemas<'_>) -> Map<String, Value> {
    let calls = contract.calls().into_iter();
    calls
        .map(|(method, messages)| {
            let operation = operation(contract, schemas, &method, messages);
            (path(&method), json!({ "post": operation }))
        })
        .collect()
}

/// Returns the identifier of an RPC's operation.
pub(crate) fn operation_id(method: &MethodDescriptor) -> String {
    format!("{}_{}", method.parent_service().name(), method.name())
}

/// Returns the media type of the messages of a call.
pub(crate) fn media_type(messages: Messages) -> &'static str {
    match messages {
        Messages::One => "application/json",
        Messages::StreamedResponse => "application/connect+json",
    }
}

/// Returns the operation of an RPC, and adds the schemas of its messages.
fn operation(
    contract: &Contract,
    schemas: &mut Schemas<'_>,
    method: &MethodDescriptor,
    messages: Messages,
) -> Value {
    let service = method.parent_service();
    let response = method.output();
    let comment = contract.comment(&service.parent_file(), method.path());
    let description = match messages {
        Messages::One => comment.to_owned(),
        Messages::StreamedResponse => format!("{comment}\n\n{STREAMED}"),
    };
    let media_type = media_type(messages);
    json!({
        "operationId": operation_id(method),
        "tags": [service.name()],
        "summary": first_sentence(comment),
        "description": description,
        "parameters": [parameter("Connect-Timeout-Ms"), parameter("X-Request-ID")],
        "requestBody": {
            "required": true,
            "content": { media_type: { "schema": schemas.message(&method.input()) } },
        },
        "responses": {
            "200": {
                "description": contract.comment(&response.parent_file(), response.path()),
                "content": { media_type: { "schema": schemas.message(&response) } },
            },
            "default": { "$ref": "#/components/responses/Error" },
        },
    })
}
