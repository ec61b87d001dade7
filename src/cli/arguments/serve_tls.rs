use std::path::PathBuf;

use clap::Args;

/// How TLS for callers is used. The files are read again when they change.
#[derive(Clone, Debug, Args)]
pub struct ServeTlsArguments {
    /// Answer over TLS alone, with this certificate: a file in PEM, with the
    /// certificates above it. Read again when it changes.
    #[arg(
        long = "tls-cert",
        env = "PIM_AUTHZ_TLS_CERT",
        value_name = "FILE",
        requires = "key"
    )]
    pub cert: Option<PathBuf>,
    /// The key of that certificate, a file in PEM without a passphrase. Read again
    /// when it changes.
    #[arg(
        long = "tls-key",
        env = "PIM_AUTHZ_TLS_KEY",
        value_name = "FILE",
        requires = "cert"
    )]
    pub key: Option<PathBuf>,
    /// Request from callers a certificate that one of these CAs has signed, a file
    /// in PEM; who shows none is served all the same, who shows another is not.
    /// Read again when it changes.
    #[arg(
        long = "tls-client-ca",
        env = "PIM_AUTHZ_TLS_CLIENT_CA",
        value_name = "FILE",
        requires = "cert"
    )]
    pub client_ca: Option<PathBuf>,
}
