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

/// The value of `sslrootcert` that stands for the CAs of the platform.
const SYSTEM: &str = "system";

/// Where libpq looks for CAs where `sslrootcert` is not set, below the home folder.
const ROOT_OF_LIBPQ: &str = ".postgresql/root.crt";

/// libpq's settings of TLS as they are written; `None`: not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsParameters {
    /// The name of an [`SslMode`].
    pub sslmode: Option<String>,
    /// The CAs that may sign the certificate of the database, a file in PEM, or
    /// `system`.
    pub sslrootcert: Option<String>,
    /// The certificate that this program shows, a file in PEM.
    pub sslcert: Option<String>,
    /// Its key, a file in PEM without a passphrase.
    pub sslkey: Option<String>,
}

/// How a connection to the database uses TLS, as libpq has it: weakest first.
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
    /// Never.
    Disable,
    /// Where the database offers it; nothing is verified.
    #[default]
    Prefer,
    /// Always; the CA is verified where one is known.
    Require,
    /// Always, with a certificate that a known CA has signed.
    VerifyCa,
    /// As [`SslMode::VerifyCa`], for the host of the database URL.
    VerifyFull,
}

/// What is wrong with the settings of TLS to the database.
#[derive(Debug, thiserror::Error)]
pub enum TlsSettingError {
    /// No such mode.
    #[error(
        "`sslmode` (in the database URL, or `--database-sslmode`) is `{0}`; it is one of \
         `disable`, `prefer`, `require`, `verify-ca` and `verify-full`"
    )]
    UnknownMode(String),

    /// A certificate cannot be used without its key.
    #[error(
        "`sslcert` is set and `sslkey` is not; set both (in the database URL, or \
         `--database-sslcert` and `--database-sslkey`), or none"
    )]
    KeyMissing,

    /// A key cannot be used without its certificate.
    #[error(
        "`sslkey` is set and `sslcert` is not; set both (in the database URL, or \
         `--database-sslcert` and `--database-sslkey`), or none"
    )]
    CertificateMissing,

    /// Nothing says whom to trust.
    #[error(
        "`sslmode` is `{0}` and `sslrootcert` is not set; let it name the CA of the database's \
         certificate (a file in PEM), or `system` for those of the platform"
    )]
    NoRoot(SslMode),

    /// Anyone can get a certificate of a public CA, for another name.
    #[error("`sslrootcert` is `system` and `sslmode` is `{0}`; set `sslmode` to `verify-full`")]
    SystemNeedsFull(SslMode),

    /// The platform has no CAs.
    #[error(
        "`sslrootcert` is `system` and this machine has no CAs{0}; install them (Debian: \
         `apt-get install ca-certificates`), or let `sslrootcert` name a file in PEM"
    )]
    NoSystemRoots(String),

    /// A file gives no certificate or key.
    #[error(transparent)]
    File(#[from] PemFileError),

    /// Certificate and key do not belong together, or are none.
    #[error(
        "`sslcert` and `sslkey` of the database cannot be used together ({0}); let them name a \
         certificate and its own key"
    )]
    InvalidPair(rustls::Error),
}

/// Settings of TLS that fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TlsSettings {
    pub(super) mode: SslMode,
    root: Root,
    client: Option<(PemFile, PemFile)>,
}

/// Which CAs may have signed the certificate of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Root {
    /// Anyone: nothing is verified.
    Unverified,
    System,
    File(PemFile),
}

impl TlsSettings {
    /// Settings as they are written, with the CA of libpq's folder where none is
    /// named and one is needed.
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

    /// None, and no files.
    pub(super) fn without_tls() -> Self {
        Self {
            mode: SslMode::Disable,
            root: Root::Unverified,
            client: None,
        }
    }

    /// Reads the files: how the client's side of TLS is spoken.
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

/// A certificate with those of the CAs above it, and its key.
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
    fn modes_and_roots_combine_as_libpq_has_them() {
        use SslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        // sslmode, sslrootcert, libpq's own file; what comes of it.
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
    fn settings_that_do_not_fit_together_are_refused() {
        // sslmode, sslrootcert, what is said.
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
            let said = settings(sslmode, sslrootcert, None).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_certificate_and_its_key_are_set_together() {
        let resolve = |sslcert: Option<&str>, sslkey: Option<&str>| {
            let parameters = TlsParameters {
                sslcert: sslcert.map(str::to_owned),
                sslkey: sslkey.map(str::to_owned),
                ..TlsParameters::default()
            };
            TlsSettings::resolve_with(parameters, None).map_err(|error| error.to_string())
        };
        let said = resolve(Some("/c"), None).unwrap_err();
        assert!(
            said.starts_with("`sslcert` is set and `sslkey` is not"),
            "{said}"
        );
        let said = resolve(None, Some("/k")).unwrap_err();
        assert!(
            said.starts_with("`sslkey` is set and `sslcert` is not"),
            "{said}"
        );
        assert!(resolve(Some("/c"), Some("/k")).unwrap().client.is_some());
    }
}
