//! In-process servers on one PostgreSQL, with a separate database for each test and
//! a proxy for each server.

#[path = "../it/harness/database.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod database;
#[path = "../it/harness/import.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod import;
mod own_postgres;
#[path = "../it/harness/server.rs"]
#[expect(
    dead_code,
    clippy::unnecessary_wraps,
    reason = "other tests use more of it, and as fields of messages"
)]
mod server;
mod servers;

pub(crate) use self::{
    database::Database,
    own_postgres::OwnPostgres,
    server::refusal,
    servers::{LEASE, Server, TENANT, assert_unavailable, company, may_view, within},
};
use self::{
    import::{File, file, header},
    server::{TestServer, product, user},
};
