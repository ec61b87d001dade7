//! HTTP: metrics and probes on a listener of their own, and the HTTP bindings of the
//! contract on the main one.
//!
//! The *bindings* ([`Bindings`]) let callers without gRPC make the same calls: by the
//! Connect protocol in JSON or protobuf, by gRPC-Web, or by the AuthZEN Authorization
//! API. A request becomes a call of gRPC with the path of its RPC before anything looks
//! at it, so that credentials, rights, limits, metrics and logs are the same for all.
//! Its message is translated behind the layers ([`Transcoding`]), its status in front
//! of them.
//!
//! Design not taken: services of their own for HTTP. Each RPC, limit and refusal would
//! exist twice.

mod authzen;
mod bindings;
mod connect;
mod contract;
mod cors;
mod documents;
#[cfg(test)]
mod fuzz;
mod grpc;
mod json;
mod json_reader;
mod json_writer;
mod listener;
mod media_type;
mod probes;
mod public_url;
mod shapes;
mod transcoding;

pub use self::{
    bindings::{BindingSettings, Bindings, Contract, Dialect, Received},
    cors::{CorsOrigins, InvalidOrigin},
    listener::serve,
    probes::{Readiness, Shown},
    public_url::{PublicUrl, PublicUrlInvalid},
    transcoding::Transcoding,
};
