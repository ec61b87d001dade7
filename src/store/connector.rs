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
    Condition, InvalidUrl, Outage, SslMode, StoreError, TlsFault,
    connection_pool::WAIT,
    database_url,
    hosts::Hosts,
    tls_faults::{self, is_of_handshake},
    tls_settings::TlsSettings,
};

/// How every connection to the database is made, the one that cancels a
/// statement included: where to, as whom, and with which TLS. Its files are read
/// once.
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
    /// Reads a database URL and the files that it names.
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
            // As in libpq, an address stands for the host that it has no name of.
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

    /// How to connect, TLS aside.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Connects to the first host that answers and is what the URL wants.
    pub(super) async fn connect(&self) -> Result<(Client, Connection), tokio_postgres::Error> {
        let mut attempts = self.hosts.attempts();
        let each = WAIT / u32::try_from(attempts.len().max(1)).unwrap_or(1);
        let last = attempts.pop();
        for mut attempt in attempts {
            attempt.begin();
            // One that does not answer must leave time for the next.
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

    /// Connects. Where TLS is only preferred and fails, it connects without.
    async fn connect_to(
        &self,
        config: &Config,
    ) -> Result<(Client, Connection), tokio_postgres::Error> {
        // Boxed: a handshake is large, and callers wait for many things.
        let error = match Box::pin(config.connect(self.tls.clone())).await {
            Err(error) if self.mode == SslMode::Prefer && may_do_without_tls(&error) => error,
            connected => return connected,
        };
        let mut plain = Config::clone(config);
        plain.ssl_mode(config::SslMode::Disable);
        // What was wrong at first is what there is to say.
        let plain = Box::pin(plain.connect(self.tls.clone())).await;
        plain.map_err(|_| error)
    }

    /// Lets PostgreSQL cancel the statement of a connection, on another one that
    /// uses TLS as that does.
    pub(super) async fn cancel(&self, token: &CancelToken) -> Result<(), tokio_postgres::Error> {
        token.cancel_query(self.tls.clone()).await
    }

    /// Why no connection could be made.
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

/// Whether every host of the URL is the folder of a unix socket.
fn has_only_sockets(config: &Config) -> bool {
    let hosts = config.get_hosts();
    let is_socket = |host: &Host| match host {
        Host::Tcp(_) => false,
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    !hosts.is_empty() && config.get_hostaddrs().is_empty() && hosts.iter().all(is_socket)
}

/// Whether `sslmode=prefer` goes on without TLS, as libpq does: the handshake
/// failed, or `pg_hba.conf` admits this host without TLS only.
fn may_do_without_tls(error: &tokio_postgres::Error) -> bool {
    is_of_handshake(error) || is_refused_by_host(error)
}

/// Whether `pg_hba.conf` has no line for this host, user, database and use of
/// TLS. The function's name does not depend on the language of messages.
fn is_refused_by_host(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| {
        *error.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            && error.routine() == Some("ClientAuthentication")
    })
}
