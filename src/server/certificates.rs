use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    pki_types::CertificateDer,
    server::{VerifierBuilderError, WebPkiClientVerifier},
};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::tls::{self, AlternativeNames, PemFile, PemFileError, Validity};

/// Interval at which the files are checked for changes.
const LOOK: Duration = Duration::from_secs(2);

/// The protocols negotiated over TLS, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The TLS files for callers, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by its intermediates without the root.
    pub certificate: PathBuf,
    /// Its key, without a passphrase.
    pub key: PathBuf,
    /// The CAs that sign accepted client certificates; `None`: client
    /// certificates are not requested.
    pub client_ca: Option<PathBuf>,
}

/// Why the TLS files for callers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFilesError {
    /// A file contains no certificate or key.
    #[error(transparent)]
    File(#[from] PemFileError),

    /// Certificate and key do not match, or are invalid.
    #[error(
        "`--tls-cert` and `--tls-key` cannot be used together ({0}); let them name a certificate \
         and its own key"
    )]
    InvalidPair(rustls::Error),

    /// Client certificates cannot be verified with these CAs.
    #[error(
        "the certificates of callers cannot be verified with the CAs of `--tls-client-ca` ({0})"
    )]
    ClientVerifier(VerifierBuilderError),
}

/// The server's certificate and the CAs of client certificates, from the last
/// valid version of the files.
#[derive(Clone, Debug)]
pub(super) struct Certificates {
    files: Files,
    current: Arc<ArcSwap<Loaded>>,
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PemFile,
    key: PemFile,
    client_ca: Option<PemFile>,
}

/// Contents of the files.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// Identifies the contents without storing them.
    digest: [u8; 32],
    /// Expiry of the certificate, in seconds since 1970; `None`: it does not
    /// parse.
    expiry: Option<i64>,
}

impl Certificates {
    /// Reads the files.
    pub(super) fn load(files: &TlsFiles) -> Result<Self, TlsFilesError> {
        let files = Files {
            certificate: PemFile::new("`--tls-cert`", &files.certificate),
            key: PemFile::new("`--tls-key`", &files.key),
            client_ca: files
                .client_ca
                .as_ref()
                .map(|path| PemFile::new("`--tls-client-ca`", path)),
        };
        let loaded = files.load(&files.read()?)?;
        Ok(Self {
            files,
            current: Arc::new(ArcSwap::from_pointee(loaded)),
        })
    }

    /// Returns the TLS acceptor for the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }

    /// Returns the certificate's expiry, in seconds since 1970; `None`: unknown.
    pub(super) fn expiry(&self) -> Option<i64> {
        self.current.load().expiry
    }

    /// Reloads the files whenever they have changed, for as long as it is polled.
    /// Open connections are not affected.
    pub(super) async fn follow(self) {
        let mut failures = Failures::default();
        loop {
            sleep(LOOK).await;
            let looking = self.clone();
            let looked = tokio::task::spawn_blocking(move || looking.look());
            match looked.await {
                Ok(Ok(())) => failures = Failures::default(),
                Ok(Err(error)) => failures.note(error.to_string()),
                // The runtime shuts down, or reading panicked.
                Err(_) => return,
            }
        }
    }

    fn look(&self) -> Result<(), TlsFilesError> {
        let contents = self.files.read()?;
        if contents.digest() == self.current.load().digest {
            return Ok(());
        }
        let loaded = self.files.load(&contents)?;
        self.current.store(Arc::new(loaded));
        Ok(())
    }
}

impl Files {
    fn read(&self) -> Result<Contents, PemFileError> {
        Ok(Contents {
            certificate: self.certificate.read()?,
            key: self.key.read()?,
            client_ca: self.client_ca.as_ref().map(PemFile::read).transpose()?,
        })
    }

