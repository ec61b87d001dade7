use std::{fmt, str::FromStr};

/// A listen address: `HOST:PORT`, the host a name or an IP address.
///
/// Invariant: a host of 1 to 253 characters, stored without brackets if it is an
/// IPv6 address, and a port; port 0 stands for any free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    host: String,
    port: u16,
}

/// The error for a text that is not `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not HOST:PORT; write an address or a name and a port from 0 to 65535, such as \
     `127.0.0.1:50051`, `localhost:50051` or `[::1]:50051`"
)]
pub struct ListenAddressInvalid;

impl ListenAddress {
    /// Returns the host: a name, or an IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port; 0 stands for any free one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(ListenAddressInvalid)?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_host = match bracketed {
            Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                (1..=253).contains(&host.len())
                    && host
                        .chars()
                        .all(|c| c.is_alphanumeric() || "-._".contains(c))
            }
        };
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(port) if is_host && is_port => Ok(Self {
                host: bracketed.unwrap_or(host).to_owned(),
                port,
            }),
            Ok(_) | Err(_) => Err(ListenAddressInvalid),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        let cases = [
            ("127.0.0.1:50051", Some(("127.0.0.1", 50_051))),
            ("localhost:0", Some(("localhost", 0))),
            (
                "pim-authz.svc.cluster.local:1",
                Some(("pim-authz.svc.cluster.local", 1)),
            ),
            ("[::1]:50051", Some(("::1", 50_051))),
            ("::1:50051", None),
            ("[localhost]:1", None),
            ("localhost", None),
            (":50051", None),
            ("localhost:", None),
            ("localhost:+1", None),
            ("localhost:65536", None),
            ("http://localhost:1", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let found: Option<ListenAddress> = text.parse().ok();
            let parts = found.as_ref().map(|found| (found.host(), found.port()));
            assert_eq!(parts, expected, "{text}");
            if let Some(found) = found {
                assert_eq!(found.to_string(), text);
            }
        }
    }
}
