//! Server reflection that reports errors as responses within the stream, as its
//! protocol defines: an unknown symbol does not end the stream. tonic's
//! implementation ends it.

use std::{future::ready, pin::Pin};

use futures_util::{Stream, StreamExt as _, stream};
use tonic::{Request, Response, Status, Streaming, service::Routes};

use crate::pb;

use super::ServerError;

/// Adds both versions of reflection.
pub(super) fn add_reflection(routes: Routes) -> Result<Routes, ServerError> {
    let descriptors = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    // Each version serves the other's descriptors too.
    let v1 = descriptors()
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServerError::Reflection)?;
    let v1alpha = descriptors()
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .build_v1alpha()
        .map_err(ServerError::Reflection)?;
    Ok(routes
        .add_service(v1::in_stream(v1))
        .add_service(v1alpha::in_stream(v1alpha)))
}

/// Defines the same wrapper for each version, whose messages are distinct types.
macro_rules! version {
    ($version:ident) => {
        mod $version {
            use tonic_reflection::pb::$version::{
                ErrorResponse, ServerReflectionRequest, ServerReflectionResponse,
                server_reflection_client::ServerReflectionClient,
                server_reflection_response::MessageResponse,
                server_reflection_server::{ServerReflection, ServerReflectionServer},
            };

            use super::*;

            /// Forwards each request to `inner` in a stream of its own.
            #[derive(Debug)]
            pub(super) struct InStream<R> {
                inner: ServerReflectionServer<R>,
            }

            pub(super) fn in_stream<R: ServerReflection>(
                inner: ServerReflectionServer<R>,
            ) -> ServerReflectionServer<InStream<R>> {
                ServerReflectionServer::new(InStream { inner })
            }

            #[tonic::async_trait]
            impl<R: ServerReflection> ServerReflection for InStream<R> {
                type ServerReflectionInfoStream =
                    Pin<Box<dyn Stream<Item = Result<ServerReflectionResponse, Status>> + Send>>;

                async fn server_reflection_info(
                    &self,
                    request: Request<Streaming<ServerReflectionRequest>>,
                ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
                    let inner = self.inner.clone();
                    let answers = request.into_inner().then(move |request| {
                        let inner = inner.clone();
                        async move { Ok(answer(inner, request?).await) }
                    });
                    Ok(Response::new(Box::pin(answers)))
                }
            }

            async fn answer<R: ServerReflection>(
                inner: ServerReflectionServer<R>,
                request: ServerReflectionRequest,
            ) -> ServerReflectionResponse {
                let mut client = ServerReflectionClient::new(inner);
                let requests = stream::once(ready(request.clone()));
                let answered = match client.server_reflection_info(requests).await {
                    Ok(answers) => answers.into_inner().message().await,
                    Err(status) => Err(status),
                };
                let status = match answered {
                    Ok(Some(answer)) => return answer,
                    Ok(None) => Status::internal("reflection gave no answer"),
                    Err(status) => status,
                };
                ServerReflectionResponse {
                    valid_host: request.host.clone(),
                    original_request: Some(request),
                    message_response: Some(MessageResponse::ErrorResponse(ErrorResponse {
                        error_code: status.code().into(),
                        error_message: status.message().to_owned(),
                    })),
                }
            }
        }
    };
}

version!(v1);
version!(v1alpha);
