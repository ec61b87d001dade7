//! The private PostgreSQL that the server runs on when it is given no
//! database: found on this machine, set up once, started and stopped with the
//! server.
//!
//! The first start makes a database cluster in `DATA/postgres/cluster`; later
//! starts find it again, after a crash too. PostgreSQL refuses to run as root,
//! so a server started by root runs it as `postgres` or `nobody`, or as
//! whoever owns the cluster already. It listens on a unix socket in a
//! directory of its own and on a free loopback port, and both ask for the
//! password in `DATA/postgres/password`, which only that user can read.
//!
//! If it ends by itself, [`EmbeddedPostgres::died`] completes, and
//! [`EmbeddedPostgres::start_again`] starts it where it was.
//!
//! Three ways to end:
//!
//! - [`EmbeddedPostgres::stop`], or dropping it: fast shutdown.
//! - The server is killed: a small watcher process notices that the pipe from
//!   the server has closed, and asks PostgreSQL for a fast shutdown.
//! - The watcher is killed as well: PostgreSQL runs on. The next start on the
//!   same data directory stops it first.
//!
//! A parent-death signal would need `unsafe` and fires when the *thread* that
//! started the child ends, hence the watcher.

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

/// How often it is looked whether PostgreSQL still runs.
const LOOK: Duration = Duration::from_millis(200);

/// A PostgreSQL that runs for this process alone, until it is stopped or
/// dropped.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    // Dropped in this order: PostgreSQL ends before the lock is let go.
    running: Running,
    place: Place,
    binaries: Binaries,
    options: EmbeddedOptions,
}

/// How a private PostgreSQL is to run.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedOptions {
    /// Where its files lie; `None`: [`default_data_dir`].
    pub data_dir: Option<PathBuf>,
    /// What it promises about a crash of the machine.
    pub durability: Durability,
    /// Further settings of PostgreSQL, such as `("max_connections", "200")`.
    pub settings: Vec<(String, String)>,
}

/// What survives a crash of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Every commit that was acknowledged.
    #[default]
    Durable,
    /// Nothing for sure: `fsync` is off. For tests, which are faster so.
    Forgetful,
}

/// The data directory unless another one is said: `.pim-authz` in the current
/// directory, for root `/var/lib/pim-authz`.
#[must_use]
pub fn default_data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        PathBuf::from("/var/lib/pim-authz")
    } else {
        PathBuf::from(".pim-authz")
    }
}

impl EmbeddedPostgres {
    /// Starts PostgreSQL in a data directory, which is set up if it is new.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError`], each with what a person can do about it.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        tokio::task::spawn_blocking(move || Self::start_blocking(&options))
            .await
            .map_err(|_| EmbeddedError::Interrupted)?
    }

    /// As [`EmbeddedPostgres::start`], for callers without an async runtime.
    ///
    /// # Errors
    ///
    /// As [`EmbeddedPostgres::start`].
    pub fn start_blocking(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let data_dir = options.data_dir.clone().unwrap_or_else(default_data_dir);
        if !place::has_cluster(&data_dir) {
            // Before anything is made for a PostgreSQL that is not installed.
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

    /// Where and how to connect, as the cluster's superuser, by unix socket:
    /// `postgresql://postgres:…@%2F…:PORT/postgres`.
    #[must_use]
    pub fn url(&self) -> SecretString {
        self.running.socket_url()
    }

    /// As [`EmbeddedPostgres::url`], by the loopback port.
    #[must_use]
    pub fn loopback_url(&self) -> SecretString {
        self.running.loopback_url()
    }

    /// The directory that holds the cluster, its password and its log.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.place.home()
    }

    /// The process id of PostgreSQL's first process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.running.process_id()
    }

    /// Completes when PostgreSQL has ended although nobody stopped it: with
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
            sleep(LOOK).await;
        }
    }

    /// Starts a PostgreSQL that died again, at the same address; it recovers what
    /// was committed.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError`] when it does not start; nothing runs then.
    pub async fn start_again(mut self) -> Result<Self, EmbeddedError> {
        tokio::task::spawn_blocking(move || {
            self.running
                .start_again(&self.place, &self.binaries, &self.options)?;
            Ok(self)
        })
        .await
        .map_err(|_| EmbeddedError::Interrupted)?
    }

    /// Ends every session and stops PostgreSQL, in order (fast shutdown).
    ///
    /// # Errors
    ///
    /// [`EmbeddedError`] when it had to be stopped at once instead; the next
    /// start recovers from that.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        tokio::task::spawn_blocking(move || self.running.stop())
            .await
            .map_err(|_| EmbeddedError::Interrupted)?
    }
}
