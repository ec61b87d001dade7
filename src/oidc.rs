//! Verifies OIDC tokens: whom a token is about, as its issuer has signed it.
//!
//! A [`TokenVerifier`] holds the public keys of one issuer. It reads them from a
//! file or from a URL, reads them again when they change, and keeps tokens that it
//! has verified, so that their signatures are verified once. What a token says
//! beyond its issuer and subject gives no rights (`api.md`, "Who calls").

mod issuer_keys;
mod key_source;
mod settings;
mod verifier;

pub use self::{
    key_source::KeyReadError,
    settings::{InvalidOidcSettings, KeyLocation, OidcSettings},
    verifier::{TokenError, TokenVerifier, VerifiedToken},
};
