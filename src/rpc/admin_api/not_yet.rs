//! Calls that this release does not serve yet.

use crate::{
    pb,
    rpc::failure::{Failure, InvalidField},
};

use super::{AdminApi, Answer};

/// The answer of a call that is not served yet.
pub(super) fn not_served(call: &str) -> Failure {
    InvalidField::new("", format!("{call} is not served by this release")).into()
}

macro_rules! not_yet {
    ($($request:ident -> $response:ident;)+) => {
        $(
            impl Answer<pb::$request> for AdminApi {
                type Message = pb::$response;

                async fn answer(&self, _request: pb::$request) -> Result<pb::$response, Failure> {
                    Err(not_served(stringify!($request)))
                }
            }
        )+
    };
}

// audit
not_yet! {
    ListChangesRequest -> ListChangesResponse;
}

// operations
not_yet! {
    VerifyAuditRequest -> VerifyAuditResponse;
}
