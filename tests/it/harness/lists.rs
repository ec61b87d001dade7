//! Complete lists, joined from their pages or batches.

use pim_authz::pb::{
    self, authorization_service_client::AuthorizationServiceClient, stream_allowed_response::Event,
};
use tonic::{Status, transport::Channel};

type Client = AuthorizationServiceClient<Channel>;

/// The entries of a list: codes and levels, in the order of the list.
pub(crate) type Listed = Vec<(String, pb::Level)>;

/// The entries that a stream returned, and how it ended.
#[derive(Debug, Default)]
pub(crate) struct Streamed {
    pub(crate) listed: Listed,
    pub(crate) last_token: String,
    pub(crate) end: Option<pb::StreamEnd>,
    pub(crate) status: Option<Status>,
}

/// Reads all pages of a list.
pub(crate) async fn all_pages(client: &mut Client, request: &pb::ListAllowedRequest) -> Listed {
    let mut listed = Vec::new();
    let mut request = request.clone();
    loop {
        let page = client.list_allowed(request.clone()).await;
        let page = page.unwrap_or_else(|status| panic!("{status:?} {request:#?}"));
        let page = page.into_inner();
        let size = usize::try_from(request.page_size).unwrap();
        assert!(page.resources.len() <= size, "{request:#?}");
        listed.extend(page.resources.into_iter().map(entry));
        if page.next_page_token.is_empty() {
            return listed;
        }
        request.page_token = page.next_page_token;
    }
}

/// Reads a complete stream for the request of a list.
pub(crate) async fn whole_stream(
    client: &mut Client,
    request: &pb::ListAllowedRequest,
    ids_only: bool,
) -> Listed {
    let streamed = stream(client, as_stream(request, ids_only, "")).await;
    assert!(streamed.status.is_none(), "{:?}", streamed.status);
    let end = streamed.end.unwrap();
    assert_eq!(end.count, u64::try_from(streamed.listed.len()).unwrap());
    streamed.listed
}

/// Converts the request of a list to that of a stream with the same entries.
pub(crate) fn as_stream(
    request: &pb::ListAllowedRequest,
    ids_only: bool,
    resume_token: &str,
) -> pb::StreamAllowedRequest {
    let request = request.clone();
    pb::StreamAllowedRequest {
        tenant: request.tenant,
        subject: request.subject,
        action: request.action,
        resource_type: request.resource_type,
        context: request.context,
        filter: request.filter,
        batch_size: request.page_size,
        resume_token: resume_token.to_owned(),
        minimum_revision: request.minimum_revision,
        ids_only,
    }
}

/// Reads a stream until it ends, with success or an error.
pub(crate) async fn stream(client: &mut Client, request: pb::StreamAllowedRequest) -> Streamed {
    let mut streamed = Streamed::default();
    let mut messages = match client.stream_allowed(request).await {
        Ok(messages) => messages.into_inner(),
        Err(status) => {
            streamed.status = Some(status);
            return streamed;
        }
    };
    loop {
        match messages.message().await {
            Ok(Some(message)) => streamed.record(message.event.unwrap()),
            Ok(None) => return streamed,
            Err(status) => {
                streamed.status = Some(status);
                return streamed;
            }
        }
    }
}

impl Streamed {
    pub(crate) fn record(&mut self, event: Event) {
        assert!(self.end.is_none(), "nothing comes after the end");
        match event {
            Event::Batch(batch) => {
                assert!(
                    batch.ids.is_empty() || batch.resources.is_empty(),
                    "{batch:?}"
                );
                let ids = batch.ids.into_iter().map(|id| (id, pb::Level::Unspecified));
                self.listed.extend(ids);
                self.listed.extend(batch.resources.into_iter().map(entry));
                self.last_token = batch.resume_token;
            }
            Event::End(end) => self.end = Some(end),
        }
    }
}

/// Reads all pages of a list of subjects, each in the form `user:julia`.
pub(crate) async fn all_subjects(
    client: &mut Client,
    request: &pb::ListSubjectsRequest,
) -> Vec<String> {
    let mut listed = Vec::new();
    let mut request = request.clone();
    loop {
        let page = client.list_subjects(request.clone()).await;
        let page = page.unwrap_or_else(|status| panic!("{status:?} {request:#?}"));
        let page = page.into_inner();
        let subjects = page.subjects.into_iter();
        listed.extend(subjects.map(|subject| format!("{}:{}", subject.r#type, subject.id)));
        if page.next_page_token.is_empty() {
            return listed;
        }
        request.page_token = page.next_page_token;
    }
}

fn entry(resource: pb::AllowedResource) -> (String, pb::Level) {
    let level = resource.level();
    (resource.id, level)
}
