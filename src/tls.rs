//! What TLS needs on both sides: certificates and keys from PEM files, the names
//! in them, and the cryptography, which is that of aws-lc-rs everywhere.
//!
//! Every fault names the setting that holds the file, for an operator sets
//! several of them.

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

/// The cryptography of every TLS connection, named explicitly: the process has
/// no default that a dependency could change.
#[must_use]
pub fn cryptography() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The CAs that the platform trusts: of `SSL_CERT_FILE`, or where it keeps them.
///
/// # Errors
///
/// Why there are none, in parentheses, or nothing where that is not known.
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

/// No CA: for what makes no connections over TLS.
#[must_use]
pub fn no_roots() -> RootCertStore {
    RootCertStore::empty()
}

/// How a client secures its connections that trusts these CAs and shows no
/// certificate.
///
/// # Errors
///
/// What rustls finds wrong with it.
pub fn client_trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(cryptography());
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
