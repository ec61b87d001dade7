use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use crate::tls::{self, PemFile, PemFileError};

use super::server_verifier::{Roots, ServerVerifier, Trust};

const ROOT_SETTING: &str = "`sslrootcert` (in the database URL, or `--database-sslrootcert`)";
const CERTIFICATE_SETTING: &str = "`sslcert` (in the database URL, or `--database-sslcert`)";
const KEY_SETTING: &str = "`sslkey` (in the database URL, or `--database-sslkey`)";

/// Value of `sslrootcert` for the CAs of the platform.
const SYSTEM: &str = "system";

/// Path of libpq's default CA file in the home directory, used if `sslrootcert` is
/// not set.
const ROOT_OF_LIBPQ: &str = ".postgresql/root.crt";

/// TLS parameters of libpq, unparsed; `None` if not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsParameters {
    /// Name of an [`SslMode`].
    pub sslmode: Option<String>,
    /// PEM file of the CAs trusted to sign the certificate of the database, or
    /// `system`.
    pub sslrootcert: Option<String>,
    /// PEM file of the client certificate.
    pub sslcert: Option<String>,
    /// PEM file of the client certificate's key, without a passphrase.
    pub sslkey: Option<String>,
}

/// TLS mode of connections to the database, as in libpq; weakest first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum SslMode {
    /// Without TLS.
    Disable,
    /// With TLS if the database offers it; nothing is verified.
    #[default]
    Prefer,
    /// With TLS; the CA is verified if a CA file is configured or found.
    Require,
    /// With TLS and a certificate signed by a trusted CA.
    VerifyCa,
    /// As [`SslMode::VerifyCa`], and the certificate is for the host of the database
    /// URL.
    VerifyFull,
}

/// Invalid TLS settings of the database connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsSettingError {
    /// The mode does not exist.
    #[error(
        "`sslmode` (in the database URL, or `--database-sslmode`) is `{0}`; it is one of \
         `disable`, `prefer`, `require`, `verify-ca` and `verify-full`"
    )]
    UnknownMode(String),

    /// The certificate is set without its key.
    #[error(
        "`sslcert` is set and `sslkey` is not; set both (in the database URL, or \
         `--database-sslcert` and `--database-sslkey`), or none"
    )]
    KeyMissing,

    /// The key is set without its certificate.
    #[error(
        "`sslkey` is set and `sslcert` is not; set both (in the database URL, or \
         `--database-sslcert` and `--database-sslkey`), or none"
    )]
    CertificateMissing,

    /// The mode verifies the certificate, and no CA is configured or found.
    #[error(
        "`sslmode` is `{0}` and `sslrootcert` is not set; let it name the CA of the database's \
         certificate (a file in PEM), or `system` for those of the platform"
    )]
    NoRoot(SslMode),

    /// The CAs of the platform are trusted without verifying the host, although
    /// anyone can obtain a certificate from a public CA for another name.
    #[error("`sslrootcert` is `system` and `sslmode` is `{0}`; set `sslmode` to `verify-full`")]
    SystemNeedsFull(SslMode),

    /// The platform has no CAs.
    #[error(
        "`sslrootcert` is `system` and this machine has no CAs{0}; install them (Debian: \
         `apt-get install ca-certificates`), or let `sslrootcert` name a file in PEM"
    )]
    NoSystemRoots(String),

    /// A file cannot be read, or contains no certificate or key.
    #[error(transparent)]
    File(#[from] PemFileError),

    /// Certificate and key do not match, or are invalid.
    #[error(
        "`sslcert` and `sslkey` of the database cannot be used together ({0}); let them name a \
         certificate and its own key"
    )]
    InvalidPair(rustls::Error),
}

/// Consistent TLS settings of the database connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TlsSettings {
    pub(super) mode: SslMode,
    root: Root,
    client: Option<(PemFile, PemFile)>,
}

/// CAs trusted to sign the certificate of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Root {
    /// The certificate is not verified.
    Unverified,
    System,
    File(PemFile),
}

