use std::{fmt, sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use tokio_postgres::{
    CancelToken, Client, Config, Socket,
    config::{self, Host},
    error::SqlState,
    tls::MakeTlsConnect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    Condition, InvalidUrl, Outage, SslMode, StoreError, TlsFault, database_url,
    hosts::Hosts,
    tls_faults::{self, is_of_handshake},
    tls_settings::TlsSettings,
};

/// Maximum wait for a free connection, or for a new one.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// Opens connections to the database, including those that cancel statements:
/// holds the hosts, the login and the TLS settings. TLS files are read once.
#[derive(Clone)]
pub(super) struct Connector {
    config: Arc<Config>,
    hosts: Hosts,
    mode: SslMode,
    tls: MakeRustlsConnect,
}

/// A connection to the database, encrypted or not.
pub(super) type Connection =
    tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("config", &self.config)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// Parses a database URL and reads the TLS files that it names.
    pub(super) fn of_url(url: &SecretString) -> Result<Self, StoreError> {
        let (url, parameters) = database_url::split(url.expose_secret());
        let mut config: Config = url
            .parse()
            .map_err(|error| StoreError::InvalidUrl(InvalidUrl::of(&error)))?;
        let mut settings = TlsSettings::resolve(parameters)?;
        if has_only_sockets(&config) {
            // As in libpq, there is no TLS on a unix socket, whatever the mode.
            settings = TlsSettings::without_tls();
        }
        if config.get_hosts().is_empty() {
            // As in libpq, `hostaddr` serves as the host name if no host is given.
            for address in config.get_hostaddrs().to_vec() {
                config.host(address.to_string());
            }
        }
        config
            .ssl_mode(match settings.mode {
                SslMode::Disable => config::SslMode::Disable,
                SslMode::Prefer => config::SslMode::Prefer,
                SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                    config::SslMode::Require
                }
            })
            .application_name("pim-authz")
            .connect_timeout(WAIT)
            .tcp_user_timeout(Duration::from_secs(30))
            .keepalives_idle(Duration::from_secs(30));
        Ok(Self {
            hosts: Hosts::of(&config),
            config: Arc::new(config),
            mode: settings.mode,
            tls: MakeRustlsConnect::new(settings.read()?),
        })
    }

    /// Returns the connection settings, apart from TLS.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Connects to the first host that accepts a connection and matches the URL's
    /// requirements.
    pub(super) async fn connect(&self) -> Result<(Client, Connection), tokio_postgres::Error> {
        let mut attempts = self.hosts.attempts();
        let each = WAIT / u32::try_from(attempts.len().max(1)).unwrap_or(1);
        let last = attempts.pop();
        for mut attempt in attempts {
            attempt.begin();
            // An unresponsive host must leave time for the next.
            if let Ok(outcome) = timeout(each, self.connect_to(&attempt.config)).await {
                attempt.answered();
                if outcome.is_ok() {
                    return outcome;
                }
            }
        }
        let Some(mut last) = last else {
            return Box::pin(self.connect_to(&self.config)).await;
        };
        last.begin();
        let outcome = self.connect_to(&last.config).await;
        last.answered();
        outcome
    }

    /// Connects to one host. With `sslmode=prefer`, falls back to no TLS if TLS
    /// fails.
    async fn connect_to(
        &self,
        config: &Config,
    ) -> Result<(Client, Connection), tokio_postgres::Error> {
        // Boxed, because the future of a TLS handshake is large and callers embed it.
        let error = match Box::pin(config.connect(self.tls.clone())).await {
            Err(error) if self.mode == SslMode::Prefer && may_do_without_tls(&error) => error,
            connected => return connected,
        };
        let mut plain = Config::clone(config);
        plain.ssl_mode(config::SslMode::Disable);
        // If the fallback fails as well, the first error is the useful one.
        let plain = Box::pin(plain.connect(self.tls.clone())).await;
        plain.map_err(|_| error)
    }

    /// Requests cancellation of a connection's running statement, over a new
    /// connection with the same TLS settings.
    pub(super) async fn cancel(&self, token: &CancelToken) -> Result<(), tokio_postgres::Error> {
        token.cancel_query(self.tls.clone()).await
    }

    /// Converts an error of connecting, and recognizes TLS faults.
    pub(super) fn failure(&self, error: tokio_postgres::Error) -> StoreError {
        if self.mode == SslMode::Disable && is_refused_by_host(&error) {
            return StoreError::Unavailable(Outage::new(Condition::Tls(TlsFault::Demanded), error));
        }
        match tls_faults::of_login(&error) {
            Some(fault) => StoreError::Unavailable(Outage::new(Condition::Tls(fault), error)),
            None => StoreError::of_connecting(error),
        }
    }
}

/// True if every host of the URL is the directory of a Unix socket.
fn has_only_sockets(config: &Config) -> bool {
    let hosts = config.get_hosts();
    let is_socket = |host: &Host| match host {
        Host::Tcp(_) => false,
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    !hosts.is_empty() && config.get_hostaddrs().is_empty() && hosts.iter().all(is_socket)
}

/// True if `sslmode=prefer` falls back to no TLS, as in libpq: the handshake
/// failed, or `pg_hba.conf` accepts this host only without TLS.
fn may_do_without_tls(error: &tokio_postgres::Error) -> bool {
    is_of_handshake(error) || is_refused_by_host(error)
}

/// True if `pg_hba.conf` has no line for this host, user, database and use of
/// TLS. Matches the server's routine name, because messages are localized.
fn is_refused_by_host(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| {
        *error.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            && error.routine() == Some("ClientAuthentication")
    })
}