    /// Builds a configuration from matching contents, and logs its certificate.
    fn load(&self, contents: &Contents) -> Result<Loaded, TlsFilesError> {
        let certificates = self.certificate.certificates_in(&contents.certificate)?;
        let key = self.key.private_key_in(&contents.key)?;
        let cryptography = tls::cryptography();
        let versions = ServerConfig::builder_with_provider(Arc::clone(&cryptography))
            .with_safe_default_protocol_versions()
            .map_err(TlsFilesError::InvalidPair)?;
        let of_callers = match (&self.client_ca, &contents.client_ca) {
            (Some(file), Some(content)) => {
                let roots = file.roots_of(&file.certificates_in(content)?)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), cryptography)
                        .allow_unauthenticated()
                        .build()
                        .map_err(TlsFilesError::ClientVerifier)?;
                versions.with_client_cert_verifier(verifier)
            }
            (None, _) | (_, None) => versions.with_no_client_auth(),
        };
        let shown = certificates.first().cloned();
        let mut config = of_callers
            .with_single_cert(certificates, key)
            .map_err(TlsFilesError::InvalidPair)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        let validity = shown.as_ref().and_then(Validity::of);
        let expiry = validity.as_ref().map(|validity| validity.until_s);
        if let (Some(certificate), Some(validity)) = (shown, validity) {
            log_loaded(&certificate, validity);
        }
        Ok(Loaded {
            expiry,
            config: Arc::new(config),
            digest: contents.digest(),
        })
    }
}

impl Contents {
    fn digest(&self) -> [u8; 32] {
        let Self {
            certificate,
            key,
            client_ca,
        } = self;
        let parts = [Some(certificate), Some(key), client_ca.as_ref()];
        let mut digest = Sha256::new();
        for part in parts.into_iter().flatten() {
            // Each part is hashed separately, so that bytes moved between parts
            // change the digest.
            digest.update(Sha256::digest(part));
        }
        digest.finalize().into()
    }
}

fn log_loaded(certificate: &CertificateDer<'_>, validity: Validity) {
    let names = AlternativeNames::of(certificate).dns.join(", ");
    let Validity {
        until,
        until_s: _,
        is_now,
    } = validity;
    if is_now {
        tracing::info!(
            tls.names = names,
            tls.valid_until = until,
            "TLS for callers has a certificate for `{names}`, valid until {until}"
        );
    } else {
        tracing::error!(
            tls.names = names,
            tls.valid_until = until,
            "TLS for callers has a certificate for `{names}` that is not valid now (valid until \
             {until}): callers refuse it; renew the files of `--tls-cert` and `--tls-key`"
        );
    }
}

/// Failures to reload the files. One is logged when it occurs twice in a row,
/// since between the two writes of a pair the files do not match for a moment.
#[derive(Debug, Default)]
struct Failures {
    last: Option<String>,
    is_logged: bool,
}

impl Failures {
    fn note(&mut self, failure: String) {
        if self.is_due(failure) {
            let failure = self.last.as_deref().unwrap_or_default();
            tracing::error!(
                error = failure,
                "the changed files of TLS for callers cannot be used; connections get the \
                 certificate from before: {failure}"
            );
        }
    }

    /// True if a failure is to be logged now.
    fn is_due(&mut self, failure: String) -> bool {
        if self.last.as_ref() != Some(&failure) {
            self.last = Some(failure);
            self.is_logged = false;
            return false;
        }
        !std::mem::replace(&mut self.is_logged, true)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;

    fn write_pair(folder: &Path, host: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
        fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    }

    fn files(folder: &Path) -> TlsFiles {
        TlsFiles {
            certificate: folder.join("tls.crt"),
            key: folder.join("tls.key"),
            client_ca: None,
        }
    }

    #[test]
    fn mismatched_pair_keeps_the_previous_certificate() {
        let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        write_pair(here.path(), "a");
        write_pair(there.path(), "b");
        let certificates = Certificates::load(&files(here.path())).unwrap();
        let before = certificates.current.load().digest;
        let [new, key] = ["tls.crt", "tls.key"].map(|name| there.path().join(name));
        fs::copy(new, here.path().join("tls.crt")).unwrap();
        let message = certificates.look().unwrap_err().to_string();
        assert!(
            message.starts_with("`--tls-cert` and `--tls-key`"),
            "{message}"
        );
        assert_eq!(certificates.current.load().digest, before);
        fs::copy(key, here.path().join("tls.key")).unwrap();
        certificates.look().unwrap();
        assert_ne!(certificates.current.load().digest, before);
    }

    #[test]
    fn repeated_failure_is_logged_once() {
        let mut failures = Failures::default();
        let mut due = |failure: &str| failures.is_due(failure.to_owned());
        let found = ["a", "a", "a", "b", "a", "a"].map(&mut due);
        assert_eq!(found, [false, true, false, false, false, true]);
    }
}
