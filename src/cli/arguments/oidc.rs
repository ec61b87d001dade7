use std::path::PathBuf;

use clap::Args;

/// Whose OIDC tokens are accepted.
#[derive(Clone, Debug, Args)]
pub struct OidcArguments {
    /// Accept the OIDC tokens of this issuer, as their claim `iss` has it. Without
    /// `--oidc-jwks` its keys are found by its
    /// `/.well-known/openid-configuration`.
    #[arg(
        long = "oidc-issuer",
        env = "PIM_AUTHZ_OIDC_ISSUER",
        value_name = "ISSUER",
        requires = "audience"
    )]
    pub issuer: Option<String>,
    /// What the claim `aud` of a token must contain: the name of this service at
    /// the issuer.
    #[arg(
        long = "oidc-audience",
        env = "PIM_AUTHZ_OIDC_AUDIENCE",
        value_name = "AUDIENCE",
        requires = "issuer"
    )]
    pub audience: Option<String>,
    /// The public keys of the issuer, a JSON Web Key Set: a file, or an https URL.
    /// Read again when they change.
    #[arg(
        long = "oidc-jwks",
        env = "PIM_AUTHZ_OIDC_JWKS",
        value_name = "FILE|URL",
        requires = "issuer"
    )]
    pub jwks: Option<String>,
    /// The CAs that may have signed the issuer's certificate, a file in PEM
    /// [default: those of the platform].
    #[arg(
        long = "oidc-ca",
        env = "PIM_AUTHZ_OIDC_CA",
        value_name = "FILE",
        requires = "issuer"
    )]
    pub ca: Option<PathBuf>,
    /// The algorithms that may have signed a token; never symmetric ones.
    #[arg(
        long = "oidc-algorithms",
        env = "PIM_AUTHZ_OIDC_ALGORITHMS",
        value_name = "ALGORITHMS",
        value_delimiter = ',',
        default_value = "RS256,ES256"
    )]
    pub algorithms: Vec<String>,
}
