use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::RunError;

/// The shutdown signals: Ctrl-C (SIGINT) and SIGTERM. A second one exits the
/// process at once.
#[derive(Debug)]
pub(super) struct ShutdownSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl ShutdownSignals {
    /// Registers the signal handlers; from then on the signals no longer end the
    /// process by themselves.
    pub(super) fn listen() -> Result<Self, RunError> {
        let listen = || -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            })
        };
        listen().map_err(RunError::Signals)
    }

    /// Waits for a shutdown signal.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Completes on a shutdown signal; the next one exits the process at once.
    pub(super) async fn came(mut self) {
        self.wait().await;
        tokio::spawn(async move {
            self.wait().await;
            std::process::exit(2);
        });
    }
}
