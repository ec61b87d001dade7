//! Starting, stopping, health and reflection.

use pim_authz::{pb, server::serve};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};

use crate::harness::{Database, TestServer, refusal, user};

const SERVICE: &str = "pim.authz.v1.AuthorizationService";

#[tokio::test]
async fn health_reports_serving_overall_and_per_service() {
    let server = TestServer::start().await;
    let mut health = HealthClient::new(server.channel().await);
    for service in ["", SERVICE, "pim.authz.v1.ImportService"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
}

#[tokio::test]
async fn stopping_server_reports_not_serving_and_ends_health_watches() {
    let mut server = TestServer::start().await;
    let mut health = HealthClient::new(server.channel().await);
    let mut streams = Vec::new();
    for service in ["", SERVICE, "pim.authz.v1.ImportService"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let watched = health.watch(request).await.unwrap();
        let mut statuses = watched.into_inner().map(|status| status.unwrap().status());
        assert_eq!(statuses.next().await, Some(ServingStatus::Serving));
        streams.push(statuses);
    }
    server.begin_stop();
    for statuses in &mut streams {
        assert_eq!(statuses.next().await, Some(ServingStatus::NotServing));
        assert_eq!(statuses.next().await, None);
    }
    server.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_reach_stopping_server_are_answered() {
    let mut server = TestServer::start().await;
    let client = server.client().await;
    let question = pb::CheckRequest {
        subject: user("julia"),
        action: "product.list".into(),
        ..Default::default()
    };
    // The connection is established: one whose handshake is not complete is closed.
    let first = client.clone().check(question.clone()).await.unwrap_err();
    assert_eq!(refusal(&first).1, "TENANT_NOT_FOUND");
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (mut client, question) = (client.clone(), question.clone());
            tokio::spawn(async move {
                loop {
                    let status = client.check(question.clone()).await.unwrap_err();
                    if status.details().is_empty() {
                        // The client's own: the connection has ended.
                        return;
                    }
                    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
                }
            })
        })
        .collect();
    server.begin_stop();
    for call in calls {
        call.await.unwrap();
    }
    server.ended().await.unwrap();
}

#[tokio::test]
async fn call_in_progress_is_answered_before_the_server_ends() {
    let mut server = TestServer::start().await;
    let client = server.client().await;
    let question = pb::CheckRequest {
        subject: user("julia"),
        action: "product.list".into(),
        ..Default::default()
    };
    // The call waits for the tenant's table until the server is stopping.
    let (holder, connection) = server.database.connect().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE pim_authz.tenant IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let under_way = tokio::spawn({
        let mut client = client;
        async move { client.check(question).await }
    });
    server.database.somebody_waits_for_a_lock(&holder).await;
    server.begin_stop();
    // Wait until the server accepts no more connections.
    while TcpStream::connect(server.address).await.is_ok() {}
    holder.batch_execute("ROLLBACK").await.unwrap();
    let answered = under_way.await.unwrap().unwrap_err();
    assert_eq!(refusal(&answered).1, "TENANT_NOT_FOUND");
    drop(holder);
    connection.await.unwrap().unwrap();
    server.ended().await.unwrap();
}

#[tokio::test]
async fn reflection_describes_error_detail_messages() {
    let server = TestServer::start().await;
    let mut client =
        v1::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    for detail in [
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
        "google.rpc.ResourceInfo",
        "google.rpc.Status",
    ] {
        let request = v1::ServerReflectionRequest {
            message_request: Some(
                v1::server_reflection_request::MessageRequest::FileContainingSymbol(
                    detail.to_owned(),
                ),
            ),
            ..Default::default()
        };
        let answers = client
            .server_reflection_info(tokio_stream::once(request))
            .await
            .unwrap();
        let answer = answers.into_inner().next().await.unwrap().unwrap();
        let answer = answer.message_response.unwrap();
        let is_file = matches!(
            answer,
            v1::server_reflection_response::MessageResponse::FileDescriptorResponse(_)
        );
        assert!(is_file, "{detail}: {answer:?}");
    }
}

/// Behaves like grpcurl, which reads each answer before it sends the next
/// request, and keeps the stream open while it makes its call.
#[tokio::test]
async fn reflection_answers_while_its_stream_is_open() {
    let server = TestServer::start().await;
    let mut client =
        v1::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let (requests, receiver) = mpsc::channel(1);
    let answers = client.server_reflection_info(ReceiverStream::new(receiver));
    let mut answers = answers.await.unwrap().into_inner();
    for _ in 0..2 {
        let request = v1::ServerReflectionRequest {
            message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
                String::new(),
            )),
            ..Default::default()
        };
        requests.send(request).await.unwrap();
        let answer = answers.next().await.unwrap().unwrap();
        let is_list = matches!(
            answer.message_response,
            Some(v1::server_reflection_response::MessageResponse::ListServicesResponse(_))
        );
        assert!(is_list, "{answer:?}");
    }
    drop(requests);
    assert!(answers.next().await.is_none());
}

