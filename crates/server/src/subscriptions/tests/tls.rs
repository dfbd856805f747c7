//! Who is trusted with what happens.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::super::address::{Address, Allowed};
use super::super::post::{Letter, Post, Sent};

/// Somebody with a certificate for `localhost` that vouches for itself.
struct Encrypted {
    port: u16,
    certificate: CertificateDer<'static>,
    _serving: JoinSet<()>,
}

impl Encrypted {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("it can be made");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("they are known")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.expect("it is a key"));
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("they belong together")));
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("it listens");
                // Who does not trust the certificate goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut text = Vec::new();
                let mut part = [0; 1_000];
                while !text.ends_with(b"{}") {
                    match stream.read(&mut part).await {
                        Ok(0) | Err(_) => break,
                        Ok(count) => text.extend_from_slice(&part[..count]),
                    }
                }
                let answer = b"HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n";
                drop(stream.write_all(answer).await);
                drop(stream.shutdown().await);
            }
        });
        Self {
            port,
            certificate,
            _serving: serving,
        }
    }

    async fn tell(&self, post: &Post, host: &str) -> Sent {
        let url = format!("https://{host}:{}/", self.port);
        let to = Address::try_from(url).expect("it is a URL");
        let letter = Letter {
            to: &to,
            allowed: Allowed {
                private_address: true,
                plain_http: false,
            },
            id: "shop/production/1",
            at: 1_790_000_000,
            signatures: "v1,AAAA",
            body: Bytes::from_static(b"{}"),
        };
        post.send(letter, Duration::from_secs(60)).await
    }
}

fn trusting(certificates: &[CertificateDer<'static>]) -> Post {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).expect("it is one");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("they are known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Post::trusting(TlsConnector::from(Arc::new(config)))
}

#[tokio::test]
async fn who_is_trusted_is_told() {
    let receiver = Encrypted::start().await;
    let post = trusting(std::slice::from_ref(&receiver.certificate));
    for _ in 0..2 {
        let sent = receiver.tell(&post, "localhost").await;
        assert_eq!(sent.problem(), None, "{sent:?}");
    }
}

#[tokio::test]
async fn who_is_not_trusted_or_is_somebody_else_is_not_told() {
    let (receiver, other) = (Encrypted::start().await, Encrypted::start().await);
    let trusting_other = trusting(std::slice::from_ref(&other.certificate));
    let trusting_all = trusting(&[receiver.certificate.clone(), other.certificate.clone()]);
    for (post, host) in [
        (trusting_other, "localhost"),
        // What the machine itself trusts.
        (Post::default(), "localhost"),
        // The certificate is for another name.
        (trusting_all, "127.0.0.1"),
    ] {
        let sent = receiver.tell(&post, host).await;
        let problem = sent.problem().expect("it is not trusted");
        assert!(
            problem.starts_with("no connection with TLS: ") && problem.contains("certificate"),
            "{host}: {problem}"
        );
    }
}
