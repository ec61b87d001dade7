use std::{net::SocketAddr, sync::Arc};

use rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _, time::ASN1Time,
};

/// The peer of a connection, as identified by its transport. It is an extension
/// of every request.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Address; `None` if the connection was already closed.
    pub address: Option<SocketAddr>,
    /// Client certificate, signed by a CA of `--tls-client-ca`; `None` if it
    /// presented none.
    pub certificate: Option<Arc<PeerCertificate>>,
}

/// The relevant fields of a certificate that was verified in a handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Subject alternative names.
    pub names: AlternativeNames,
    /// Time from which it is rejected, in microseconds since 1970; 0 if the
    /// certificate does not parse.
    pub expires_at: i64,
}

impl PeerCertificate {
    /// Parses a certificate; one that does not parse has no names and has
    /// expired.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return Self::default();
        };
        // The last second is valid until its end.
        let end = parsed.validity().not_after.timestamp().saturating_add(1);
        Self {
            names: AlternativeNames::of(certificate),
            expires_at: end.saturating_mul(1_000_000),
        }
    }
}

/// Subject alternative names of a certificate, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlternativeNames {
    /// Host names, such as `pim.example.com`.
    pub dns: Vec<String>,
    /// URIs, such as `spiffe://example.com/pim`.
    pub uris: Vec<String>,
}

impl AlternativeNames {
    /// Parses the names of a certificate; empty if it does not parse.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut found = Self::default();
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return found;
        };
        let Ok(Some(extension)) = parsed.subject_alternative_name() else {
            return found;
        };
        for name in &extension.value.general_names {
            if let GeneralName::DNSName(name) = name {
                found.dns.push((*name).to_owned());
            } else if let GeneralName::URI(uri) = name {
                found.uris.push((*uri).to_owned());
            }
        }
        found
    }
}

/// Validity of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Last second of validity, as text: `Nov 28 03:20:11 2027 +00:00`.
    pub until: String,
    /// The same, in seconds since 1970.
    pub until_s: i64,
    /// True if it is valid now.
    pub is_now: bool,
}

impl Validity {
    /// Parses the validity; `None` if the certificate does not parse.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let validity = parsed.validity();
        Some(Self {
            until: validity.not_after.to_string(),
            until_s: validity.not_after.timestamp(),
            is_now: validity.is_valid_at(ASN1Time::now()),
        })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    #[test]
    fn names_of_hosts_and_uris_are_read_in_their_order() {
        let mut params = CertificateParams::new(vec![
            "b.example.com".to_owned(),
            "127.0.0.1".to_owned(),
            "a.example.com".to_owned(),
        ])
        .unwrap();
        let uri = "spiffe://example.com/pim".try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let expected = AlternativeNames {
            dns: vec!["b.example.com".to_owned(), "a.example.com".to_owned()],
            uris: vec!["spiffe://example.com/pim".to_owned()],
        };
        assert_eq!(AlternativeNames::of(certificate.der()), expected);
        assert!(Validity::of(certificate.der()).unwrap().is_now);
    }

    #[test]
    fn invalid_certificate_has_no_names() {
        let none = CertificateDer::from(vec![1, 2, 3]);
        assert_eq!(AlternativeNames::of(&none), AlternativeNames::default());
        assert_eq!(Validity::of(&none), None);
    }
}