/// Checks how a version of reflection answers an unknown symbol, an unknown
/// file, and then a valid request.
macro_rules! query_unknown_symbols {
    ($version:ident, $server:expr) => {{
        use $version::{
            server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let requests = [
            MessageRequest::FileContainingSymbol("pim.authz.v1.Nothing".into()),
            MessageRequest::FileByFilename("nothing.proto".into()),
            MessageRequest::ListServices(String::new()),
        ];
        let requests = requests.map(|request| $version::ServerReflectionRequest {
            host: "here".into(),
            message_request: Some(request),
        });
        let mut client = ServerReflectionClient::new($server.channel().await);
        let answers = client
            .server_reflection_info(tokio_stream::iter(requests.clone()))
            .await
            .unwrap();
        let mut answers = answers.into_inner();
        let [symbol, file, list] = requests;
        for unknown in [symbol, file] {
            let answer = answers.next().await.unwrap().unwrap();
            assert_eq!(answer.original_request, Some(unknown));
            let Some(MessageResponse::ErrorResponse(error)) = answer.message_response else {
                panic!("{answer:?}");
            };
            assert_eq!(Code::from(error.error_code), Code::NotFound, "{error:?}");
        }
        let answer = answers.next().await.unwrap().unwrap();
        assert_eq!(answer.original_request, Some(list));
        let is_list = matches!(
            answer.message_response,
            Some(MessageResponse::ListServicesResponse(_))
        );
        assert!(is_list);
        assert!(answers.next().await.is_none());
    }};
}

#[tokio::test]
async fn reflection_reports_unknown_symbols_within_its_stream() {
    let server = TestServer::start().await;
    query_unknown_symbols!(v1, server);
    query_unknown_symbols!(v1alpha, server);
}

#[tokio::test]
async fn reflection_lists_every_service_in_both_versions() {
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "pim.authz.v1.AccessRightsService",
        "pim.authz.v1.AppService",
        "pim.authz.v1.AuditService",
        SERVICE,
        "pim.authz.v1.CallerService",
        "pim.authz.v1.CatalogService",
        "pim.authz.v1.DirectoryService",
        "pim.authz.v1.ImportService",
        "pim.authz.v1.OperationsService",
        "pim.authz.v1.TenantService",
    ];
    let server = TestServer::start().await;
    let mut client =
        v1::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let request = v1::ServerReflectionRequest {
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
        ..Default::default()
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response;
    let Some(v1::server_reflection_response::MessageResponse::ListServicesResponse(list)) = answer
    else {
        panic!("{answer:?}");
    };
    let mut names: Vec<String> = list.service.into_iter().map(|s| s.name).collect();
    names.sort();
    assert_eq!(names, expected);

    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let request = v1alpha::ServerReflectionRequest {
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
        ..Default::default()
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response;
    let Some(v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(list)) =
        answer
    else {
        panic!("{answer:?}");
    };
    let mut names: Vec<String> = list.service.into_iter().map(|s| s.name).collect();
    names.sort();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn occupied_port_error_names_the_listen_option() {
    let database = Database::create().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = TestServer::config(&database);
    config.listen = taken.local_addr().unwrap();
    let (ready, _) = oneshot::channel();
    let error = serve(config, std::future::pending(), ready)
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(message.contains("--listen"), "{message}");
}

#[tokio::test]
async fn database_without_schema_is_rejected_unless_migration_is_configured() {
    let database = Database::create().await;
    database.execute("DROP SCHEMA pim_authz CASCADE").await;
    let mut config = TestServer::config(&database);
    let (ready, _) = oneshot::channel();
    let error = serve(config.clone(), std::future::pending(), ready)
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(message.contains("pim-authz migrate"), "{message}");

    config.migrate_url = Some(database.url().clone());
    let (ready, address) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _either_way = stopped.await;
    };
    let serving = tokio::spawn(serve(config, shutdown, ready));
    address.await.unwrap();
    drop(stop);
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn unreachable_database_at_startup_is_reported_with_advice() {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.database_url = "postgresql://nobody@127.0.0.1:1/nothing".to_owned().into();
    let (ready, _) = oneshot::channel();
    let error = serve(config, std::future::pending(), ready)
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(message.contains("check that PostgreSQL runs"), "{message}");
}
