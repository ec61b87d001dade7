//! Clocks that differ from that of their host: a test sets the rate and the offset of each
//! server's clock while the server runs, so that one runs fast while another runs slow,
//! and a lease expires at once.

#[cfg(not(feature = "failpoints"))]
mod skews {
    /// The difference between the clock of a server and that of its host: none in this
    /// build.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Skew;

    impl Skew {
        /// Returns what the clock shows when that of the host shows `host` nanoseconds.
        #[must_use]
        #[inline]
        pub const fn shown(self, host: u64) -> u64 {
            host
        }
    }
}

#[cfg(feature = "failpoints")]
mod skews {
    use std::{
        env::var_os,
        fs,
        path::PathBuf,
        sync::{LazyLock, Mutex, PoisonError},
        time::Duration,
    };

    /// The file with the setting of this process's clock, which a test replaces while the
    /// process runs.
    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| var_os("PIM_AUTHZ_FAILPOINT_CLOCK").map(PathBuf::from));

    /// What a clock shows, by that of its host: `shown` nanoseconds at `host`, and since
    /// then it runs at `permille` of the host's rate.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Setting {
        host: u64,
        shown: u64,
        permille: u64,
    }

    impl Setting {
        const OF_HOST: Self = Self {
            host: 0,
            shown: 0,
            permille: 1_000,
        };

        const fn at(self, host: u64) -> u64 {
            let since = host.saturating_sub(self.host);
            self.shown + since / 1_000 * self.permille + since % 1_000 * self.permille / 1_000
        }

        /// Reads the setting of a process. A file that cannot be read leaves the clock
        /// as the host's.
        fn of_process() -> Self {
            let numbers = || {
                let text = fs::read_to_string(FILE.as_ref()?).ok()?;
                let mut numbers = text.split(' ').map(|number| number.trim().parse().ok());
                Some(Self {
                    host: numbers.next()??,
                    shown: numbers.next()??,
                    permille: numbers.next()??,
                })
            };
            numbers().unwrap_or(Self::OF_HOST)
        }
    }

    /// The difference between the clock of a server and that of its host. By default that
    /// of the process, which a file sets.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Skew(Option<&'static Mutex<Setting>>);

    impl PartialEq for Skew {
        fn eq(&self, other: &Self) -> bool {
            let place = |skew: &Self| skew.0.map(std::ptr::from_ref);
            place(self) == place(other)
        }
    }

    impl Eq for Skew {}

    impl Skew {
        /// Creates a clock that a test sets; it shows what the host's shows until then.
        #[must_use]
        pub fn settable() -> Self {
            Self(Some(Box::leak(Box::new(Mutex::new(Setting::OF_HOST)))))
        }

        /// Returns what the clock shows when that of the host shows `host` nanoseconds.
        #[must_use]
        pub fn shown(self, host: u64) -> u64 {
            let Some(setting) = self.0 else {
                return Setting::of_process().at(host);
            };
            setting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .at(host)
        }

        /// Puts a clock from [`Skew::settable`] forward, when that of the host shows `host`
        /// nanoseconds, and sets its rate from then on, in thousandths of the host's.
        pub fn set(self, host: u64, forward: Duration, permille: u64) {
            if let Some(setting) = self.0 {
                let mut setting = setting.lock().unwrap_or_else(PoisonError::into_inner);
                let forward = u64::try_from(forward.as_nanos()).unwrap_or(u64::MAX);
                *setting = Setting {
                    host,
                    shown: setting.at(host).saturating_add(forward),
                    permille,
                };
            }
        }
    }
}

pub use self::skews::Skew;