impl TlsSettings {
    /// Parses and validates the parameters. Uses libpq's default CA file if
    /// `sslrootcert` is not set, the file exists and the mode verifies the CA.
    ///
    /// # Errors
    ///
    /// [`TlsSettingError`] if the parameters are inconsistent; no file is read.
    pub(super) fn resolve(parameters: TlsParameters) -> Result<Self, TlsSettingError> {
        let home = env::var_os("HOME").filter(|home| !home.is_empty());
        let file = home.map(|home| Path::new(&home).join(ROOT_OF_LIBPQ));
        Self::resolve_with(parameters, file.filter(|file| file.exists()))
    }

    fn resolve_with(
        parameters: TlsParameters,
        default_root: Option<PathBuf>,
    ) -> Result<Self, TlsSettingError> {
        let TlsParameters {
            sslmode,
            sslrootcert,
            sslcert,
            sslkey,
        } = parameters;
        let is_system = sslrootcert.as_deref() == Some(SYSTEM);
        let mode = match sslmode {
            Some(name) => name
                .parse()
                .map_err(|_| TlsSettingError::UnknownMode(name))?,
            None if is_system => SslMode::VerifyFull,
            None => SslMode::default(),
        };
        let client = match (sslcert, sslkey) {
            (Some(certificate), Some(key)) => Some((
                PemFile::new(CERTIFICATE_SETTING, certificate),
                PemFile::new(KEY_SETTING, key),
            )),
            (Some(_), None) => return Err(TlsSettingError::KeyMissing),
            (None, Some(_)) => return Err(TlsSettingError::CertificateMissing),
            (None, None) => None,
        };
        let file = sslrootcert.map(PathBuf::from).or(default_root);
        let root = match (mode, file) {
            (SslMode::VerifyFull, Some(_)) if is_system => Root::System,
            (_, Some(_)) if is_system => return Err(TlsSettingError::SystemNeedsFull(mode)),
            (SslMode::Disable | SslMode::Prefer, _) | (SslMode::Require, None) => Root::Unverified,
            (SslMode::VerifyCa | SslMode::VerifyFull, None) => {
                return Err(TlsSettingError::NoRoot(mode));
            }
            (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, Some(file)) => {
                Root::File(PemFile::new(ROOT_SETTING, file))
            }
        };
        Ok(Self { mode, root, client })
    }

    /// Returns settings with TLS disabled and without files.
    pub(super) fn without_tls() -> Self {
        Self {
            mode: SslMode::Disable,
            root: Root::Unverified,
            client: None,
        }
    }

    /// Reads the files and builds the client configuration of TLS.
    pub(super) fn read(&self) -> Result<ClientConfig, TlsSettingError> {
        let cryptography = tls::cryptography();
        let trust = match (self.roots()?, self.mode) {
            (None, _) => Trust::Anyone,
            (Some(roots), SslMode::VerifyFull) => Trust::CaAndName(roots),
            (
                Some(roots),
                SslMode::Disable | SslMode::Prefer | SslMode::Require | SslMode::VerifyCa,
            ) => Trust::Ca(roots),
        };
        let algorithms = cryptography.signature_verification_algorithms;
        let verifier = Arc::new(ServerVerifier::new(trust, algorithms));
        let builder = ClientConfig::builder_with_provider(cryptography)
            .with_safe_default_protocol_versions()
            .map_err(TlsSettingError::InvalidPair)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        match self.client()? {
            Some((certificates, key)) => builder
                .with_client_auth_cert(certificates, key)
                .map_err(TlsSettingError::InvalidPair),
            None => Ok(builder.with_no_client_auth()),
        }
    }

    fn client(&self) -> Result<Option<ClientPair>, TlsSettingError> {
        let Some((certificate, key)) = &self.client else {
            return Ok(None);
        };
        Ok(Some((certificate.certificates()?, key.private_key()?)))
    }

