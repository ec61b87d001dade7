use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_postgres::{
    Config,
    config::{Host, LoadBalanceHosts},
};

/// How long a host that did not answer is tried after the others.
const SILENT_FOR: Duration = Duration::from_secs(30);

/// The hosts of a database URL, in the order in which they are tried.
///
/// The order is that of the URL, as in libpq. A host that lately did not answer at
/// all (it is down, or stopped) comes last: whoever connects is given a bounded
/// time, and would never get past it otherwise.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// The configuration, once for each host.
    each: Arc<[Config]>,
    /// When each of them last did not answer.
    silent: Arc<Mutex<Vec<Option<Instant>>>>,
}

/// A host to connect to. Dropped without an [outcome](Self::answered), it did not
/// answer.
#[derive(Debug)]
pub(super) struct Attempt {
    /// How to connect to this host and no other.
    pub(super) config: Config,
    hosts: Hosts,
    index: usize,
    is_answered: bool,
}

impl Hosts {
    /// The hosts of a configuration.
    pub(super) fn of(config: &Config) -> Self {
        let count = config.get_hosts().len();
        let one_each = |found: usize| found == count;
        let fits = (config.get_ports().len() < 2 || one_each(config.get_ports().len()))
            && (config.get_hostaddrs().is_empty() || one_each(config.get_hostaddrs().len()));
        // Another order for each connection is drawn by tokio-postgres, which also
        // refuses lists that do not fit together.
        let is_in_order = config.get_load_balance_hosts() == LoadBalanceHosts::Disable;
        let each: Vec<Config> = if count > 1 && fits && is_in_order {
            (0..count).map(|index| only(config, index)).collect()
        } else {
            vec![config.clone()]
        };
        Self {
            silent: Arc::new(Mutex::new(vec![None; each.len()])),
            each: each.into(),
        }
    }

    /// The hosts to try, one after the other.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let silent_since = |index: &usize| {
            let since = silent.get(*index).copied().flatten();
            since.filter(|since| since.elapsed() < SILENT_FOR)
        };
        let mut order: Vec<usize> = (0..self.each.len()).collect();
        order.sort_by_key(silent_since);
        let configs = order.into_iter().filter_map(|index| {
            let config = self.each.get(index)?.clone();
            Some((index, config))
        });
        configs
            .map(|(index, config)| Attempt {
                config,
                hosts: self.clone(),
                index,
                // Those that were never begun say nothing.
                is_answered: true,
            })
            .collect()
    }
}

impl Attempt {
    /// Begins: from now on it counts as unanswered.
    pub(super) fn begin(&mut self) {
        self.is_answered = false;
    }

    /// The host answered, whatever it said.
    pub(super) fn answered(&mut self) {
        self.is_answered = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let silent = self.hosts.silent.lock();
        let mut silent = silent.unwrap_or_else(PoisonError::into_inner);
        if let Some(silent) = silent.get_mut(self.index) {
            *silent = Some(Instant::now());
        }
    }
}

/// The same configuration with one of its hosts.
fn only(config: &Config, index: usize) -> Config {
    let mut one = Config::new();
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(database) = config.get_dbname() {
        one.dbname(database);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    one.ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding());
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    if let Some(timeout) = config.get_connect_timeout() {
        one.connect_timeout(*timeout);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*timeout);
    }
    match config.get_hosts().get(index) {
        Some(Host::Tcp(host)) => one.host(host),
        #[cfg(unix)]
        Some(Host::Unix(folder)) => one.host_path(folder),
        None => &mut one,
    };
    if let Some(address) = config.get_hostaddrs().get(index) {
        one.hostaddr(*address);
    }
    // As in libpq, one port stands for all hosts.
    let ports = config.get_ports();
    let port = ports.get(index).or_else(|| ports.first());
    if let Some(port) = port {
        one.port(*port);
    }
    one
}
