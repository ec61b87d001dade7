use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_postgres::{
    Config,
    config::{Host, LoadBalanceHosts},
};

/// Time for which an unresponsive host is tried after the others.
const UNRESPONSIVE_FOR: Duration = Duration::from_secs(30);

/// Hosts of a database URL, in the order in which they are tried.
///
/// The order is that of the URL, as in libpq, except that hosts that recently did
/// not respond at all (down, or stopped) come last. Connecting has a time limit,
/// which an unresponsive first host would use up.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// Configuration for each host.
    each: Arc<[Config]>,
    /// Time at which each host last failed to respond.
    unresponsive_since: Arc<Mutex<Vec<Option<Instant>>>>,
}

/// An attempt to connect to one host. Marks the host unresponsive if it is dropped
/// after [`begin`](Self::begin) without [`answered`](Self::answered).
#[derive(Debug)]
pub(super) struct Attempt {
    /// Configuration for this host only.
    pub(super) config: Config,
    hosts: Hosts,
    index: usize,
    is_answered: bool,
}

impl Hosts {
    /// Splits a configuration into one per host, if its hosts are tried in order.
    pub(super) fn of(config: &Config) -> Self {
        let count = config.get_hosts().len();
        let one_each = |found: usize| found == count;
        let fits = (config.get_ports().len() < 2 || one_each(config.get_ports().len()))
            && (config.get_hostaddrs().is_empty() || one_each(config.get_hostaddrs().len()));
        // tokio-postgres itself shuffles hosts for load balancing, and rejects lists
        // of different lengths.
        let is_in_order = config.get_load_balance_hosts() == LoadBalanceHosts::Disable;
        let each: Vec<Config> = if count > 1 && fits && is_in_order {
            (0..count).map(|index| only(config, index)).collect()
        } else {
            vec![config.clone()]
        };
        Self {
            unresponsive_since: Arc::new(Mutex::new(vec![None; each.len()])),
            each: each.into(),
        }
    }

    /// Returns the hosts to try, in order.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        let unresponsive = self
            .unresponsive_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let unresponsive_since = |index: &usize| {
            let since = unresponsive.get(*index).copied().flatten();
            since.filter(|since| since.elapsed() < UNRESPONSIVE_FOR)
        };
        let mut order: Vec<usize> = (0..self.each.len()).collect();
        order.sort_by_key(unresponsive_since);
        let configs = order.into_iter().filter_map(|index| {
            let config = self.each.get(index)?.clone();
            Some((index, config))
        });
        configs
            .map(|(index, config)| Attempt {
                config,
                hosts: self.clone(),
                index,
                // An attempt that never began shows nothing about its host.
                is_answered: true,
            })
            .collect()
    }
}

impl Attempt {
    /// Begins the attempt: from now on a drop counts as no response.
    pub(super) fn begin(&mut self) {
        self.is_answered = false;
    }

    /// Notes that the host responded, even with an error.
    pub(super) fn answered(&mut self) {
        self.is_answered = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let unresponsive = self.hosts.unresponsive_since.lock();
        let mut unresponsive = unresponsive.unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = unresponsive.get_mut(self.index) {
            *since = Some(Instant::now());
        }
    }
}

/// Copies the configuration with only one of its hosts.
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
    // As in libpq, a single port applies to all hosts.
    let ports = config.get_ports();
    let port = ports.get(index).or_else(|| ports.first());
    if let Some(port) = port {
        one.port(*port);
    }
    one
}
