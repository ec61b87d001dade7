use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};

/// A PEM file that a setting names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFile {
    /// Setting, as shown to an operator: `` `--tls-cert` ``.
    setting: &'static str,
    path: PathBuf,
}

/// Error of reading certificates or keys from a file.
#[derive(Debug, thiserror::Error)]
pub enum PemFileError {
    /// The file does not exist, or the process may not read it.
    #[error(
        "{setting} names the file `{}`, which cannot be read ({cause}); name a file that the user \
         of this process may read", .path.display()
    )]
    Unreadable {
        /// Setting that names the file.
        setting: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        cause: io::Error,
    },

    /// The file contains no certificate.
    #[error(
        "{setting} names the file `{}`, which holds no certificate; it takes certificates in PEM \
         (`-----BEGIN CERTIFICATE-----`)", .path.display()
    )]
    NoCertificate {
        /// Setting that names the file.
        setting: &'static str,
        /// Path of the file.
        path: PathBuf,
    },

    /// The file contains no private key.
    #[error(
        "{setting} names the file `{}`, which holds no private key; it takes one in PEM \
         (`-----BEGIN PRIVATE KEY-----`)", .path.display()
    )]
    NoKey {
        /// Setting that names the file.
        setting: &'static str,
        /// Path of the file.
        path: PathBuf,
    },

    /// The key can only be used with a passphrase.
    #[error(
        "{setting} names the file `{}`, whose key is encrypted with a passphrase; write it without \
         one (`openssl pkey -in KEY -out PLAIN_KEY`) and protect the file instead", .path.display()
    )]
    Encrypted {
        /// Setting that names the file.
        setting: &'static str,
        /// Path of the file.
        path: PathBuf,
    },

    /// A section of the file is broken.
    #[error(
        "{setting} names the file `{}`, whose PEM is damaged ({cause}); write it again",
        .path.display()
    )]
    Damaged {
        /// Setting that names the file.
        setting: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the PEM parser.
        cause: String,
    },

    /// A certificate of a CA is not valid.
    #[error(
        "{setting} names the file `{}`, which holds a certificate that is not valid ({cause})",
        .path.display()
    )]
    InvalidCa {
        /// Setting that names the file.
        setting: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with it.
        cause: rustls::Error,
    },
}

impl PemFile {
    /// Creates the file that a setting names; does not read it. `setting` is
    /// shown in errors as it is.
    pub fn new(setting: &'static str, path: impl Into<PathBuf>) -> Self {
        Self {
            setting,
            path: path.into(),
        }
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the certificates of the file, at least one, in their order.
    ///
    /// # Errors
    ///
    /// Returns [`PemFileError`] if the file cannot be read, is damaged or
    /// contains no certificate.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, PemFileError> {
        self.certificates_in(&self.read()?)
    }

    /// Parses the certificates in `content`, as [`PemFile::certificates`] does.
    ///
    /// # Errors
    ///
    /// Returns [`PemFileError`] if the content is damaged or contains no
    /// certificate.
    pub fn certificates_in(
        &self,
        content: &[u8],
    ) -> Result<Vec<CertificateDer<'static>>, PemFileError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
        let found = found.map_err(|cause| self.damaged(&cause))?;
        if found.is_empty() {
            return Err(PemFileError::NoCertificate {
                setting: self.setting,
                path: self.path.clone(),
            });
        }
        Ok(found)
    }

    /// Reads the certificates of the file as trusted CAs.
    ///
    /// # Errors
    ///
    /// Returns [`PemFileError`] if the file cannot be read, is damaged, contains no
    /// certificate, or one that cannot be trusted.
    pub fn roots(&self) -> Result<RootCertStore, PemFileError> {
        self.roots_of(&self.certificates()?)
    }

    /// Returns a store that trusts these certificates as CAs.
    ///
    /// # Errors
    ///
    /// Returns [`PemFileError::InvalidCa`] if one of them cannot be trusted.
    pub fn roots_of(
        &self,
        certificates: &[CertificateDer<'static>],
    ) -> Result<RootCertStore, PemFileError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            let added = roots.add(certificate.clone());
            added.map_err(|cause| PemFileError::InvalidCa {
                setting: self.setting,
                path: self.path.clone(),
                cause,
            })?;
        }
        Ok(roots)
    }

    /// Reads the first private key of the file.
    ///
    /// # Errors
    ///
    /// Returns [`PemFileError`] if the file cannot be read, is damaged, or contains
    /// no key that can be used without a passphrase.
    pub fn private_key(&self) -> Result<PrivateKeyDer<'static>, PemFileError> {
        self.private_key_in(&self.read()?)
    }

    /// Parses the first private key in `content`, as [`PemFile::private_key`]
    /// does.
    ///
    /// # Errors
    ///
    /// Returns [`PemFileError`] if the content is damaged, or contains no key
    /// that can be used without a passphrase.
    pub fn private_key_in(&self, content: &[u8]) -> Result<PrivateKeyDer<'static>, PemFileError> {
        let setting = self.setting;
        let path = || self.path.clone();
        if is_encrypted(content) {
            return Err(PemFileError::Encrypted {
                setting,
                path: path(),
            });
        }
        match PrivateKeyDer::from_pem_slice(content) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) => Err(PemFileError::NoKey {
                setting,
                path: path(),
            }),
            Err(cause) => Err(self.damaged(&cause)),
        }
    }

    /// Reads the whole file.
    ///
    /// # Errors
    ///
    /// Returns [`PemFileError::Unreadable`] if the file cannot be read.
    pub fn read(&self) -> Result<Vec<u8>, PemFileError> {
        fs::read(&self.path).map_err(|cause| PemFileError::Unreadable {
            setting: self.setting,
            path: self.path.clone(),
            cause,
        })
    }

    fn damaged(&self, cause: &pem::Error) -> PemFileError {
        PemFileError::Damaged {
            setting: self.setting,
            path: self.path.clone(),
            cause: cause.to_string(),
        }
    }
}

/// True if the content has an encrypted key: PKCS #8 marks it in its label,
/// OpenSSL's older form in a header.
fn is_encrypted(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    let signs = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];
    signs.iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTING: &str = "`--tls-cert`";

    fn file(content: &str) -> (tempfile::TempDir, PemFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.pem");
        fs::write(&path, content).unwrap();
        (folder, PemFile::new(SETTING, path))
    }

    #[test]
    fn every_file_error_names_setting_and_file() {
        // Content, the error for certificates, the error for a key.
        let cases = [
            ("", "holds no certificate", "holds no private key"),
            ("hello", "holds no certificate", "holds no private key"),
            (
                "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
                "is damaged",
                "is damaged",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n",
                "is damaged",
                "is damaged",
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "holds no certificate",
                "is encrypted with a passphrase",
            ),
        ];
        for (content, of_certificates, of_key) in cases {
            let (_folder, file) = file(content);
            let messages = [
                (
                    file.certificates().unwrap_err().to_string(),
                    of_certificates,
                ),
                (file.private_key().unwrap_err().to_string(), of_key),
            ];
            for (message, expected) in messages {
                let place = format!("{SETTING} names the file `{}`", file.path().display());
                assert!(message.starts_with(&place), "{message}");
                assert!(message.contains(expected), "{content}: {message}");
            }
        }
    }

    #[test]
    fn missing_file_is_named() {
        let (folder, _) = file("");
        let file = PemFile::new(SETTING, folder.path().join("none.pem"));
        let message = file.certificates().unwrap_err().to_string();
        assert!(
            message.contains("none.pem") && message.contains("cannot be read"),
            "{message}"
        );
    }
}
