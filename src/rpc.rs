//! The gRPC layer: converts messages to questions, and decisions to messages.
//!
//! Each handler *parses* the message into domain types, *reads* the facts and
//! decides, then *renders* the response. [`status`] alone converts failures to a
//! status; the [`gate`] in front of all services ends calls at their deadline and
//! rejects new ones until the server has started; the [`authentication`] behind
//! it identifies the caller, and rejects what that caller may not call
//! ([`caller_rights`]); [`rate_limits`] reject calls beyond the caller's rate;
//! and the [`admission`] accounts for the size of messages before they are
//! decoded.
//!
//! Design not taken: interceptors that parse. A message is parsed where it is
//! used, so that a handler reads from top to bottom.

mod admin_api;
mod admission;
mod allowed_stream;
mod authentication;
mod authorization_service;
mod budget;
mod caller_identity;
mod caller_rate;
mod caller_rights;
mod clock;
mod credential;
mod decoded_size;
mod failure;
pub(crate) mod frames;
#[cfg(test)]
mod fuzz;
mod gate;
pub(crate) mod gzip;
mod import_service;
mod layers;
mod lists;
mod message_stream;
mod observing;
mod page_token;
mod parse;
mod parse_batch;
mod parse_import;
mod parse_listing;
mod rate_limits;
mod render;
mod render_explanation;
mod render_import;
mod render_listing;
mod request_hash;
mod status;
mod streamed_request;

pub(crate) use self::decoded_size::weigh_lists;
#[cfg(test)]
pub(crate) use self::fuzz::input as fuzz_input;
pub use self::layers::{Behind, Handler};
pub use self::{
    admin_api::{AdminApi, ReadStores},
    admission::{Admission, MAX_MESSAGE_BYTES, MAX_PIECE_BYTES, Untranslated},
    authentication::{Authentication, Credentials},
    authorization_service::AuthorizationApi,
    budget::{Budget, Weight},
    caller_rate::CallerRate,
    gate::{Deadline, Gate},
    import_service::ImportApi,
    observing::Observer,
    page_token::PageTokens,
    rate_limits::RateLimits,
    status::{broken, invalid_field, too_large, too_many_entries, unimplemented},
};
