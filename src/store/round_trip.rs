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
