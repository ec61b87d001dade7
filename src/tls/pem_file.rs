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

/// A file in PEM that a setting names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFile {
    /// The setting, as an operator finds it: `` `--tls-cert` ``.
    setting: &'static str,
    path: PathBuf,
}

/// Why a file gives no certificate or key.
#[derive(Debug, thiserror::Error)]
pub enum PemFileError {
    /// The file is not there, or this user may not read it.
    #[error(
        "{setting} names the file `{}`, which cannot be read ({cause}); name a file that the user \
         of this process may read", .path.display()
    )]
    Unreadable {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },

    /// It holds something else, or nothing.
    #[error(
        "{setting} names the file `{}`, which holds no certificate; it takes certificates in PEM \
         (`-----BEGIN CERTIFICATE-----`)", .path.display()
    )]
    NoCertificate {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },

    /// It holds something else, or nothing.
    #[error(
        "{setting} names the file `{}`, which holds no private key; it takes one in PEM \
         (`-----BEGIN PRIVATE KEY-----`)", .path.display()
    )]
    NoKey {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },

    /// The key can only be used with a passphrase.
    #[error(
        "{setting} names the file `{}`, whose key is encrypted with a passphrase; write it without \
         one (`openssl pkey -in KEY -out PLAIN_KEY`) and protect the file instead", .path.display()
    )]
    Encrypted {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },

    /// A section of the file is broken.
    #[error(
        "{setting} names the file `{}`, whose PEM is damaged ({cause}); write it again",
        .path.display()
    )]
    Damaged {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Where it stops being PEM.
        cause: String,
    },

    /// A certificate of the CAs is none.
    #[error(
        "{setting} names the file `{}`, which holds a certificate that is not valid ({cause})",
        .path.display()
    )]
    InvalidCa {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: rustls::Error,
    },
}

impl PemFile {
    /// The file that a setting names. `setting` is shown as it is.
    pub fn new(setting: &'static str, path: impl Into<PathBuf>) -> Self {
        Self {
            setting,
            path: path.into(),
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads its certificates, one at least, in their order.
    ///
    /// # Errors
    ///
    /// [`PemFileError`] when the file cannot be read, is damaged or holds none.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, PemFileError> {
        self.certificates_in(&self.read()?)
    }

    /// The certificates in what was read of it, as [`PemFile::certificates`].
    ///
    /// # Errors
    ///
    /// [`PemFileError`] when the content is damaged or holds none.
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

    /// Reads its certificates as those of trusted CAs.
    ///
    /// # Errors
    ///
    /// [`PemFileError`] when the file cannot be read, is damaged, or holds none
    /// that can be trusted.
    pub fn roots(&self) -> Result<RootCertStore, PemFileError> {
        self.roots_of(&self.certificates()?)
    }

    /// Its certificates, as those of trusted CAs.
    ///
    /// # Errors
    ///
    /// [`PemFileError::InvalidCa`] when one of them cannot be trusted.
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

    /// Reads its first private key.
    ///
    /// # Errors
    ///
    /// [`PemFileError`] when the file cannot be read, is damaged, or holds none
    /// that can be used without a passphrase.
    pub fn private_key(&self) -> Result<PrivateKeyDer<'static>, PemFileError> {
        self.private_key_in(&self.read()?)
    }

    /// The first private key in what was read of it, as [`PemFile::private_key`].
    ///
    /// # Errors
    ///
    /// [`PemFileError`] when the content is damaged, or holds none that can be
    /// used without a passphrase.
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

    /// Reads all of it.
    ///
    /// # Errors
    ///
    /// [`PemFileError::Unreadable`].
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

/// Whether a key is encrypted: PKCS #8 says so in its label, OpenSSL's older form
/// in a header.
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
    fn every_fault_of_a_file_names_setting_file_and_remedy() {
        // Content, what a reader of certificates and one of keys say.
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
            let said = [
                (
                    file.certificates().unwrap_err().to_string(),
                    of_certificates,
                ),
                (file.private_key().unwrap_err().to_string(), of_key),
            ];
            for (said, expected) in said {
                let place = format!("{SETTING} names the file `{}`", file.path().display());
                assert!(said.starts_with(&place), "{said}");
                assert!(said.contains(expected), "{content}: {said}");
            }
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let (folder, _) = file("");
        let file = PemFile::new(SETTING, folder.path().join("none.pem"));
        let said = file.certificates().unwrap_err().to_string();
        assert!(
            said.contains("none.pem") && said.contains("cannot be read"),
            "{said}"
        );
    }
}
