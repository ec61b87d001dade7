use futures_util::{Stream, stream};
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::{
    domain::Code,
    listing::{Page, Place, ResourceList},
    pb::{self, stream_allowed_response::Event},
    store::TenantId,
};

use super::{
    caller_identity::CallerIdentity,
    failure::Failure,
    gate::{Deadline, Gate},
    lists::{Lists, check_tenant, destructure, place},
    page_token::{Binding, TokenPlace},
    parse_listing::{self, Listed, ResourceListing},
    render_listing,
};

/// Stream of the resources that a subject may access. A batch is confirmed when
/// the caller polls for it; for a caller that does not read, at most some hundred
/// resources, or one batch, are buffered.
#[derive(Debug)]
pub(super) struct AllowedStream {
    pub(super) lists: Lists,
    pub(super) list: ResourceList,
    pub(super) tenant: Code,
    pub(super) binding: Binding,
    pub(super) size: usize,
    pub(super) ids_only: bool,
    pub(super) limits: StreamLimits,
    /// The token that the stream resumes from, until the first batch has been
    /// read.
    pub(super) resumed: Option<TokenPlace<Place>>,
    /// The listed tenant, once a batch has been read.
    pub(super) listed: Option<TenantId>,
    /// Position after which the next batch starts.
    pub(super) after: Option<Place>,
    /// Number of resources sent before.
    pub(super) sent: u64,
}

impl Lists {
    pub(super) async fn stream(
        &self,
        message: pb::StreamAllowedRequest,
        limits: StreamLimits,
    ) -> Result<AllowedStream, Failure> {
        let (listed, filter, batch_size, resume_token, minimum, ids_only) = destructure!(
            message as StreamAllowedRequest { filter, batch_size, resume_token, minimum_revision, ids_only }
        );
        let listing =
            parse_listing::resource_listing("StreamAllowed", listed, filter, &self.default_tenant)?;
        let size = parse_listing::batch_size(batch_size)?;
        let ResourceListing {
            tenant,
            question,
            filter,
            binding,
        } = listing;
        limits.calling.check_tenant(&tenant)?;
        let binding = binding.with(if ids_only { "ids" } else { "levels" });
        let resumed = self.tokens.open("resume_token", &resume_token, &binding)?;
        self.wait_for_revision(&tenant, minimum).await?;
        Ok(AllowedStream {
            lists: self.clone(),
            list: ResourceList::new(tenant.clone(), question, filter),
            tenant,
            binding,
            size,
            ids_only,
            limits,
            after: place(resumed.as_ref()),
            resumed,
            listed: None,
            sent: 0,
        })
    }
}

/// Conditions that end a stream before it is complete.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamLimits {
    /// The caller's deadline, if there is one.
    pub(super) deadline: Option<Instant>,
    /// The server's gate; the stream ends once it is closed.
    pub(super) gate: Gate,
    /// The caller; the stream ends once its rights are revoked.
    pub(super) calling: CallerIdentity,
}

impl StreamLimits {
    /// Reads the conditions from a request's extensions.
    pub(super) fn of(extensions: &tonic::Extensions) -> Self {
        Self {
            deadline: Deadline::of(extensions),
            gate: extensions.get::<Gate>().cloned().unwrap_or_default(),
            calling: CallerIdentity::of(extensions),
        }
    }
}

/// Next step of a stream.
enum Next {
    Batch(Box<AllowedStream>),
    End(pb::StreamEnd),
    Nothing,
}

type Message = Result<pb::StreamAllowedResponse, Status>;

impl AllowedStream {
    /// Returns the messages; the last one is the end.
    pub(super) fn messages(self) -> impl Stream<Item = Message> + Send {
        stream::try_unfold(Next::Batch(Box::new(self)), |next| async {
            match next {
                Next::Batch(stream) => {
                    let (event, next) = stream.next().await?;
                    Ok(Some((message(event), next)))
                }
                Next::End(end) => Ok(Some((message(Event::End(end)), Next::Nothing))),
                Next::Nothing => Ok(None),
            }
        })
    }

    async fn next(mut self) -> Result<(Event, Next), Failure> {
        let Page {
            found,
            last,
            more,
            revision,
        } = self.page().await?;
        let tenant = self.listed.unwrap_or(TenantId(0));
        self.sent += u64::try_from(found.len()).unwrap_or(u64::MAX);
        let end = pb::StreamEnd {
            revision: revision.0,
            count: self.sent,
        };
        let Some(last) = last else {
            return Ok((Event::End(end), Next::Nothing));
        };
        let token = self.lists.tokens.seal(tenant, &last, &self.binding)?;
        let batch = render_listing::allowed_batch(found, self.ids_only, token);
        self.after = Some(last);
        let next = if more {
            Next::Batch(Box::new(self))
        } else {
            Next::End(end)
        };
        Ok((Event::Batch(batch), next))
    }

    async fn page(&mut self) -> Result<Page<crate::domain::AllowedResource, Place>, Failure> {
        if self.limits.gate.is_closed() {
            return Err(Failure::ShuttingDown);
        }
        let after = self.after.clone();
        let Lists { cache, store, .. } = &self.lists;
        let page = self.list.batch(cache, store, after, self.size);
        let page = match self.limits.deadline {
            None => page.await,
            Some(deadline) if deadline <= Instant::now() => return Err(Failure::DeadlinePassed),
            Some(deadline) => timeout_at(deadline, page)
                .await
                .map_err(|_| Failure::DeadlinePassed)?,
        };
        let gone = || Failure::TenantNotFound(self.tenant.clone());
        let (found_in, page) = page?.ok_or_else(gone)?;
        check_tenant(self.resumed.take().as_ref(), found_in)?;
        // A tenant created anew with the same code is not the listed one.
        if self.listed.is_some_and(|listed| listed != found_in) {
            return Err(gone());
        }
        self.listed = Some(found_in);
        // Checked after the page was read, so that the page holds nothing
        // committed after the caller was revoked.
        self.limits.calling.recheck(&self.tenant).await?;
        Ok(page)
    }
}

fn message(event: Event) -> pb::StreamAllowedResponse {
    pb::StreamAllowedResponse { event: Some(event) }
}
