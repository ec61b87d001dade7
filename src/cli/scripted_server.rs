//! A test server that sends scripted responses and records the requests.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures_util::{Stream, StreamExt as _, stream};
use tokio::{net::TcpListener, sync::Notify};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::pb::{
    self,
    authorization_service_server::{AuthorizationService, AuthorizationServiceServer},
    stream_allowed_response::Event,
};

type Answered<T> = Result<Response<T>, Status>;
type Events = Pin<Box<dyn Stream<Item = Result<pb::StreamAllowedResponse, Status>> + Send>>;

/// What a stream does after it has sent its scripted number of batches.
#[derive(Clone, Debug)]
pub(super) enum Break {
    /// Fails with a status.
    Fail(Status),
    /// Closes without an `end` message.
    Stop,
    /// Ends with an `end` message that reports this number of resources.
    Count(u64),
    /// Notifies, then sends nothing more and stays open.
    Hang(Arc<Notify>),
}

/// Serves resources and subjects, one per batch or page; tokens are numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct ScriptedServer {
    pub(super) codes: Vec<&'static str>,
    pub(super) has_no_tokens: bool,
    pub(super) state: Arc<Mutex<Script>>,
}

/// The remaining scripted breaks, and the recorded requests.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// How the next calls break, and after how many batches; later ones do not.
    pub(super) breaks: VecDeque<(usize, Break)>,
    pub(super) streams: Vec<pb::StreamAllowedRequest>,
    pub(super) pages: Vec<pb::ListAllowedRequest>,
    pub(super) subjects: Vec<pb::ListSubjectsRequest>,
}

impl ScriptedServer {
    pub(super) fn of(codes: &[&'static str]) -> Self {
        Self {
            codes: codes.to_vec(),
            ..Self::default()
        }
    }

    pub(super) fn breaking(self, breaks: impl IntoIterator<Item = (usize, Break)>) -> Self {
        self.state.lock().unwrap().breaks.extend(breaks);
        self
    }

    /// Starts the server and returns its address.
    pub(super) async fn listen(&self) -> String {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let service = AuthorizationServiceServer::new(self.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(socket)));
        address.to_string()
    }

    /// Returns the resume tokens of the recorded stream requests.
    pub(super) fn resumed_after(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let tokens = state
            .streams
            .iter()
            .map(|request| request.resume_token.clone());
        tokens.collect()
    }

    fn batch(&self, at: usize, ids_only: bool) -> pb::StreamAllowedResponse {
        let code = self.codes[at].to_owned();
        let token = if self.has_no_tokens {
            String::new()
        } else {
            (at + 1).to_string()
        };
        let (resources, ids) = if ids_only {
            (Vec::new(), vec![code])
        } else {
            (vec![allowed(code)], Vec::new())
        };
        event(Event::Batch(pb::AllowedBatch {
            resources,
            ids,
            resume_token: token,
        }))
    }
}

fn allowed(id: String) -> pb::AllowedResource {
    pb::AllowedResource {
        id,
        level: pb::Level::Edit.into(),
    }
}

fn event(event: Event) -> pb::StreamAllowedResponse {
    pb::StreamAllowedResponse { event: Some(event) }
}

fn end(count: u64) -> pb::StreamAllowedResponse {
    event(Event::End(pb::StreamEnd { revision: 7, count }))
}

fn position(token: &str) -> usize {
    token.parse().unwrap_or(0)
}

#[tonic::async_trait]
impl AuthorizationService for ScriptedServer {
    type StreamAllowedStream = Events;

    async fn stream_allowed(&self, request: Request<pb::StreamAllowedRequest>) -> Answered<Events> {
        let request = request.into_inner();
        let start = position(&request.resume_token);
        let planned = {
            let mut state = self.state.lock().unwrap();
            state.streams.push(request.clone());
            state.breaks.pop_front()
        };
        let left = self.codes.len() - start;
        let (batches, how) = planned.unwrap_or((left, Break::Count(left as u64)));
        let sent: Vec<_> = (start..start + batches)
            .map(|at| Ok(self.batch(at, request.ids_only)))
            .collect();
        let sent = stream::iter(sent);
        Ok(Response::new(match how {
            Break::Fail(status) => sent.chain(stream::iter([Err(status)])).boxed(),
            Break::Stop => sent.boxed(),
            Break::Count(count) => sent.chain(stream::iter([Ok(end(count))])).boxed(),
            Break::Hang(hangs) => {
                let silence = async move {
                    hangs.notify_one();
                    std::future::pending().await
                };
                sent.chain(stream::once(silence)).boxed()
            }
        }))
    }

    async fn list_allowed(
        &self,
        request: Request<pb::ListAllowedRequest>,
    ) -> Answered<pb::ListAllowedResponse> {
        self.state.lock().unwrap().pages.push(request.into_inner());
        Ok(Response::new(pb::ListAllowedResponse {
            resources: self
                .codes
                .iter()
                .map(|code| allowed((*code).to_owned()))
                .collect(),
            next_page_token: "next".to_owned(),
            revision: 7,
        }))
    }

    async fn list_subjects(
        &self,
        request: Request<pb::ListSubjectsRequest>,
    ) -> Answered<pb::ListSubjectsResponse> {
        let request = request.into_inner();
        let at = position(&request.page_token);
        let planned = {
            let mut state = self.state.lock().unwrap();
            state.subjects.push(request);
            state.breaks.pop_front()
        };
        if let Some((_, Break::Fail(status))) = planned {
            return Err(status);
        }
        let is_last = at + 1 == self.codes.len();
        Ok(Response::new(pb::ListSubjectsResponse {
            subjects: vec![pb::Subject {
                r#type: "user".to_owned(),
                id: self.codes[at].to_owned(),
            }],
            next_page_token: if is_last {
                String::new()
            } else {
                (at + 1).to_string()
            },
            revision: 7,
        }))
    }

    async fn check(&self, _: Request<pb::CheckRequest>) -> Answered<pb::CheckResponse> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn batch_check(
        &self,
        _: Request<pb::BatchCheckRequest>,
    ) -> Answered<pb::BatchCheckResponse> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn list_actions(
        &self,
        _: Request<pb::ListActionsRequest>,
    ) -> Answered<pb::ListActionsResponse> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn get_access_filter(
        &self,
        _: Request<pb::GetAccessFilterRequest>,
    ) -> Answered<pb::GetAccessFilterResponse> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn explain(&self, _: Request<pb::ExplainRequest>) -> Answered<pb::ExplainResponse> {
        Err(Status::unimplemented("not in the script"))
    }
}
