//! What TLS needs on both sides: certificates and keys from PEM files, the names
//! in them, and the cryptography, which is that of aws-lc-rs everywhere.
//!
//! Every fault names the setting that holds the file, for an operator sets
//! several of them.

mod peer;
mod pem_file;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use self::{
    peer::{AlternativeNames, Peer, Validity},
    pem_file::{PemFile, PemFileError},
};

/// The cryptography of every TLS connection, named explicitly: the process has
/// no default that a dependency could change.
#[must_use]
pub fn cryptography() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
