use std::net::IpAddr;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _, time::ASN1Time};

/// Verifies the certificate of the database according to libpq's `sslmode`.
///
/// In every mode the database must prove possession of its certificate's private
/// key, because the channel binding of SCRAM depends on it.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Certificates that are accepted.
#[derive(Debug)]
pub(super) enum Trust {
    /// Any certificate.
    Anyone,
    /// Certificates signed by a trusted CA.
    Ca(Roots),
    /// Certificates signed by a trusted CA for the host of the database URL.
    CaAndName(Roots),
}

/// Trusted CAs and certificates.
#[derive(Debug)]
pub(super) struct Roots {
    store: RootCertStore,
    /// Certificates of the file. If the database presents one of them, it is trusted
    /// without a CA signature, as a self-signed one.
    certificates: Vec<CertificateDer<'static>>,
}

impl Roots {
    pub(super) fn new(store: RootCertStore, certificates: Vec<CertificateDer<'static>>) -> Self {
        Self {
            store,
            certificates,
        }
    }
}

impl ServerVerifier {
    pub(super) fn new(trust: Trust, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { trust, algorithms }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (roots, is_name_verified) = match &self.trust {
            Trust::Anyone => return Ok(ServerCertVerified::assertion()),
            Trust::Ca(roots) => (roots, false),
            Trust::CaAndName(roots) => (roots, true),
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        if roots.certificates.contains(end_entity) {
            verify_time(end_entity, now)?;
        } else {
            let algorithms = self.algorithms.all;
            let store = &roots.store;
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                store,
                intermediates,
                now,
                algorithms,
            )?;
        }
        if is_name_verified && let Err(error) = verify_server_name(&parsed, server_name) {
            verify_common_name(end_entity, server_name).ok_or(error)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn parse<'c>(certificate: &'c CertificateDer<'_>) -> Option<X509Certificate<'c>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed)
}

/// Verifies that a certificate is within its validity period at `now`; for one that
/// is trusted without a CA signature.
fn verify_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let parsed = parse(certificate).ok_or(CertificateError::BadEncoding)?;
    let seconds = i64::try_from(now.as_secs()).map_err(|_| CertificateError::BadEncoding)?;
    let now = ASN1Time::from_timestamp(seconds).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.validity();
    if now < validity.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Matches the host against the common name, as libpq does for a certificate
/// without subject alternative names: the examples in PostgreSQL's manual create
/// such certificates. `None` if it does not match.
fn verify_common_name(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> Option<()> {
    let parsed = parse(certificate)?;
    if parsed.subject_alternative_name().ok()?.is_some() {
        return None;
    }
    let host = match host {
        ServerName::DnsName(name) => name.as_ref().to_owned(),
        ServerName::IpAddress(address) => IpAddr::from(*address).to_string(),
        _ => return None,
    };
    let mut names = parsed.subject().iter_common_name();
    let is_host = |name: &str| is_name_of(name, &host);
    names
        .any(|name| name.as_str().is_ok_and(is_host))
        .then_some(())
}

/// True if `name` matches the host; a leading `*.` matches exactly one label.
fn is_name_of(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let is_address = host.parse::<IpAddr>().is_ok();
    match (name.strip_prefix("*."), host.split_once('.')) {
        (Some(wanted), Some((label, rest))) => {
            !is_address && !label.is_empty() && wanted.eq_ignore_ascii_case(rest)
        }
        (None, _) | (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_in_a_common_name_matches_one_label() {
        let cases = [
            // name, host, expected match
            ("db.example.com", "DB.example.com", true),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("other", "db", false),
            ("*", "db", false),
        ];
        for (name, host, expected) in cases {
            assert_eq!(is_name_of(name, host), expected, "{name} {host}");
        }
    }
}
