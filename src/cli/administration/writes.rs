//! Write commands: their requests, and the line that reports their effect.

use prost::Name;

use crate::{
    cli::{Answer, arguments::WriteArguments, effect, names::Categories},
    pb,
};

/// Builds a write request with the fields that all write requests share.
macro_rules! request {
    ($request:ident, $write:expr, { $($field:ident: $value:expr),* $(,)? }) => {
        $crate::pb::$request {
            tenant: $write.server.tenant.clone(),
            actor: $crate::cli::environment::actor($write.actor.as_deref()),
            idempotency_key: $write.idempotency_key.clone().unwrap_or_default(),
            dry_run: $write.dry_run,
            $($field: $value,)*
        }
    };
}
pub(super) use request;

/// Connects, sends a write request, and renders its response.
macro_rules! write_and_show {
    ($write:expr, $client:ident.$call:ident($request:ident { $($fields:tt)* })) => {{
        let write = $write;
        let request =
            $crate::cli::administration::writes::request!($request, write, { $($fields)* });
        let response = $crate::cli::connection::call!(write.server, $client.$call(request));
        let effect = response.effect.clone().unwrap_or_default();
        $crate::cli::administration::writes::written(write, &response, response.revision, &effect)
    }};
}
pub(super) use write_and_show;

/// Renders the response of a write.
pub(super) fn written<M: Name>(
    write: &WriteArguments,
    response: &M,
    revision: u64,
    effect: &pb::Effect,
) -> Answer {
    Answer::of(write.server.output, response, || {
        if write.dry_run {
            effect::dry_run("it", effect, &effect::affected(effect))
        } else {
            effect::done("done", revision, effect)
        }
    })
}

/// Converts codes to the code list of an entry.
pub(super) fn code_list(codes: Option<&Categories>) -> Option<pb::CodeList> {
    codes.map(|codes| pb::CodeList {
        codes: codes.0.clone(),
    })
}
