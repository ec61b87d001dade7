//! Authorization service of a product-information-management platform (PIM):
//! decides who may do what.

pub mod admin;
pub mod cache;
pub mod cli;
pub mod domain;
pub mod embedded;
pub mod engine;
pub mod failpoints;
pub mod http;
pub mod import;
pub mod listing;
pub mod oidc;
pub mod pb;
pub mod rpc;
pub mod server;
pub mod store;
pub mod supervision;
pub mod telemetry;
pub mod tls;
