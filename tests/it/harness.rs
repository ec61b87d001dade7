//! One private PostgreSQL for as long as any test needs it, a database and a
//! server of its own for each test, and clients.

mod database;
mod import;
pub(crate) mod lists;
mod server;
pub(crate) mod words;

pub(crate) use self::{
    database::Database,
    import::{File, file, header, parts},
    server::{TestServer, context, product, refusal, resource, user},
};
