use std::time::Duration;

use tokio::time::Instant;

/// Minimum time between two log lines of the same throttle.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Rate limiter for logging a persistent fault: once at first, then once a
/// minute.
#[derive(Debug, Default)]
pub struct LogThrottle {
    logged: Option<Instant>,
    unlogged: u64,
}

impl LogThrottle {
    /// Records an occurrence and returns the number since the last log line, this
    /// one included; `None` if it should not be logged now.
    pub fn again(&mut self) -> Option<u64> {
        self.unlogged += 1;
        if self
            .logged
            .is_some_and(|logged| logged.elapsed() < LOG_INTERVAL)
        {
            return None;
        }
        self.logged = Some(Instant::now());
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn persistent_fault_is_logged_once_a_minute() {
        let mut throttle = LogThrottle::default();
        assert_eq!(throttle.again(), Some(1));
        for _ in 0..9 {
            assert_eq!(throttle.again(), None);
        }
        tokio::time::advance(LOG_INTERVAL).await;
        assert_eq!(throttle.again(), Some(10));
    }
}
