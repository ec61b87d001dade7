//! What the schemas of requests and answers are built from.

use serde_json::{Value, json};

use crate::schemas::reference;

/// Returns the full name of a schema.
pub(super) fn full_name(name: &str) -> String {
    format!("authzen.{name}")
}

/// Returns the reference to a schema of requests or answers.
pub(super) fn own(name: &str) -> Value {
    reference(&full_name(name))
}

/// Returns the reference to a schema of the contract.
pub(super) fn of_contract(name: &str) -> Value {
    reference(&format!("pim.authz.v1.{name}"))
}

/// Adds a description to a schema.
pub(super) fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = description.into();
    schema
}

/// Returns the schema of a text.
pub(super) fn text(description: &str) -> Value {
    described(json!({ "type": "string" }), description)
}

/// Returns the schema of an object; `required` are the names of its required members.
pub(super) fn object(description: &str, required: &[&str], properties: Value) -> Value {
    let mut schema = described(json!({ "type": "object" }), description);
    schema["properties"] = properties;
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}
