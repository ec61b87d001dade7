//! Servers of this process on one PostgreSQL, a database of its own for each
//! test, and a proxy for each server.

#[path = "../it/harness/database.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod database;

pub(crate) use self::database::Database;
