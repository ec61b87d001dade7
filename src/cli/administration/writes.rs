use serde_json::json;

use crate::{
    cli::{
        Answer, CliError, Exit, Output,
        arguments::WriteArguments,
        report::{document, lines},
    },
    pb,
};

/// Returns the actor as given, or else `user:$USER`; empty without either.
pub(super) fn actor(given: Option<&str>) -> String {
    let of_machine = || {
        let user = std::env::var("USER").ok()?;
        Some(format!("user:{user}")).filter(|_| !user.is_empty())
    };
    given
        .map(str::to_owned)
        .or_else(of_machine)
        .unwrap_or_default()
}

/// Connects a client of a service to the given server.
macro_rules! service {
    ($client:ident, $server:expr) => {
        $client::new(connect_to(&$server).await?).max_decoding_message_size(64 << 20)
    };
}
pub(super) use service;

/// Builds a write request with the fields that all write requests share.
macro_rules! request {
    ($request:ident, $write:expr, { $($field:ident: $value:expr),* $(,)? }) => {
        pb::$request {
            tenant: $write.server.tenant.clone(),
            actor: crate::cli::administration::writes::actor($write.actor.as_deref()),
            idempotency_key: $write.idempotency_key.clone().unwrap_or_default(),
            dry_run: $write.dry_run,
            $($field: $value,)*
        }
    };
}
pub(super) use request;

/// Renders the result of a write.
pub(super) fn written(write: &WriteArguments, revision: u64, effect: Option<pb::Effect>) -> Answer {
    let effect = effect.unwrap_or_default();
    if write.server.output == Output::Json {
        let pb::Effect {
            created,
            changed,
            removed,
            unchanged,
            subjects_affected,
            products_affected,
            sample,
        } = effect;
        let value = json!({
            "revision": revision,
            "dry_run": write.dry_run,
            "effect": {
                "created": created,
                "changed": changed,
                "removed": removed,
                "unchanged": unchanged,
                "subjects_affected": subjects_affected,
                "products_affected": products_affected,
                "sample": sample,
            },
        });
        return Answer::new(document(&value), Exit::Done);
    }
    Answer::new(sentences(write, revision, &effect), Exit::Done)
}

fn sentences(write: &WriteArguments, revision: u64, effect: &pb::Effect) -> String {
    let pb::Effect {
        created,
        changed,
        removed,
        unchanged,
        subjects_affected,
        products_affected,
        sample,
    } = effect;
    let counts =
        format!("{created} created, {changed} changed, {removed} removed, {unchanged} unchanged");
    if write.dry_run {
        let sample = lines(sample.iter().map(|line| format!("  {line}")));
        return format!(
            "dry run, nothing was changed; it would give: {counts}\nsubjects affected: {subjects_affected}; products affected: {products_affected}\n{sample}"
        );
    }
    if created + changed + removed == 0 {
        return format!("nothing changed: all is as stored, at revision {revision}\n");
    }
    format!("done at revision {revision}: {counts}\n")
}

/// Converts codes to the code list of an entry.
pub(super) fn code_list(codes: Option<&crate::cli::names::Categories>) -> Option<pb::CodeList> {
    codes.map(|codes| pb::CodeList {
        codes: codes.0.clone(),
    })
}

/// Parses a level by its name.
///
/// # Errors
///
/// [`CliError::Word`] if `word` names no level.
pub(super) fn level(word: &str) -> Result<pb::Level, CliError> {
    let name = format!("LEVEL_{}", word.to_uppercase());
    pb::Level::from_str_name(&name)
        .filter(|level| *level != pb::Level::Unspecified)
        .ok_or_else(|| CliError::Word {
            what: "level",
            word: word.to_owned(),
            allowed: "none, view, edit, own, execute, execute_and_edit",
        })
}
