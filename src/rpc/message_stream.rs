use std::time::Duration;

use tokio::{
    sync::mpsc::Sender,
    time::{Instant, timeout, timeout_at},
};
use tonic::{Status, Streaming};

use super::{failure::Failure, status};

/// Longest wait for the caller's next message.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Returns the next message; times out after [`LONGEST_PAUSE`].
pub(super) async fn next<M>(messages: &mut Streaming<M>) -> Result<Option<M>, Status> {
    let next = timeout(LONGEST_PAUSE, messages.message()).await;
    next.unwrap_or_else(|_| Err(Failure::DeadlinePassed.into()))
        .map_err(status::of_message)
}

/// Answers a stream of messages until the deadline; a failure is the last of the
/// answers.
pub(super) async fn answer<A>(
    deadline: Option<Instant>,
    answering: impl Future<Output = Result<(), Status>>,
    answers: &Sender<Result<A, Status>>,
) {
    let ended = match deadline {
        None => answering.await,
        Some(deadline) => timeout_at(deadline, answering)
            .await
            .unwrap_or_else(|_| Err(Failure::DeadlinePassed.into())),
    };
    if let Err(status) = ended {
        // Fails if the caller has disconnected.
        let _disconnected = answers.send(Err(status)).await;
    }
}
