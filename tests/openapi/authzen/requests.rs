//! The schemas of requests. Requests may have further members, which the service ignores.

use serde_json::{Value, json};

use super::parts::{described, object, own, text};

/// Returns the schemas of requests and their members, by the ends of their names.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("Subject", subject()),
        ("SubjectType", subject_type()),
        ("Action", action()),
        ("Resource", resource()),
        ("ResourceType", resource_type()),
        ("Context", context()),
        ("Page", page()),
        ("Evaluation", evaluation()),
        ("EvaluationRequest", evaluation_request()),
        ("EvaluationsRequest", evaluations_request()),
        ("SubjectSearchRequest", subject_search_request()),
        ("ResourceSearchRequest", resource_search_request()),
        ("ActionSearchRequest", action_search_request()),
    ]
}

/// The subject of a question.
fn subject() -> Value {
    let properties = json!({
        "type": text("The type: `user`, `app` or `connection`."),
        "id": text("The code."),
        "properties": described(json!({ "type": "object" }), "Ignored."),
    });
    object("Who wants to act.", &["type", "id"], properties)
}

/// The subject of a search for subjects: its id does not count.
fn subject_type() -> Value {
    let properties = json!({ "type": text("The type: `user`, `app` or `connection`.") });
    object("The type of subjects to search.", &["type"], properties)
}

/// The action of a question.
fn action() -> Value {
    let properties = json!({
        "name": text("A permission code, such as `product.create`, or a level action, such as \
            `view`."),
        "properties": described(json!({ "type": "object" }), "Ignored."),
    });
    object("What is to be done.", &["name"], properties)
}

/// The resource of a question.
fn resource() -> Value {
    let properties = json!({
        "type": text("The type, such as `product` or `category`."),
        "id": text("The code. Empty: it is not used, or the properties describe the product."),
        "properties": resource_properties(),
    });
    object("On what.", &["type", "id"], properties)
}

/// The properties of a resource that rules evaluate; others are ignored.
fn resource_properties() -> Value {
    let properties = json!({
        "categories": {
            "type": "array",
            "items": { "type": "string" },
            "description": "Products and product models: the codes of its own categories, in \
                place of the stored ones.",
        },
        "parent": text("Products and product models: the model above it, in place of the stored \
            one. Assets and reference-entity records: the family or entity, required."),
    });
    object("What the rules need to know about it.", &[], properties)
}

/// The resource of a search for resources: its id does not count.
fn resource_type() -> Value {
    let properties = json!({ "type": text("The type, such as `product` or `category`.") });
    object("The type of resources to search.", &["type"], properties)
}

/// The context of a question.
fn context() -> Value {
    let properties = json!({
        "channel": text("The code of a channel."),
        "locale": text("The code of a locale."),
        "attribute": text("The code of an attribute whose value is in question."),
        "attribute_group": text("The code of the attribute group, in place of the attribute's \
            stored one or alone."),
        "explain": {
            "type": "boolean",
            "description": "Whether the answer to an evaluation has a context with its reason.",
        },
    });
    object("The part of the resource in question.", &[], properties)
}

/// The page of a search.
fn page() -> Value {
    let properties = json!({
        "token": text("`next_token` of the previous page; empty: the first page."),
        "limit": {
            "type": "integer",
            "minimum": 0,
            "description": "The maximum number of results; 0: 10,000; capped at 10,000.",
        },
    });
    object("Which page of the results is returned.", &[], properties)
}

/// The members that a question consists of.
fn question() -> Value {
    json!({
        "subject": own("Subject"),
        "action": own("Action"),
        "resource": own("Resource"),
        "context": own("Context"),
    })
}

/// One question of several: it may lack what the request has.
fn evaluation() -> Value {
    object("One question of several.", &[], question())
}

/// The request of `/access/v1/evaluation`.
fn evaluation_request() -> Value {
    let required = ["subject", "action", "resource"];
    object("One question.", &required, question())
}

/// The request of `/access/v1/evaluations`.
fn evaluations_request() -> Value {
    let mut properties = question();
    properties["evaluations"] = json!({
        "type": "array",
        "items": own("Evaluation"),
        "description": "The questions; absent or empty: the request itself is one.",
    });
    let semantic = json!({
        "evaluations_semantic": {
            "type": "string",
            "enum": ["execute_all", "deny_on_first_deny", "permit_on_first_permit"],
            "default": "execute_all",
            "description": "Which questions are answered: all, those up to the first denial, or \
                those up to the first permit.",
        },
    });
    properties["options"] = object("How questions are answered.", &[], semantic);
    let description = "Several questions, and the members that they have in common.";
    object(description, &[], properties)
}

/// The request of `/access/v1/search/subject`.
fn subject_search_request() -> Value {
    let properties = json!({
        "subject": own("SubjectType"),
        "action": own("Action"),
        "resource": own("Resource"),
        "context": own("Context"),
        "page": own("Page"),
    });
    let required = ["subject", "action", "resource"];
    object(
        "Asks which subjects may do an action.",
        &required,
        properties,
    )
}

/// The request of `/access/v1/search/resource`.
fn resource_search_request() -> Value {
    let properties = json!({
        "subject": own("Subject"),
        "action": own("Action"),
        "resource": own("ResourceType"),
        "context": own("Context"),
        "page": own("Page"),
    });
    let required = ["subject", "action", "resource"];
    object(
        "Asks on which resources an action is allowed.",
        &required,
        properties,
    )
}

/// The request of `/access/v1/search/action`.
fn action_search_request() -> Value {
    let properties = json!({
        "subject": own("Subject"),
        "resource": own("Resource"),
        "context": own("Context"),
        "page": own("Page"),
    });
    object(
        "Asks which actions are allowed.",
        &["subject", "resource"],
        properties,
    )
}
