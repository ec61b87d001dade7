use std::collections::BTreeSet;

use prost_types::Duration;
use secrecy::ExposeSecret as _;
use strum::IntoEnumIterator as _;

use crate::{
    admin::{Answered, CallerEntry, CallerRequest, CreatedKey, Written},
    domain::{CallerKey, CallerRight, CallerRights, Code, KeyId, OidcIdentity},
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        parse::{self, code, quoted},
        render_import::render_effect,
    },
};

use super::{
    AdminApi, Answer, callers,
    parse_entries::codes,
    writes::{WriteHead, WriteRequest, entries, writes},
};

/// Largest number of tenants of a caller.
const MOST_TENANTS: usize = 10_000;

/// Largest number of subject alternative names of a caller, and of its OIDC
/// identities.
const MOST_NAMES: usize = 100;

/// Longest subject alternative name, and longest subject of a token, in bytes.
const LONGEST_NAME: usize = 255;

/// Longest issuer, in bytes.
const LONGEST_ISSUER: usize = 1_000;

/// Longest validity of a key, in seconds: 10,000 days.
const LONGEST_VALIDITY: i64 = 10_000 * 24 * 60 * 60;

writes! {
    PutCallersRequest [expected_revision, of_callers] -> PutCallersResponse: CallerRequest =
        |message, _| CallerRequest::Put(entries("callers", message.callers, caller)?);
    DeleteCallersRequest [of_callers] -> DeleteCallersResponse: CallerRequest =
        |message, _| CallerRequest::Delete(codes("names", &message.names)?);
    DeleteCallerKeyRequest [of_callers] -> DeleteCallerKeyResponse: CallerRequest =
        |message, _| CallerRequest::DeleteKey(key_id(&message.key_id)?);
}

fn key_id(text: &str) -> Result<KeyId, InvalidField> {
    text.parse().map_err(|_| {
        let message = format!(
            "`{}` is no id of a key; one is 16 letters and digits, as ListCallers shows it",
            quoted(text)
        );
        InvalidField::new("key_id", message)
    })
}

impl WriteRequest for pb::CreateCallerKeyRequest {
    const NAME: &'static str = "CreateCallerKeyRequest";

    const OF_CALLERS: bool = true;

    fn take_head(&mut self) -> WriteHead {
        WriteHead {
            tenant: self.tenant.clone(),
            actor: std::mem::take(&mut self.actor),
            idempotency_key: String::new(),
            dry_run: self.dry_run,
        }
    }
}

impl Answer<pb::CreateCallerKeyRequest> for AdminApi {
    type Message = pb::CreateCallerKeyResponse;

    async fn answer(
        &self,
        mut request: pb::CreateCallerKeyRequest,
    ) -> Result<Self::Message, Failure> {
        let mut context = self.context(&mut request)?;
        context.fill_actor();
        let caller = code("caller", &request.caller)?;
        let valid_for = request.valid_for.map(validity).transpose()?;
        let dry_run = context.dry_run;
        let key = new_key()?;
        let created = CallerRequest::CreateKey {
            caller,
            key: CreatedKey {
                id: key.id(),
                hash: key.hash(),
                valid_for,
            },
        };
        // Without an idempotency key no response is stored.
        let written = self.coordinator.change(created, context, |_| Vec::new());
        let Written {
            revision, effect, ..
        } = match written.await? {
            Answered::Fresh(written) => written,
            Answered::Replayed(_) => return Err(crate::admin::AdminError::Conflict.into()),
        };
        let (key_id, key) = if dry_run {
            Default::default()
        } else {
            (key.id().to_string(), key.text().expose_secret().to_owned())
        };
        Ok(pb::CreateCallerKeyResponse {
            revision: revision.0,
            effect: Some(render_effect(&effect)),
            key_id,
            key,
        })
    }
}

/// Generates a key from the random bytes of the operating system.
fn new_key() -> Result<CallerKey, Failure> {
    let mut random = [0; CallerKey::RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|_| Failure::NoRandomness)?;
    Ok(CallerKey::of(random))
}

