//! Authentication and authorization of callers: credentials, rights by call,
//! withdrawal, and who may grant what.

mod audit;
mod bootstrap;
mod certificates;
mod escalation;
mod every_call;
mod fuzzed_tokens;
pub(crate) mod issuer;
mod secrets;
mod shares;
pub(crate) mod table;
mod tenants;
mod tokens;
mod withdrawal;
pub(crate) mod world;
