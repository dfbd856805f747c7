//! gRPC, with a client and a service that are not ours.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, BufMut as _, Bytes};
use futures_util::{Stream, StreamExt as _, stream};
use leadsman_proxy::table::{Ejection, Maintenance, Table};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{BoxFuture, http};
use tonic::server::{NamedService, StreamingService, UnaryService};
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::http2::{connect, whole};
use crate::service::{Service, headers, http2_side, say};
use crate::world::{World, any_port, eventually, nobody, table};

/// Messages as they are, without an encoding.
#[derive(Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// What can be asked for: the name of a status, which is how it ends, or anything else, which is
/// said again.
#[derive(Clone)]
struct Echo;

fn status(word: &[u8]) -> Result<(), Status> {
    match word {
        b"unavailable" => Err(Status::unavailable("gone fishing")),
        b"not found" => Err(Status::not_found("no such thing")),
        _ => Ok(()),
    }
}

/// One message for one, which fails before it says anything.
impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = BoxFuture<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(async move {
            let timeout = request.metadata().get("grpc-timeout").cloned();
            let word = request.into_inner();
            status(&word)?;
            let mut response = Response::new(word);
            if let Some(timeout) = timeout {
                response.metadata_mut().insert("x-timeout", timeout);
            }
            Ok(response)
        })
    }
}

/// A message for each, as they come; it fails in the middle.
impl StreamingService<Bytes> for Echo {
    type Response = Bytes;
    type ResponseStream = Answers;
    type Future = BoxFuture<Response<Answers>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let words = request.into_inner();
        let answers = words.map(|word| {
            let word = word?;
            status(&word).map(|()| word)
        });
        Box::pin(async move { Ok(Response::new(Box::pin(answers) as Answers)) })
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl tonic::codegen::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Plain);
            Ok(match request.uri().path() {
                "/test.Echo/Once" => grpc.unary(Self, request).await,
                _ => grpc.streaming(Self, request).await,
            })
        })
    }
}

/// Starts the service, which ends with the test.
fn echo() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind(any_port()).await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let accepted = stream::unfold(listener, |listener| async move {
                let stream = listener.accept().await.map(|(stream, _)| stream);
                Some((stream, listener))
            });
            let server = Server::builder().add_service(Echo);
            server.serve_with_incoming(accepted).await.unwrap();
        });
    });
    told.recv().unwrap()
}

fn world() -> World {
    World::with(|config| {
        config.cores = Some(1);
        // Clients of these tests do not hear a goodbye.
        config.drain_timeout = Duration::from_millis(100);
        config.connect_timeout = Duration::from_millis(500);
    })
}

fn of(address: SocketAddr) -> Table {
    table(1, [http2_side("web", 10_000, &[address])])
}

async fn client(address: SocketAddr) -> Grpc<Channel> {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = Grpc::new(channel.connect().await.unwrap());
    client.ready().await.unwrap();
    client
}

