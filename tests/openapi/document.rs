//! The whole document.

use serde_json::{Value, json};

use crate::{authzen, calls, connect, contract::Contract, schemas::Schemas};

/// What the document says about itself.
const DESCRIPTION: &str = "Decides what users, apps and connections may do in a \
    product-information-management platform. Each call is a POST of JSON by the Connect \
    protocol; a denial is an answer, not an error. Descriptions name fields as the contract \
    does: its `page_size` is `pageSize` in JSON. See docs/integrate.md.";

/// Returns the document as it is committed.
pub(crate) fn text() -> String {
    let mut document = generate(&Contract::compile());
    // Without effect unless another crate makes objects keep the order of insertion.
    document.sort_all_objects();
    let json = serde_json::to_string_pretty(&document).unwrap();
    format!("{json}\n")
}

/// Generates the document from the contract.
pub(crate) fn generate(contract: &Contract) -> Value {
    let mut schemas = Schemas::new(contract);
    let mut paths = calls::paths(contract, &mut schemas);
    paths.extend(authzen::paths());
    let mut schemas = schemas.into_named();
    connect::add_schemas(&mut schemas);
    schemas.extend(authzen::schemas());
    let mut tags = calls::tags(contract);
    tags.push(authzen::tag());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "pim-authz",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The server that serves this document." }],
        "security": [{}, { "bearer": [] }, { "mutualTLS": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": connect::parameters(),
            "responses": {
                "Error": connect::error_response(),
                "Refusal": authzen::refusal(),
            },
            "securitySchemes": security_schemes(),
        },
    })
}

/// Returns the kinds of credentials, by name.
fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of a caller, or an OIDC token. See docs/callers.md.",
        },
        "mutualTLS": {
            "type": "mutualTLS",
            "description": "A client certificate with a name of a caller. See docs/callers.md.",
        },
    })
}