    fn roots(&self) -> Result<Option<Roots>, TlsSettingError> {
        match &self.root {
            Root::Unverified => Ok(None),
            Root::System => {
                let store = tls::system_roots().map_err(TlsSettingError::NoSystemRoots)?;
                Ok(Some(Roots::new(store, Vec::new())))
            }
            Root::File(file) => {
                let certificates = file.certificates()?;
                let store = file.roots_of(&certificates)?;
                Ok(Some(Roots::new(store, certificates)))
            }
        }
    }
}

/// Client certificate with its chain of CAs, and its key.
type ClientPair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(
        sslmode: &str,
        sslrootcert: &str,
        default_root: Option<&str>,
    ) -> Result<(SslMode, Root), String> {
        let set = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        let parameters = TlsParameters {
            sslmode: set(sslmode),
            sslrootcert: set(sslrootcert),
            ..TlsParameters::default()
        };
        TlsSettings::resolve_with(parameters, default_root.map(PathBuf::from))
            .map(|settings| (settings.mode, settings.root))
            .map_err(|error| error.to_string())
    }

    fn file(path: &str) -> Root {
        Root::File(PemFile::new(ROOT_SETTING, path))
    }

    #[test]
    fn modes_and_roots_combine_as_in_libpq() {
        use SslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        // sslmode, sslrootcert, libpq's default file; expected mode and root.
        let cases = [
            ("", "", None, (Prefer, Root::Unverified)),
            ("", "", Some("/home/ca"), (Prefer, Root::Unverified)),
            ("disable", "/ca", None, (Disable, Root::Unverified)),
            ("prefer", "/ca", None, (Prefer, Root::Unverified)),
            ("require", "", None, (Require, Root::Unverified)),
            ("require", "/ca", None, (Require, file("/ca"))),
            ("require", "", Some("/home/ca"), (Require, file("/home/ca"))),
            (
                "verify-ca",
                "/ca",
                Some("/home/ca"),
                (VerifyCa, file("/ca")),
            ),
            (
                "verify-full",
                "",
                Some("/home/ca"),
                (VerifyFull, file("/home/ca")),
            ),
            ("verify-full", "system", None, (VerifyFull, Root::System)),
            ("", "system", None, (VerifyFull, Root::System)),
        ];
        for (sslmode, sslrootcert, default_root, expected) in cases {
            let found = settings(sslmode, sslrootcert, default_root);
            assert_eq!(found, Ok(expected), "{sslmode} {sslrootcert}");
        }
    }

    #[test]
    fn inconsistent_tls_settings_are_rejected() {
        // sslmode, sslrootcert, expected part of the message.
        let cases = [
            ("allow", "", "is `allow`; it is one of `disable`"),
            ("VERIFY-FULL", "", "is `VERIFY-FULL`; it is one of"),
            (
                "verify-ca",
                "",
                "`sslmode` is `verify-ca` and `sslrootcert` is not set",
            ),
            (
                "verify-full",
                "",
                "`sslmode` is `verify-full` and `sslrootcert` is not set",
            ),
            ("require", "system", "set `sslmode` to `verify-full`"),
            ("disable", "system", "set `sslmode` to `verify-full`"),
        ];
        for (sslmode, sslrootcert, expected) in cases {
            let error = settings(sslmode, sslrootcert, None).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn certificate_and_key_must_be_set_together() {
        let resolve = |sslcert: Option<&str>, sslkey: Option<&str>| {
            let parameters = TlsParameters {
                sslcert: sslcert.map(str::to_owned),
                sslkey: sslkey.map(str::to_owned),
                ..TlsParameters::default()
            };
            TlsSettings::resolve_with(parameters, None).map_err(|error| error.to_string())
        };
        let error = resolve(Some("/c"), None).unwrap_err();
        assert!(
            error.starts_with("`sslcert` is set and `sslkey` is not"),
            "{error}"
        );
        let error = resolve(None, Some("/k")).unwrap_err();
        assert!(
            error.starts_with("`sslkey` is set and `sslcert` is not"),
            "{error}"
        );
        assert!(resolve(Some("/c"), Some("/k")).unwrap().client.is_some());
    }
}