async fn once(
    client: &mut Grpc<Channel>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, Status> {
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/test.Echo/Once");
    client.unary(request, path, Plain).await
}

fn word(word: &'static str) -> Request<Bytes> {
    Request::new(Bytes::from_static(word.as_bytes()))
}

#[test]
fn messages_pass_one_by_one_and_in_streams() {
    let world = world();
    let address = world.apply(&of(echo()));
    world.block_on(async {
        let mut client = client(address).await;
        let answer = once(&mut client, word("hello")).await.unwrap();
        assert_eq!(answer.into_inner(), "hello");
        let big = Bytes::from(vec![b'x'; 3_000_000]);
        let answer = once(&mut client, Request::new(big.clone())).await.unwrap();
        assert!(answer.into_inner() == big);

        let (say, mut said) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let said = stream::poll_fn(move |context| said.poll_recv(context));
        let path = http::uri::PathAndQuery::from_static("/test.Echo/Each");
        client.ready().await.unwrap();
        let answers = client
            .streaming(Request::new(said), path, Plain)
            .await
            .unwrap();
        let mut answers = answers.into_inner();
        for word in ["one", "two", "three"] {
            say.send(Bytes::from(word)).unwrap();
            assert_eq!(answers.message().await.unwrap().unwrap(), word);
        }
        drop(say);
        assert_eq!(answers.message().await.unwrap(), None);
        assert!(answers.trailers().await.unwrap().is_some());
    });
    let counted = world.figures("web", |counted| counted.figures.requests >= 3);
    assert_eq!((counted.figures.requests, counted.figures.errors), (3, 0));
}

#[test]
fn a_failure_of_the_service_counts_and_one_of_the_client_does_not() {
    let world = world();
    let address = world.apply(&of(echo()));
    world.block_on(async {
        let mut client = client(address).await;
        for (asked, code) in [
            ("unavailable", Code::Unavailable),
            ("not found", Code::NotFound),
        ] {
            let status = once(&mut client, word(asked)).await.unwrap_err();
            assert_eq!(status.code(), code);
            // In the trailers, behind a message.
            let words = stream::iter(["fine", asked]).map(Bytes::from);
            let path = http::uri::PathAndQuery::from_static("/test.Echo/Each");
            client.ready().await.unwrap();
            let answers = client
                .streaming(Request::new(words), path, Plain)
                .await
                .unwrap();
            let mut answers = answers.into_inner();
            assert_eq!(answers.message().await.unwrap().unwrap(), "fine");
            assert_eq!(answers.message().await.unwrap_err().code(), code);
        }
    });
    let counted = world.figures("web", |counted| {
        counted.figures.requests >= 4 && counted.figures.errors >= 2
    });
    assert_eq!((counted.figures.requests, counted.figures.errors), (4, 2));
}

#[test]
fn an_instance_whose_trailers_fail_is_left_out() {
    let service = Service::with(|_, mut respond| async move {
        let answer = ::http::Response::builder().header("content-type", "application/grpc");
        let mut stream = respond
            .send_response(answer.body(()).unwrap(), false)
            .unwrap();
        stream.send_trailers(headers("grpc-status", "14")).unwrap();
    });
    let world = world();
    let mut table = table(1, [http2_side("web", 10_000, &[echo(), service.address])]);
    for service in table.listeners[0].services.values_mut() {
        service.ejection = Some(Ejection {
            failures: 3,
            time: Duration::from_secs(600),
            time_max: Duration::from_secs(600),
            share_max: 5000,
        });
    }
    let address = world.apply(&table);
    world.block_on(async {
        let mut client = client(address).await;
        let mut failed = 0;
        for _ in 0..40 {
            failed += u32::from(once(&mut client, word("hello")).await.is_err());
        }
        assert_eq!(failed, 3);
    });
    let counted = world.figures("web", |counted| counted.figures.errors >= 3);
    assert_eq!((counted.figures.requests, counted.figures.errors), (40, 3));
}

#[test]
fn what_the_proxy_says_is_said_as_clients_expect() {
    let never = Service::with(|_, respond| async move {
        std::future::pending::<()>().await;
        drop(respond);
    });
    let mut closed = of(nobody());
    for service in closed.listeners[0].services.values_mut() {
        service.maintenance = Some(Maintenance {
            body: "<p>back soon</p>\nat noon".to_owned(),
            ..Maintenance::default()
        });
    }
    let mut elsewhere = of(nobody());
    elsewhere.listeners[0].rules[0].path = "/elsewhere".to_owned();
    for (table, code, message, reason) in [
        (
            of(nobody()),
            Code::Unavailable,
            "no instance of the service can be reached",
            "unreachable",
        ),
        (
            table(1, [http2_side("web", 10_000, &[])]),
            Code::Unavailable,
            "the service has no instance to answer",
            "no-instance",
        ),
        (
            of(never.address),
            Code::DeadlineExceeded,
            "the service did not answer in time",
            "timed-out",
        ),
        (
            elsewhere,
            Code::Unimplemented,
            "nothing is served under this host and path",
            "no-route",
        ),
        (closed, Code::Unavailable, "<p>back soon</p>", "maintenance"),
    ] {
        let world = World::with(|config| {
            config.cores = Some(1);
            config.drain_timeout = Duration::from_millis(100);
            config.answer_timeout = Duration::from_millis(200);
        });
        let address = world.apply(&table);
        let status = world.block_on(async {
            let mut client = client(address).await;
            once(&mut client, word("hello")).await.unwrap_err()
        });
        assert_eq!((status.code(), status.message()), (code, message));
        assert_eq!(status.metadata().get("x-leadsman-reason").unwrap(), reason);
    }
}

#[test]
fn who_speaks_no_grpc_hears_none() {
    let world = world();
    let address = world.apply(&of(nobody()));
    world.block_on(async {
        let mut client = connect(address).await;
        let request =
            ::http::Request::post("http://a/").header("content-type", "application/grpc-web");
        let request = request.body(http_body_util::Empty::<Bytes>::new()).unwrap();
        let (status, headers, _) = whole(client.send_request(request).await.unwrap()).await;
        assert_eq!(status, 502);
        assert!(!headers.contains_key("grpc-status"));
    });
}

#[test]
fn nobody_waits_for_longer_than_the_client_does() {
    let world = world();
    let address = world.apply(&of(echo()));
    world.block_on(async {
        let mut client = client(address).await;
        let mut request = word("hello");
        request.set_timeout(Duration::from_secs(100));
        let answer = once(&mut client, request).await.unwrap();
        assert_eq!(answer.metadata().get("x-timeout").unwrap(), "100000m");
    });
    // By hand, because a client, or a service, that waits by itself may be quicker.
    let never = Service::with(|_, respond| async move {
        std::future::pending::<()>().await;
        drop(respond);
    });
    let world = self::world();
    let address = world.apply(&of(never.address));
    let started = Instant::now();
    let (status, headers, _) = world.block_on(async {
        let mut client = connect(address).await;
        let request = ::http::Request::post("http://a/test.Echo/Once")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", "50m");
        let body = http_body_util::Full::new(Bytes::from_static(b"\0\0\0\0\x05never"));
        let answer = client.send_request(request.body(body).unwrap()).await;
        whole(answer.unwrap()).await
    });
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(
        (status.as_u16(), &headers["grpc-status"]),
        (200, &"4".parse().unwrap())
    );
    assert_eq!(headers["x-leadsman-reason"], "timed-out");
    let counted = world.figures("web", |counted| counted.figures.requests >= 1);
    assert_eq!(counted.figures.errors, 1);
}

#[test]
fn services_of_grpc_and_of_http_stand_side_by_side() {
    // What is no gRPC has statuses of its own, whatever its headers say.
    let service = Service::with(|_, respond| async move { say(respond, "ok") });
    let world = world();
    let address = world.apply(&of(service.address));
    world.block_on(async {
        let mut client = connect(address).await;
        for _ in 0..3 {
            let request = crate::http2::request("/");
            assert_eq!(client.send_request(request).await.unwrap().status(), 200);
        }
    });
    eventually("all are counted", || {
        let counted = world.figures("web", |counted| counted.figures.requests >= 3);
        (counted.figures.errors == 0).then_some(())
    });
}
