use std::{net::SocketAddr, sync::Arc};

use rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _, time::ASN1Time,
};

/// Who is at the other end of a connection, as far as its transport shows it. An
/// extension of every request.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its address; `None`: the connection was gone already.
    pub address: Option<SocketAddr>,
    /// Its certificate, which a CA of `--tls-client-ca` has signed; `None`: it
    /// showed none.
    pub certificate: Option<Arc<PeerCertificate>>,
}

/// What counts of a certificate that was verified in a handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its names.
    pub names: AlternativeNames,
    /// From when on it is refused, in microseconds since 1970; 0 of one that does
    /// not parse.
    pub expires_at: i64,
}

impl PeerCertificate {
    /// Reads a certificate; one that does not parse has no names and has expired.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return Self::default();
        };
        // The last second is valid to its end.
        let end = parsed.validity().not_after.timestamp().saturating_add(1);
        Self {
            names: AlternativeNames::of(certificate),
            expires_at: end.saturating_mul(1_000_000),
        }
    }
}

/// The subject alternative names of a certificate, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlternativeNames {
    /// Host names, such as `pim.example.com`.
    pub dns: Vec<String>,
    /// URIs, such as `spiffe://example.com/pim`.
    pub uris: Vec<String>,
}

impl AlternativeNames {
    /// Reads the names of a certificate; none of one that does not parse.
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

/// How long a certificate is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The last second, in words: `Nov 28 03:20:11 2027 +00:00`.
    pub until: String,
    /// The same, in seconds since 1970.
    pub until_s: i64,
    /// Whether it is valid now.
    pub is_now: bool,
}

impl Validity {
    /// Reads it; `None`: the certificate does not parse.
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
    fn what_is_no_certificate_has_no_names() {
        let none = CertificateDer::from(vec![1, 2, 3]);
        assert_eq!(AlternativeNames::of(&none), AlternativeNames::default());
        assert_eq!(Validity::of(&none), None);
    }
}
