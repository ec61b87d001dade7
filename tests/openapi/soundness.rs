//! Checks that the document agrees with itself and describes every call.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    calls::{media_type, operation_id},
    contract::{Contract, path},
    document::generate,
};

/// Where named schemas are.
const SCHEMAS: &str = "/components/schemas";

/// Returns the targets of all references in a part of the document.
fn references(part: &Value) -> BTreeSet<String> {
    match part {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            let below = members.values().flat_map(references);
            below.chain(own.map(str::to_owned)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    }
}

/// Returns the object at a place of the document.
fn object<'a>(document: &'a Value, place: &str) -> &'a Map<String, Value> {
    let found = document.pointer(place).and_then(Value::as_object);
    found.unwrap_or_else(|| panic!("there is no object at {place}"))
}

/// Returns all operations of the document.
fn operations(document: &Value) -> Vec<&Value> {
    let paths = object(document, "/paths").values();
    paths
        .flat_map(|path| path.as_object().unwrap().values())
        .collect()
}

/// Returns the references that lead nowhere.
fn broken_references(document: &Value) -> Vec<String> {
    let mut broken: Vec<String> = references(document).into_iter().collect();
    broken.retain(|target| {
        let place = target.strip_prefix('#');
        place.and_then(|place| document.pointer(place)).is_none()
    });
    broken
}

/// Returns the named schemas that nothing refers to.
fn unused_schemas(document: &Value) -> Vec<&String> {
    let used = references(document);
    let names = object(document, SCHEMAS).keys();
    names
        .filter(|name| !used.contains(&format!("#{SCHEMAS}/{name}")))
        .collect()
}

#[test]
fn every_reference_resolves_and_every_schema_is_used() {
    let document = generate(&Contract::compile());
    assert_eq!(broken_references(&document), Vec::<String>::new());
    assert_eq!(unused_schemas(&document), Vec::<&String>::new());
    assert!(object(&document, SCHEMAS).len() > 100);
}

#[test]
fn broken_references_and_unused_schemas_are_reported() {
    let document = serde_json::json!({
        "paths": [{ "$ref": "#/components/schemas/A" }, { "$ref": "#/components/schemas/C" }],
        "components": { "schemas": { "A": {}, "B": {} } },
    });
    assert_eq!(broken_references(&document), ["#/components/schemas/C"]);
    assert_eq!(unused_schemas(&document), ["B"]);
}

#[test]
fn every_call_without_streamed_requests_has_an_operation() {
    let contract = Contract::compile();
    let document = generate(&contract);
    let calls = contract.calls();
    assert!(calls.len() > 70, "{}", calls.len());
    for (method, messages) in &calls {
        let operation = &document["paths"][path(method)]["post"];
        assert_eq!(operation["operationId"], operation_id(method));
        let media_type = media_type(*messages);
        let request = &operation["requestBody"]["content"][media_type]["schema"]["$ref"];
        let response = &operation["responses"]["200"]["content"][media_type]["schema"]["$ref"];
        let expected = |name: &str| format!("#{SCHEMAS}/{name}");
        assert_eq!(*request, expected(method.input().full_name()));
        assert_eq!(*response, expected(method.output().full_name()));
    }
    let paths = object(&document, "/paths").keys();
    let of_contract = paths
        .filter(|path| path.starts_with("/pim.authz.v1."))
        .count();
    assert_eq!(of_contract, calls.len());
}

#[test]
fn operations_have_unique_ids_and_declared_tags() {
    let document = generate(&Contract::compile());
    let operations = operations(&document);
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().collect();
    let tags: BTreeSet<&str> = tags.iter().filter_map(|tag| tag["name"].as_str()).collect();
    let mut ids = BTreeSet::new();
    for operation in operations {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} occurs twice");
        let tag = operation["tags"][0].as_str().unwrap();
        assert!(tags.contains(tag), "{tag} is not declared");
    }
}
