use std::time::Instant;

use crate::telemetry::metrics as meter;

use super::{StoreError, outage_log};

/// Runs one round trip and records its duration and outcome under `name`.
pub(super) async fn measured<T>(
    name: &'static str,
    round_trip: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    let begun = Instant::now();
    let outcome = round_trip.await;
    meter::count_round_trip(name, begun.elapsed());
    match outcome {
        Ok(answer) => {
            outage_log::succeeded(name);
            Ok(answer)
        }
        Err(error) => Err(failed(name, error)),
    }
}

/// Counts and logs a failed round trip, and converts its error.
pub(super) fn failed(name: &'static str, error: tokio_postgres::Error) -> StoreError {
    meter::count_failure(name);
    let error = StoreError::of(name, error);
    outage_log::failed(name, &error);
    error
}

/// Awaits statements of one transaction that are sent without waiting for each
/// other's answers, and binds their values to names. Returns the error from the
/// function if one fails.
///
/// If one aborts the transaction, the statements behind it fail as well: the error
/// returned is that of the first.
macro_rules! send_together {
    ($($name:ident = $statement:expr),+ $(,)?) => {
        let ($($name),+) = futures_util::join!($(Box::pin(async { $statement.await })),+);
        $(let $name = match $name {
            Err(error) if !error.is_aftermath() => return Err(error),
            answer => answer,
        };)+
        $(let $name = $name?;)+
    };
}
pub(super) use send_together;
