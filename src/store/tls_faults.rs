//! What each failure of TLS to the database means.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError};
use tokio_postgres::error::SqlState;

/// Why there is no connection with the TLS that is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, strum::EnumIter)]
pub enum TlsFault {
    /// The database refuses connections without TLS, and TLS is off.
    Demanded,
    /// It offers no TLS, and TLS is demanded here.
    NotOffered,
    /// No CA that is trusted has signed its certificate.
    Untrusted,
    /// Its certificate is for another host.
    WrongName,
    /// Its certificate, or one above it, has expired or is not valid yet.
    Expired,
    /// It does not accept the certificate of this server, or wants one.
    ClientRefused,
    /// Another reason.
    #[default]
    Failed,
}

impl TlsFault {
    /// The state of the database, as [`Condition::state`](super::Condition::state).
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

    /// What an operator does about it; names the setting.
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
                 `sslmode` says whether TLS is used"
            }
        }
    }
}

/// How `tokio_postgres` says that a database offers no TLS.
const NOT_OFFERED: &str = "server does not support TLS";

/// How `tokio_postgres` says that the handshake failed.
const HANDSHAKE: &str = "error performing TLS handshake";

/// Alerts by which a database refuses the certificate of its client.
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

/// Whether a connection failed in its TLS handshake.
pub(super) fn is_of_handshake(error: &tokio_postgres::Error) -> bool {
    error.to_string() == HANDSHAKE
}

/// What a failure of TLS means, in the handshake or after it; `None`: it is
/// something else.
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
        // The database went away in the middle of it.
        None if cause.is::<io::Error>() => None,
        None => is_of_handshake(error).then_some(TlsFault::Failed),
    }
}

/// What PostgreSQL itself says of the client's certificate at a login.
pub(super) fn of_login(error: &tokio_postgres::Error) -> Option<TlsFault> {
    let error = error.as_db_error()?;
    let is_login = *error.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
    // In another language it is a refused login, whose advice names both.
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
