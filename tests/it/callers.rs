//! Who may call: credentials, rights by call, withdrawal, and who may give what.

mod audit;
mod bootstrap;
mod escalation;
mod every_call;
mod secrets;
mod table;
mod tenants;
mod withdrawal;
mod world;
