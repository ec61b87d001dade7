//! The schemas of answers.

use serde_json::{Value, json};

use super::parts::{described, object, of_contract, own, text};

/// Returns the schemas of answers and their members, by the ends of their names.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("EvaluationAnswer", evaluation_answer()),
        ("AnswerContext", answer_context()),
        ("Reason", reason()),
        ("Evaluations", evaluations()),
        ("EvaluationsAnswer", evaluations_answer()),
        ("Entity", entity()),
        ("EntitySearchAnswer", entity_search_answer()),
        ("ActionSearchAnswer", action_search_answer()),
        ("AnswerPage", answer_page()),
        ("Configuration", configuration()),
    ]
}

/// The answer to one question.
fn evaluation_answer() -> Value {
    let properties = json!({
        "decision": { "type": "boolean", "description": "Whether the action is allowed." },
        "context": own("AnswerContext"),
    });
    object("The answer to one question.", &["decision"], properties)
}

/// What an answer has besides its decision.
fn answer_context() -> Value {
    let error = json!({
        "status": {
            "type": "integer",
            "description": "The status of HTTP that the question would have had alone.",
        },
        "message": text("What was wrong."),
    });
    let error = object("Why the question failed.", &["status", "message"], error);
    let properties = json!({
        "error": error,
        "reason": described(own("Reason"), "The reason; set on a denial."),
        "level": described(of_contract("Level"), "The level held on the resource."),
        "edit_mode": described(of_contract("EditMode"), "How an edit takes effect."),
        "revision": text("The revision of the tenant that the answer is based on."),
    });
    let description = "What the answer says besides the decision: why the question failed or, \
        if the request says `explain`, what a `CheckResponse` has.";
    object(description, &[], properties)
}

/// The reason of a denial.
fn reason() -> Value {
    let properties = json!({
        "code": described(of_contract("ReasonCode"), "Which kind of rule it was."),
        "message": text("One short sentence for people; not meant to be parsed."),
        "item": described(own("Entity"), "The item that caused the denial; absent: none did."),
        "needed": described(of_contract("Level"), "The level needed on the item."),
        "held": described(of_contract("Level"), "The level held on the item."),
        "permission": text("The missing permission."),
    });
    object(
        "The first rule that denied.",
        &["code", "message"],
        properties,
    )
}

/// The answers to several questions.
fn evaluations() -> Value {
    let properties = json!({
        "evaluations": {
            "type": "array",
            "items": own("EvaluationAnswer"),
            "description": "The answers in the order of the questions, up to the one after \
                which the request says to stop.",
        },
    });
    object(
        "The answers to several questions.",
        &["evaluations"],
        properties,
    )
}

/// The answer of `/access/v1/evaluations`.
fn evaluations_answer() -> Value {
    json!({
        "description": "The answers, or that to the only question of a request without \
            `evaluations`.",
        "oneOf": [own("Evaluations"), own("EvaluationAnswer")],
    })
}

/// What a search finds, or a reason names.
fn entity() -> Value {
    let properties = json!({ "type": text("Its type."), "id": text("Its code.") });
    object(
        "A subject, a resource or an item.",
        &["type", "id"],
        properties,
    )
}

/// The answer of a search for subjects or resources.
fn entity_search_answer() -> Value {
    search_answer("The subjects or resources that were found.", &own("Entity"))
}

/// The answer of a search for actions.
fn action_search_answer() -> Value {
    let properties = json!({ "name": text("The action.") });
    let action = object("One allowed action.", &["name"], properties);
    search_answer("The actions that were found.", &action)
}

/// The answer of a search whose results have this schema.
fn search_answer(description: &str, result: &Value) -> Value {
    let properties = json!({
        "results": { "type": "array", "items": result, "description": "The results." },
        "page": own("AnswerPage"),
    });
    object(description, &["results"], properties)
}

/// The page of an answer.
fn answer_page() -> Value {
    let properties = json!({
        "next_token": text("The token of the next page; empty: this is the last."),
        "count": { "type": "integer", "minimum": 0, "description": "The number of results." },
    });
    let description = "Which page it is; absent: it has all results and none was asked for.";
    object(description, &["next_token", "count"], properties)
}

/// The document at `/.well-known/authzen-configuration`.
fn configuration() -> Value {
    let url = |description| described(json!({ "type": "string", "format": "uri" }), description);
    let properties = json!({
        "policy_decision_point": url("The URL of the service, or of a tenant in it."),
        "access_evaluation_endpoint": url("Where one question is decided."),
        "access_evaluations_endpoint": url("Where several questions are decided."),
        "search_subject_endpoint": url("Where subjects are searched."),
        "search_resource_endpoint": url("Where resources are searched."),
        "search_action_endpoint": url("Where actions are searched."),
    });
    let required = [
        "policy_decision_point",
        "access_evaluation_endpoint",
        "access_evaluations_endpoint",
        "search_subject_endpoint",
        "search_resource_endpoint",
        "search_action_endpoint",
    ];
    object("Where the endpoints are.", &required, properties)
}
