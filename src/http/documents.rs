//! Documents for callers: the contract as OpenAPI.

use bytes::Bytes;
use http_body_util::Full;
use tonic::{
    body::Body,
    codegen::http::{HeaderValue, Response, header::CONTENT_TYPE},
};

/// The path of the contract as OpenAPI.
pub(super) const OPENAPI_PATH: &str = "/openapi.json";

/// The contract as OpenAPI 3.1, generated from its descriptors by
/// `UPDATE=1 cargo test --test openapi`.
const OPENAPI: &str = include_str!("../../proto/openapi.json");

/// Returns the contract as OpenAPI.
pub(super) fn openapi() -> Response<Body> {
    document(OPENAPI.into())
}

/// Returns the response with a JSON document.
pub(super) fn document(json: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(json)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