/// Parses the validity of a key, in microseconds.
fn validity(time: Duration) -> Result<i64, InvalidField> {
    let Duration { seconds, nanos } = time;
    let is_whole = (0..1_000_000_000).contains(&nanos);
    if !is_whole || !(1..=LONGEST_VALIDITY).contains(&seconds) {
        let message = format!(
            "is {seconds} seconds; a key is good for 1 second to {LONGEST_VALIDITY} seconds (10,000 days), or, without this field, until it is deleted"
        );
        return Err(InvalidField::new("valid_for", message));
    }
    Ok(seconds * 1_000_000 + i64::from(nanos / 1_000))
}

fn caller(message: pb::Caller) -> Result<CallerEntry, InvalidField> {
    let pb::Caller {
        name,
        tenants,
        all_tenants,
        rights,
        subject_alternative_names,
        oidc_identities,
        // Output only.
        keys: _,
    } = message;
    check_most("tenants", tenants.len(), MOST_TENANTS)?;
    check_most(
        "subject_alternative_names",
        subject_alternative_names.len(),
        MOST_NAMES,
    )?;
    check_most("oidc_identities", oidc_identities.len(), MOST_NAMES)?;
    let tenants = tenants.iter().enumerate();
    let tenants = tenants.map(|(index, tenant)| code(&format!("tenants[{index}]"), tenant));
    let names = subject_alternative_names.into_iter().enumerate();
    let names = names.map(|(index, name)| {
        let field = format!("subject_alternative_names[{index}]");
        text(&field, name, LONGEST_NAME)
    });
    let identities = oidc_identities.into_iter().enumerate();
    let identities = identities.map(|(index, identity)| {
        let pb::OidcIdentity { issuer, subject } = identity;
        let field = |name: &str| format!("oidc_identities[{index}].{name}");
        Ok::<_, InvalidField>(OidcIdentity {
            issuer: text(&field("issuer"), issuer, LONGEST_ISSUER)?,
            subject: text(&field("subject"), subject, LONGEST_NAME)?,
        })
    });
    Ok(CallerEntry {
        name: code("name", &name)?,
        tenants: tenants.collect::<Result<BTreeSet<Code>, _>>()?,
        all_tenants,
        rights: self::rights(&rights)?,
        subject_alternative_names: names.collect::<Result<_, _>>()?,
        oidc_identities: identities.collect::<Result<_, _>>()?,
    })
}

fn rights(numbers: &[i32]) -> Result<CallerRights, InvalidField> {
    let rights = numbers.iter().enumerate().map(|(index, number)| {
        let is_meant = |right: &CallerRight| i32::from(callers::right(*right)) == *number;
        CallerRight::iter().find(is_meant).ok_or_else(|| {
            let message = format!(
                "{number} is no right; allowed are: CALLER_RIGHT_CHECK, CALLER_RIGHT_LIST, \
                 CALLER_RIGHT_ADMINISTER, CALLER_RIGHT_AUDIT, CALLER_RIGHT_OPERATE"
            );
            InvalidField::new(format!("rights[{index}]"), message)
        })
    });
    rights.collect()
}

fn check_most(field: &str, found: usize, most: usize) -> Result<(), InvalidField> {
    if found <= most {
        return Ok(());
    }
    let message = format!("has {found} entries; at most {most} are allowed");
    Err(InvalidField::new(field, message))
}

/// Parses a text that is compared exactly: 1 to `longest` bytes without control
/// characters.
fn text(field: &str, text: String, longest: usize) -> Result<String, InvalidField> {
    let wrong = if text.is_empty() {
        "is empty".to_owned()
    } else if text.len() > longest {
        format!("is {} bytes long", text.len())
    } else if text.chars().any(char::is_control) {
        format!(
            "`{}` holds a control character",
            parse::quoted(&text).escape_debug()
        )
    } else {
        return Ok(text);
    };
    let message = format!("{wrong}; it is 1 to {longest} bytes without control characters");
    Err(InvalidField::new(field, message))
}
