use std::time::Duration;

use tokio::time::Instant;

/// How long the same complaint is not logged again.
const SILENCE: Duration = Duration::from_mins(1);

/// Something that goes on being wrong: logged once, then once a minute.
#[derive(Debug, Default)]
pub struct Complaint {
    logged: Option<Instant>,
    unlogged: u64,
}

impl Complaint {
    /// How often it was wrong since the last line; `None`: not to be logged now.
    pub fn again(&mut self) -> Option<u64> {
        self.unlogged += 1;
        if self.logged.is_some_and(|logged| logged.elapsed() < SILENCE) {
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
    async fn what_goes_on_being_wrong_is_logged_once_a_minute() {
        let mut complaint = Complaint::default();
        assert_eq!(complaint.again(), Some(1));
        for _ in 0..9 {
            assert_eq!(complaint.again(), None);
        }
        tokio::time::advance(SILENCE).await;
        assert_eq!(complaint.again(), Some(10));
    }
}
