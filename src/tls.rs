//! TLS of server and clients: certificates and keys from PEM files, the names in
//! certificates, and the cryptography provider, which is aws-lc-rs everywhere.
//!
//! Every error names the setting of the file, because an operator sets several of
//! them.

mod peer;
mod pem_file;

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
};

pub use self::{
    peer::{AlternativeNames, Peer, PeerCertificate, Validity},
    pem_file::{PemFile, PemFileError},
};

/// Returns the cryptography provider of every TLS connection. It is passed
/// explicitly: the process has no default provider that a dependency could
/// change.
#[must_use]
pub fn cryptography() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Loads the CAs that the platform trusts, from `SSL_CERT_FILE` or their usual
/// location.
///
/// # Errors
///
/// Returns why there are none, in parentheses after a space, or an empty string
/// if the cause is unknown.
pub fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let cause = found.errors.first();
        return Err(cause.map_or_else(String::new, |cause| format!(" ({cause})")));
    }
    Ok(roots)
}

/// Returns an empty store, for clients that make no TLS connections.
#[must_use]
pub fn no_roots() -> RootCertStore {
    RootCertStore::empty()
}

/// Returns the TLS configuration of a client that trusts these CAs and presents
/// no certificate.
///
/// # Errors
///
/// Returns the error of rustls if it rejects the configuration.
pub fn client_trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(cryptography());
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
