//! Verifies the signatures and claims of OIDC tokens.
//!
//! A [`TokenVerifier`] holds the public keys of one issuer. It reads them from a
//! file or a URL, reloads them to follow changes, and caches verified tokens, so
//! that each signature is verified once. Claims other than issuer and subject
//! grant no rights (`api.md`, "Who calls").

mod issuer_keys;
mod key_source;
mod settings;
mod verifier;

pub use self::{
    key_source::KeyReadError,
    settings::{InvalidOidcSettings, KeyLocation, OidcSettings},
    verifier::{TokenError, TokenVerifier, VerifiedToken},
};
