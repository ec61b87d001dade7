//! The parts common to all writes: the head of every request, its change, and the
//! fields of every response.
//!
//! A request implements [`Write`], and so [`Answer`]. Its response is stored for
//! retries as the same message that the first call returns.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    admin::{Answered, Change, WriteContext, Written},
    domain::{Code, Revision},
    rpc::{
        failure::{Failure, InvalidField, check_count, decode_stored_response},
        parse, parse_import,
    },
};

use super::{AdminApi, Answer, check_no_tenant};

/// Largest number of entries in one request.
pub(super) const MOST_ENTRIES: usize = 100_000;

/// The fields common to all write requests.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteHead {
    pub(super) tenant: String,
    pub(super) actor: String,
    pub(super) idempotency_key: String,
    pub(super) dry_run: bool,
}

/// A write request.
pub(super) trait WriteRequest: prost::Message + Default + Clone {
    /// The name of the message: that of the call, and `Request`. The name of the
    /// call is hashed to detect an idempotency key reused for another call.
    const NAME: &'static str;

    /// True if it is about callers, and names no tenant.
    const OF_CALLERS: bool = false;

    /// Returns the common fields. The actor and the idempotency key are removed
    /// from the request, since they are not part of its hash.
    fn take_head(&mut self) -> WriteHead;

    /// Returns the revision that the tenant must have; `None`: any.
    fn expected_revision(&self) -> Option<u64> {
        None
    }
}

/// A request that one change answers.
pub(super) trait Write: WriteRequest {
    type Change: Change;
    type Response: WriteResponse<<Self::Change as Change>::Details>;

    /// Parses the rest of the request. The actor in `context` is the one that the
    /// request names.
    fn change(self, context: &WriteContext) -> Result<Self::Change, Failure>;
}

/// The response to a write, whose result has details `D`.
pub(super) trait WriteResponse<D>: prost::Message + Default {
    fn of(written: &Written<D>) -> Self;
}

impl<M: Write> Answer<M> for AdminApi {
    type Message = M::Response;

    async fn answer(&self, mut message: M) -> Result<M::Response, Failure> {
        let context = self.context(&mut message)?;
        let change = message.change(&context)?;
        self.write(change, context).await
    }
}

impl AdminApi {
    /// Parses the context of a write and removes its actor and idempotency key
    /// from the request.
    pub(super) fn context<M: WriteRequest>(
        &self,
        message: &mut M,
    ) -> Result<WriteContext, Failure> {
        let WriteHead {
            tenant,
            actor,
            idempotency_key,
            dry_run,
        } = message.take_head();
        let call = M::NAME.strip_suffix("Request").unwrap_or(M::NAME);
        let mut hash = Sha256::new_with_prefix(call);
        hash.update([0]);
        hash.update(message.encode_to_vec());
        let tenant = if M::OF_CALLERS {
            check_no_tenant(&tenant)?;
            Code::of_installation()
        } else {
            parse::code("tenant", &tenant)?
        };
        let context = WriteContext {
            tenant,
            actor: parse_import::actor(actor)?,
            caller: self.calling.name().cloned(),
            request_id: Uuid::now_v7().to_string(),
            idempotency_key: parse_import::idempotency_key(idempotency_key)?,
            request_hash: hash.finalize().to_vec(),
            dry_run,
            expected_revision: message.expected_revision().map(Revision),
        };
        if !M::OF_CALLERS {
            self.calling.check_written_tenant(&context.tenant)?;
        }
        Ok(context)
    }

    /// Makes a change and renders its response, which is also stored for retries.
    /// If the request names no actor, its caller is the actor.
    pub(super) async fn write<C: Change, R: WriteResponse<C::Details>>(
        &self,
        change: C,
        mut context: WriteContext,
    ) -> Result<R, Failure> {
        context.fill_actor();
        let encode = |written: &Written<C::Details>| R::of(written).encode_to_vec();
        match self.coordinator.change(change, context, encode).await? {
            Answered::Fresh(written) => Ok(R::of(&written)),
            Answered::Replayed(bytes) => decode_stored_response(&bytes),
        }
    }
}

/// Parses the entries of a request; an error has the path of its entry.
pub(super) fn entries<M, E>(
    field: &'static str,
    messages: Vec<M>,
    parse: impl Fn(M) -> Result<E, InvalidField>,
) -> Result<Vec<E>, Failure> {
    check_count(field, messages.len(), MOST_ENTRIES)?;
    let mut parsed = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let entry = parse(message);
        parsed.push(entry.map_err(|fault| fault.within(&format!("{field}[{index}]")))?);
    }
    Ok(parsed)
}

/// Implements [`WriteRequest`]; in brackets: what a request has besides the four
/// fields of all.
macro_rules! write_requests {
    ($($request:ident $([$($more:ident),+])?;)+) => {$(
        impl super::writes::WriteRequest for pb::$request {
            const NAME: &'static str = stringify!($request);

            fn take_head(&mut self) -> super::writes::WriteHead {
                super::writes::WriteHead {
                    tenant: self.tenant.clone(),
                    actor: std::mem::take(&mut self.actor),
                    idempotency_key: std::mem::take(&mut self.idempotency_key),
                    dry_run: self.dry_run,
                }
            }

            $($(super::writes::write_requests!(@more $more);)+)?
        }
    )+};
    (@more expected_revision) => {
        fn expected_revision(&self) -> Option<u64> {
            self.expected_revision
        }
    };
    (@more of_callers) => {
        const OF_CALLERS: bool = true;
    };
}
pub(super) use write_requests;

/// Implements [`Write`]: each request is converted into its change by an expression
/// of the message and its context.
macro_rules! changes {
    ($($request:ident $([$($more:ident),+])? -> $response:ident: $change:ty = |$message:ident, $context:pat_param| $made:expr;)+) => {$(
        super::writes::write_requests! { $request $([$($more),+])?; }

        impl super::writes::Write for pb::$request {
            type Change = $change;
            type Response = pb::$response;

            fn change(self, context: &crate::admin::WriteContext) -> Result<$change, Failure> {
                let ($message, $context) = (self, context);
                Ok($made)
            }
        }
    )+};
}
pub(super) use changes;

/// As [`changes`], for responses with only the fields common to all writes.
macro_rules! writes {
    ($($request:ident $([$($more:ident),+])? -> $response:ident: $change:ty = |$message:ident, $context:pat_param| $made:expr;)+) => {$(
        super::writes::changes! {
            $request $([$($more),+])? -> $response: $change = |$message, $context| $made;
        }

        impl super::writes::WriteResponse<()> for pb::$response {
            fn of(written: &crate::admin::Written) -> Self {
                Self {
                    revision: written.revision.0,
                    effect: Some(crate::rpc::render_import::render_effect(&written.effect)),
                }
            }
        }
    )+};
}
pub(super) use writes;
