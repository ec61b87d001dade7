//! The test environment: one private PostgreSQL that runs as long as any test
//! needs it, a separate database and server for each test, and clients.

pub(crate) mod certificates;
mod database;
pub(crate) mod http_client;
mod import;
mod likely_messages;
pub(crate) mod lists;
mod made_catalog;
mod program;
mod seeds;
mod server;
mod steps;
pub(crate) mod stored_worlds;
mod tls_postgres;
pub(crate) mod words;

pub(crate) use self::{
    database::Database,
    http_client::{STREAM, framed},
    import::{File, file, header, import, parts},
    likely_messages::{messages, methods},
    made_catalog::MadeCatalog,
    program::{Program, channel_to, terminate},
    seeds::{Seed, first_seed, seeds},
    server::{TestServer, context, product, refusal, resource, user},
    steps::{Steps, viewing_all},
    tls_postgres::TlsPostgres,
};
