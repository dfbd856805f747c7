//! Servers that encrypt, speak HTTP/2, or cannot be had.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use http::{Request as Asked, Response, Version as Spoken};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use leadsman_load::{
    Cancel, ConnectError, Error, Latency, Request, Scenario, Target, Template, Version, run,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::loads::{S, make, rate};

/// A server of hyper's. Its thread ends with the test's process.
struct Server {
    address: SocketAddr,
    /// The version of each request, and the bytes of its body.
    asked: Arc<Mutex<Vec<(Spoken, usize)>>>,
    /// What has to be trusted, in PEM form.
    certificate: String,
}

/// Returns a server for `localhost` that offers these protocols; encrypted, if there are any.
fn start(protocols: &[&str]) -> Server {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = (!protocols.is_empty()).then(|| {
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        TlsAcceptor::from(Arc::new(config))
    });
    let asked: Arc<Mutex<Vec<(Spoken, usize)>>> = Arc::default();
    let noted = Arc::clone(&asked);
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (tls, noted) = (tls.clone(), Arc::clone(&noted));
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return serve(stream, true, noted).await;
                    };
                    // Who trusts no such certificate goes away.
                    if let Ok(stream) = tls.accept(stream).await {
                        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        serve(stream, is_h2, noted).await;
                    }
                });
            }
        });
    });
    Server {
        address: told.recv().unwrap(),
        asked,
        certificate: cert.pem(),
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    is_h2: bool,
    asked: Arc<Mutex<Vec<(Spoken, usize)>>>,
) {
    let answer = service_fn(move |request: Asked<Incoming>| {
        let asked = Arc::clone(&asked);
        async move {
            let version = request.version();
            let body = request.into_body().collect().await?.to_bytes();
            asked.lock().unwrap().push((version, body.len()));
            Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from("four"))))
        }
    });
    let stream = TokioIo::new(stream);
    // The other end may go away at any time.
    if is_h2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(stream, answer).await);
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        drop(server.serve_connection(stream, answer).await);
    }
}

fn scenario(server: &Server, scheme: &str, version: Version) -> Scenario {
    let url = format!("{scheme}://localhost:{}", server.address.port());
    let (target, _) = Target::parse(&url).unwrap();
    let mut request = Request::get(Template::plain("/"));
    request.method = http::Method::POST;
    request.body = "body".parse().unwrap();
    let mut scenario = Scenario::of(target, request, rate(100.0, 500));
    scenario.version = version;
    scenario.trusted = Some(server.certificate.clone().into_bytes().into());
    scenario
}

#[test]
fn loads_are_made_encrypted_and_by_both_versions_of_http() {
    for (protocols, scheme, version, spoken) in [
        (&["http/1.1"][..], "https", Version::Http1, Spoken::HTTP_11),
        (
            &["h2", "http/1.1"],
            "https",
            Version::Http1,
            Spoken::HTTP_11,
        ),
        (&["h2", "http/1.1"], "https", Version::Http2, Spoken::HTTP_2),
        (&[], "http", Version::Http2, Spoken::HTTP_2),
    ] {
        let server = start(protocols);
        let report = make(&scenario(&server, scheme, version));
        let what = format!("{protocols:?} {scheme} {version:?}");
        assert_eq!(report.all.good(), 50, "{what}: {:?}", report.all.failures());
        assert_eq!(report.all.bytes(), 200, "{what}");
        assert!(report.all.latency(Latency::P50).unwrap() < S / 10, "{what}");
        assert_eq!(*server.asked.lock().unwrap(), [(spoken, 4); 50], "{what}");
    }
}

fn refused(scenario: &Scenario) -> ConnectError {
    let begun = Instant::now();
    let error = run(scenario, |_| {}, &Cancel::default()).unwrap_err();
    assert!(begun.elapsed() < S * 10);
    match error {
        Error::Connect(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_cannot_be_trusted_is_asked_for_nothing() {
    let server = start(&["http/1.1"]);
    let mut stranger = scenario(&server, "https", Version::Http1);
    stranger.trusted = None;
    let error = refused(&stranger);
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    // The certificate is for a name, not for this address.
    let mut elsewhere = scenario(&server, "https", Version::Http1);
    elsewhere.target = Target::parse(&format!("https://{}", server.address))
        .unwrap()
        .0;
    let error = refused(&elsewhere);
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    let mut no_certificate = scenario(&server, "https", Version::Http1);
    no_certificate.trusted = Some(b"-----BEGIN CERTIFICATE-----\nnone".to_vec().into());
    let error = refused(&no_certificate);
    assert!(matches!(error, ConnectError::Trusted { .. }), "{error:?}");
    assert!(server.asked.lock().unwrap().is_empty());
}

#[test]
fn who_does_not_speak_the_version_is_told_of_at_once() {
    let server = start(&["http/1.1"]);
    let error = refused(&scenario(&server, "https", Version::Http2));
    assert!(
        matches!(
            error,
            ConnectError::NoHttp2 { .. } | ConnectError::Tls { .. }
        ),
        "{error:?}"
    );
    assert!(server.asked.lock().unwrap().is_empty());
}

#[test]
fn a_name_that_leads_nowhere_is_told_of_at_once() {
    let server = start(&[]);
    let mut nowhere = scenario(&server, "http", Version::Http1);
    // No label of a name is as long as that: nobody has to be asked.
    let name = format!("{}.example", "a".repeat(64));
    nowhere.target = Target::parse(&format!("http://{name}:80")).unwrap().0;
    let error = refused(&nowhere);
    assert!(matches!(error, ConnectError::Resolve { .. }), "{error:?}");
    assert!(error.to_string().contains(&name), "{error}");
}
