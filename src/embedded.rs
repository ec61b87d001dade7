//! A private PostgreSQL, used when the server is given no database: found on this
//! machine, initialized once, started and stopped with the server.
//!
//! The first start creates a database cluster in `DATA/postgres/cluster`; later
//! starts reuse it, also after a crash. PostgreSQL refuses to run as root, so a
//! server started by root runs it as the owner of an existing cluster, else as
//! `postgres` or `nobody`. It listens on a unix socket in a directory of its own
//! and on a free loopback port; both require the password in
//! `DATA/postgres/password`, which only that user can read.
//!
//! If it exits by itself, [`EmbeddedPostgres::died`] completes, and
//! [`EmbeddedPostgres::start_again`] restarts it at the same address.
//!
//! It ends in one of three ways:
//!
//! - [`EmbeddedPostgres::stop`], or dropping it: fast shutdown.
//! - The server is killed: a small watcher process notices that the pipe from
//!   the server has closed, and requests a fast shutdown of PostgreSQL.
//! - The watcher is killed as well: PostgreSQL keeps running. The next start on
//!   the same data directory stops it first.
//!
//! A parent-death signal would need `unsafe` and fires when the *thread* that
//! started the child exits, hence the watcher.

mod account;
mod binaries;
mod cluster;
mod error;
mod leftover;
mod place;
mod process;
mod socket;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use tokio::time::sleep;

use self::{account::Account, binaries::Binaries, place::Place, process::Running};

pub use self::error::EmbeddedError;

/// The oldest major version of PostgreSQL that is supported.
const OLDEST: u32 = 14;

/// Interval at which the process of PostgreSQL is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A PostgreSQL that runs for this process only, until it is stopped or dropped.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    // Dropped in this order: PostgreSQL stops before the lock is released.
    running: Running,
    place: Place,
    binaries: Binaries,
    options: EmbeddedOptions,
}

/// Options of a private PostgreSQL.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedOptions {
    /// The data directory; `None`: [`default_data_dir`].
    pub data_dir: Option<PathBuf>,
    /// Durability of commits across a crash of the machine.
    pub durability: Durability,
    /// Additional settings of PostgreSQL, such as `("max_connections", "200")`.
    pub settings: Vec<(String, String)>,
}

/// Which commits survive a crash of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Every acknowledged commit.
    #[default]
    Durable,
    /// None for certain: `fsync` is off. Makes tests faster.
    Forgetful,
}

/// Returns the default data directory: `.pim-authz` in the current directory, for
/// root `/var/lib/pim-authz`.
#[must_use]
pub fn default_data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        PathBuf::from("/var/lib/pim-authz")
    } else {
        PathBuf::from(".pim-authz")
    }
}

impl EmbeddedPostgres {
    /// Starts PostgreSQL in a data directory, which is initialized if it is new.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError`], whose message states how to resolve it.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        tokio::task::spawn_blocking(move || Self::start_blocking(&options))
            .await
            .map_err(|_| EmbeddedError::Interrupted)?
    }

    /// Like [`EmbeddedPostgres::start`], for callers without an async runtime.
    ///
    /// # Errors
    ///
    /// As [`EmbeddedPostgres::start`].
    pub fn start_blocking(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let data_dir = options.data_dir.clone().unwrap_or_else(default_data_dir);
        if !place::has_cluster(&data_dir) {
            // Before any file is created for a PostgreSQL that is not installed.
            Binaries::find(None)?;
        }
        let account = Account::choose(&place::home_of(&data_dir))?;
        let place = Place::open(&data_dir, account)?;
        leftover::stop(&place)?;
        let binaries = Binaries::find(place.cluster_version()?)?;
        let password = cluster::prepare(&place, &binaries)?;
        let running = process::start(&place, &binaries, options, password)?;
        Ok(Self {
            running,
            place,
            binaries,
            options: options.clone(),
        })
    }

    /// Returns the connection URL of the cluster's superuser, by unix socket:
    /// `postgresql://postgres:…@%2F…:PORT/postgres`.
    #[must_use]
    pub fn url(&self) -> SecretString {
        self.running.socket_url()
    }

    /// Like [`EmbeddedPostgres::url`], by the loopback port.
    #[must_use]
    pub fn loopback_url(&self) -> SecretString {
        self.running.loopback_url()
    }

    /// Returns the directory of the cluster, its password and its log.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.place.home()
    }

    /// Returns the process id of PostgreSQL's main process (the postmaster).
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.running.process_id()
    }

    /// Waits until PostgreSQL exits without having been stopped; returns
    /// [`EmbeddedError::Died`].
    pub async fn died(&mut self) -> EmbeddedError {
        loop {
            if let Some(status) = self.running.look() {
                let log = self.place.log();
                return EmbeddedError::Died {
                    status,
                    tail: process::tail_of(&log),
                    log,
                };
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Restarts a PostgreSQL that died, at the same address; it recovers committed
    /// data.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError`] if it does not start; no PostgreSQL runs then.
    pub async fn start_again(mut self) -> Result<Self, EmbeddedError> {
        tokio::task::spawn_blocking(move || {
            self.running
                .start_again(&self.place, &self.binaries, &self.options)?;
            Ok(self)
        })
        .await
        .map_err(|_| EmbeddedError::Interrupted)?
    }

    /// Ends every session and stops PostgreSQL (fast shutdown).
    ///
    /// # Errors
    ///
    /// [`EmbeddedError`] if an immediate shutdown was necessary instead; the next
    /// start recovers from that.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        tokio::task::spawn_blocking(move || self.running.stop())
            .await
            .map_err(|_| EmbeddedError::Interrupted)?
    }
}
