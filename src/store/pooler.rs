use tokio::time::timeout;
use tokio_postgres::{Client, Config, SimpleQueryMessage, config::Host};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Store, StoreError, connector::Connector, connector::WAIT, round_trip::measured};

/// Plain connection of the database URL, whose session has no role or schema set.
struct Probe {
    client: Client,
    _driver: AbortOnDropHandle<()>,
}

impl Store {
    /// Checks that session settings persist on their connection: a pooler in
    /// transaction mode shares sessions between connections.
    ///
    /// Two connections each set a mark in their session and read it back. Behind
    /// such a pooler the second one overwrites the mark of the first, or the mark
    /// is read from another session.
    ///
    /// # Errors
    ///
    /// [`StoreError::TransactionPooler`] if a setting does not persist;
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn check_sessions(&self) -> Result<(), StoreError> {
        let checking = async {
            let probes = [
                Probe::connect(self.connector()).await?,
                Probe::connect(self.connector()).await?,
            ];
            let marks = [Uuid::now_v7(), Uuid::now_v7()];
            for (probe, mark) in probes.iter().zip(marks) {
                let sql = format!("-- mark_session\nSET pim_authz.session = '{mark}'");
                let marking = probe.client.simple_query(&sql);
                measured("mark_session", marking).await?;
            }
            for (probe, mark) in probes.iter().zip(marks) {
                if probe.mark().await?.as_deref() != Some(mark.to_string().as_str()) {
                    let address = address(self.connector().config());
                    return Err(StoreError::TransactionPooler { address });
                }
            }
            Ok(())
        };
        let checked = timeout(WAIT * 2, checking).await;
        checked.unwrap_or_else(|_| Err(StoreError::timed_out("check_sessions", WAIT * 2)))
    }
}

impl Probe {
    async fn connect(connector: &Connector) -> Result<Self, StoreError> {
        let connected = connector.connect().await;
        let (client, connection) = connected.map_err(|error| connector.failure(error))?;
        let driver = tokio::spawn(async move {
            // An error here also fails the client's statements.
            let _either_way = connection.await;
        });
        Ok(Self {
            client,
            _driver: AbortOnDropHandle::new(driver),
        })
    }

    async fn mark(&self) -> Result<Option<String>, StoreError> {
        const SQL: &str = "-- find_mark
            SELECT current_setting('pim_authz.session', true)";
        let finding = self.client.simple_query(SQL);
        let answer = measured("find_mark", finding).await?;
        for message in &answer {
            if let SimpleQueryMessage::Row(row) = message {
                return Ok(row.get(0).map(str::to_owned));
            }
        }
        Ok(None)
    }
}

/// Returns the first host and port of the database URL, for an error message.
fn address(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match config.get_hosts().first() {
        Some(Host::Tcp(host)) => format!("{host}:{port}"),
        #[cfg(unix)]
        Some(Host::Unix(folder)) => format!("{}/.s.PGSQL.{port}", folder.display()),
        None => "the database URL".to_owned(),
    }
}
