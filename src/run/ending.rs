use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::RunError;

/// The wish of a person or a supervisor that the process ends: Ctrl-C or
/// SIGTERM. Who says it twice does not want to wait.
#[derive(Debug)]
pub(super) struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    /// Begins to listen; from here on the signals no longer end the process by
    /// themselves.
    pub(super) fn listen() -> Result<Self, RunError> {
        let listen = || -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            })
        };
        listen().map_err(RunError::Signals)
    }

    /// Waits for the wish.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Completes when the wish comes; the next one ends the process at once.
    pub(super) async fn came(mut self) {
        self.wait().await;
        tokio::spawn(async move {
            self.wait().await;
            std::process::exit(2);
        });
    }
}
