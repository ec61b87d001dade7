//! One private PostgreSQL for as long as any test needs it, a database and a
//! server of its own for each test, and clients.

mod database;
mod server;

pub(crate) use self::{
    database::Database,
    server::{TestServer, context, product, refusal, resource, user},
};
