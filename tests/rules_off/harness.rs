//! Two in-process servers on one database, and a schedule that runs with all rules and
//! without some.

#[path = "../it/harness/database.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod database;
#[path = "../it/harness/import.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod import;
mod needed;
#[path = "../it/harness/server.rs"]
#[expect(
    dead_code,
    clippy::unnecessary_wraps,
    reason = "other tests use more of it, and as fields of messages"
)]
mod server;
#[path = "../interleavings/harness/servers.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod servers;
mod world;

pub(crate) use self::{
    database::Database,
    needed::{Verdict, needs, turn},
    server::refusal,
    servers::{Server, TENANT, may_view, within},
    world::{LONG, LONGER, World},
};
use self::{
    import::{File, file, header},
    server::{TestServer, product, user},
};
