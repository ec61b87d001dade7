//! A real server on a real PostgreSQL, asked over gRPC.
#![expect(clippy::unwrap_used, reason = "the harness of these tests")]
#![expect(
    clippy::unnecessary_wraps,
    reason = "messages as the fields of other messages take them"
)]

mod harness;
mod import_door;
mod limits;
mod refusals;
mod serving;
