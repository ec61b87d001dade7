use std::path::PathBuf;

use clap::Args;

/// How TLS to a server is used: with any of them, an address without a scheme is
/// an `https://` one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ClientTlsArguments {
    /// The CAs that may have signed the certificate of an `https://` server, a file
    /// in PEM [default: those of the platform].
    #[arg(long = "tls-ca", env = "PIM_AUTHZ_TLS_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The certificate to show to an `https://` server, a file in PEM.
    #[arg(
        long = "tls-cert",
        env = "PIM_AUTHZ_TLS_CERT",
        value_name = "FILE",
        requires = "key"
    )]
    pub cert: Option<PathBuf>,
    /// The key of that certificate, a file in PEM without a passphrase.
    #[arg(
        long = "tls-key",
        env = "PIM_AUTHZ_TLS_KEY",
        value_name = "FILE",
        requires = "cert"
    )]
    pub key: Option<PathBuf>,
}

impl ClientTlsArguments {
    /// True if any option is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }
}
