use clap::{Args, ValueEnum};

/// How TLS to the database is used, as libpq has it. Each outranks the parameter
/// of the same name in the database URL.
#[derive(Clone, Debug, Args)]
pub struct DatabaseTlsArguments {
    /// Whether the connection to the database is encrypted, and what is verified
    /// of it, like `sslmode` in the database URL, which it outranks [default:
    /// prefer].
    #[arg(
        long = "database-sslmode",
        env = "PIM_AUTHZ_DATABASE_SSLMODE",
        value_name = "MODE",
        value_enum,
        requires = "database"
    )]
    pub sslmode: Option<SslModeArgument>,
    /// The CAs that may have signed the certificate of the database: a file in
    /// PEM, or `system` for those of the platform. Like `sslrootcert` in the
    /// database URL, which it outranks [default: ~/.postgresql/root.crt if it is
    /// there].
    #[arg(
        long = "database-sslrootcert",
        env = "PIM_AUTHZ_DATABASE_SSLROOTCERT",
        value_name = "FILE",
        requires = "database"
    )]
    pub sslrootcert: Option<String>,
    /// The certificate to show to the database, a file in PEM. Like `sslcert` in
    /// the database URL, which it outranks.
    #[arg(
        long = "database-sslcert",
        env = "PIM_AUTHZ_DATABASE_SSLCERT",
        value_name = "FILE",
        requires = "database"
    )]
    pub sslcert: Option<String>,
    /// The key of that certificate, a file in PEM without a passphrase. Like
    /// `sslkey` in the database URL, which it outranks.
    #[arg(
        long = "database-sslkey",
        env = "PIM_AUTHZ_DATABASE_SSLKEY",
        value_name = "FILE",
        requires = "database"
    )]
    pub sslkey: Option<String>,
}

/// How the connection to the database uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SslModeArgument {
    /// Never.
    Disable,
    /// Where the database offers it; nothing is verified.
    Prefer,
    /// Always; the CA is verified if `sslrootcert` is known.
    Require,
    /// Always, with a certificate that a CA of `sslrootcert` signed.
    VerifyCa,
    /// As `verify-ca`, for the host of the database URL.
    VerifyFull,
}
