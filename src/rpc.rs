//! How the world asks: messages become questions, decisions become messages.
//!
//! Each call goes the same way: *parse* the message into domain words, *ask*
//! for the facts and decide, *render* the answer. [`status`] alone turns what
//! went wrong into a status; the [`gate`] in front of all services ends calls
//! at their deadline and refuses new ones while the server stops; the
//! [`authentication`] behind it says who calls, and refuses what that caller may
//! not call ([`caller_rights`]); [`rate_limits`] refuse what a caller calls too often;
//! and the [`admission`] weighs their messages before they are decoded.
//!
//! What is not done here: interceptors that parse. A message is parsed where it
//! is used, so that a service reads from top to bottom.

mod admin_api;
mod admission;
mod allowed_stream;
mod authentication;
mod authorization_service;
mod budget;
mod caller_rights;
mod calling;
mod clock;
mod credential;
mod facts;
mod failure;
#[cfg(test)]
mod fuzz;
mod gate;
mod import_service;
mod lists;
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

pub use self::{
    admin_api::{AdminApi, ReadStores},
    admission::Admission,
    authentication::{Authentication, Credentials},
    authorization_service::AuthorizationApi,
    budget::Budget,
    gate::Gate,
    import_service::ImportApi,
    observing::Observer,
    page_token::PageTokens,
    rate_limits::{CallerRate, RateLimits},
};
