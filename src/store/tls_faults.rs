//! Classification of TLS failures of connections to the database.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError};
use tokio_postgres::error::SqlState;

/// Reason why no connection with the configured TLS settings can be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, strum::EnumIter)]
pub enum TlsFault {
    /// The database rejects connections without TLS, and TLS is disabled here.
    Demanded,
    /// The database offers no TLS, and TLS is required here.
    NotOffered,
    /// The certificate of the database is not signed by a trusted CA.
    Untrusted,
    /// The certificate of the database is for another host.
    WrongName,
    /// The certificate of the database, or of a CA above it, has expired or is not
    /// valid yet.
    Expired,
    /// The database rejects the client certificate, or requires one.
    ClientRefused,
    /// Any other failure of TLS.
    #[default]
    Failed,
}

impl TlsFault {
    /// Returns the state of the database, as
    /// [`Condition::state`](super::Condition::state).
    #[must_use]
    pub fn state(self) -> &'static str {
        match self {
            Self::Demanded => "the database refuses connections without TLS",
            Self::NotOffered => "the database offers no TLS",
            Self::Untrusted => {
                "the certificate of the database is signed by no CA of `sslrootcert`"
            }
            Self::WrongName => "the certificate of the database is for another host",
            Self::Expired => "the certificate of the database has expired or is not valid yet",
            Self::ClientRefused => "the database does not accept the client certificate",
            Self::Failed => "no TLS connection to the database can be made",
        }
    }

    /// Returns advice for the operator, which names the setting to change.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Demanded => {
                "`sslmode` is `disable`: set it to `require` or stricter, or let `pg_hba.conf` \
                 admit this host without TLS"
            }
            Self::NotOffered => {
                "set `ssl = on` in its configuration, or `sslmode` to `prefer` or `disable` where \
                 the network on the way to it is trusted"
            }
            Self::Untrusted => {
                "let `sslrootcert` name the CA that signed it, and check who answers in the place \
                 of the database"
            }
            Self::WrongName => {
                "let the database URL name a host that the certificate names, renew it with the \
                 host's name, or set `sslmode` to `verify-ca`"
            }
            Self::Expired => {
                "renew it and those above it (`ssl_cert_file` of PostgreSQL), and check the clock \
                 of this machine; `sslmode` below `verify-ca` without `sslrootcert` does not look"
            }
            Self::ClientRefused => {
                "let `sslcert` and `sslkey` name a certificate that a CA of its `ssl_ca_file` \
                 signed for the user of the database URL"
            }
            Self::Failed => {
                "let the database speak TLS 1.2 or 1.3 with a certificate of X.509 version 3; \
                 `sslmode` sets whether TLS is used"
            }
        }
    }
}

/// Message of `tokio_postgres` if the database offers no TLS.
const NOT_OFFERED: &str = "server does not support TLS";

/// Message of `tokio_postgres` if the TLS handshake failed.
const HANDSHAKE: &str = "error performing TLS handshake";

/// TLS alerts with which a database rejects the client certificate.
const REFUSALS: [AlertDescription; 10] = [
    AlertDescription::NoCertificate,
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
    AlertDescription::DecryptError,
    AlertDescription::CertificateRequired,
];

/// True if the connection failed in its TLS handshake.
pub(super) fn is_of_handshake(error: &tokio_postgres::Error) -> bool {
    error.to_string() == HANDSHAKE
}

/// Classifies a failure of TLS, during the handshake or after it; `None` for any
/// other error.
pub(super) fn of(error: &tokio_postgres::Error) -> Option<TlsFault> {
    let cause = error.source()?;
    if cause.to_string() == NOT_OFFERED {
        return Some(TlsFault::NotOffered);
    }
    let failure = cause
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match failure {
        Some(rustls::Error::InvalidCertificate(fault)) => Some(of_certificate(fault)),
        Some(rustls::Error::AlertReceived(alert)) if REFUSALS.contains(alert) => {
            Some(TlsFault::ClientRefused)
        }
        Some(_) => Some(TlsFault::Failed),
        // The database closed the connection in the middle of the handshake.
        None if cause.is::<io::Error>() => None,
        None => is_of_handshake(error).then_some(TlsFault::Failed),
    }
}

/// Classifies a login that PostgreSQL itself rejects because of the client
/// certificate.
pub(super) fn of_login(error: &tokio_postgres::Error) -> Option<TlsFault> {
    let error = error.as_db_error()?;
    let is_login = *error.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
    // A message in another language counts as a rejected login, whose advice names
    // both.
    (is_login && error.message().contains("certificate")).then_some(TlsFault::ClientRefused)
}

fn of_certificate(fault: &CertificateError) -> TlsFault {
    use CertificateError as Fault;

    let is_time = matches!(
        fault,
        Fault::Expired
            | Fault::ExpiredContext { .. }
            | Fault::NotValidYet
            | Fault::NotValidYetContext { .. }
    );
    let is_name = matches!(
        fault,
        Fault::NotValidForName | Fault::NotValidForNameContext { .. }
    );
    let is_trust = matches!(fault, Fault::UnknownIssuer | Fault::BadSignature);
    match (is_time, is_name, is_trust) {
        (true, _, _) => TlsFault::Expired,
        (_, true, _) => TlsFault::WrongName,
        (_, _, true) => TlsFault::Untrusted,
        (false, false, false) => TlsFault::Failed,
    }
}
