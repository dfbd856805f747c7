//! A provider of OpenID Connect on a socket of its own, which can be made to say anything.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A provider. It ends when this is dropped.
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<Said>>,
    serving: JoinHandle<()>,
}

/// What it says.
#[derive(Default)]
pub(crate) struct Said {
    /// Its keys, as it publishes them.
    pub(crate) keys: Vec<Value>,
    /// Fields of what it says of itself that are said otherwise.
    pub(crate) discovery: BTreeMap<&'static str, Value>,
    /// What it answers instead, whole, by path.
    pub(crate) instead: BTreeMap<&'static str, String>,
    /// The token that it gives next.
    pub(crate) token: String,
    /// What the client has sent that must come back: challenge and redirect of the code.
    pub(crate) codes: BTreeMap<String, (String, String)>,
    /// The paths that were asked for.
    pub(crate) asked: Vec<String>,
}

/// By what it signs.
pub(crate) enum Signer {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let said = Arc::new(Mutex::new(Said::default()));
        let shared = Arc::clone(&said);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("it listens");
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { answer(stream, address, &shared).await });
            }
        });
        Self {
            address,
            said,
            serving,
        }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn says(&self) -> MutexGuard<'_, Said> {
        self.said.lock().expect("nobody panics with it")
    }
}

async fn answer(mut stream: TcpStream, address: SocketAddr, said: &Mutex<Said>) {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    let (head, body) = loop {
        let count = stream.read(&mut part).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        text.extend_from_slice(&part[..count]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = whole.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = {
        let mut said = said.lock().expect("nobody panics with it");
        said.asked.push(path.clone());
        match said.instead.get(path.as_str()) {
            Some(instead) => instead.clone(),
            None => {
                let (status, value) = usual(&said, address, &path, &head, &body);
                let body = value.to_string();
                let length = body.len();
                format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{body}")
            }
        }
    };
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}

/// Returns what a good provider answers.
fn usual(said: &Said, address: SocketAddr, path: &str, head: &str, body: &str) -> (u16, Value) {
    let url = |path: &str| format!("http://{address}{path}");
    match path {
        "/.well-known/openid-configuration" => {
            let mut value = json!({
                "issuer": format!("http://{address}"),
                "authorization_endpoint": url("/authorize"),
                "token_endpoint": url("/token"),
                "jwks_uri": url("/keys"),
            });
            for (name, otherwise) in &said.discovery {
                value[*name] = otherwise.clone();
            }
            (200, value)
        }
        "/keys" => (200, json!({ "keys": said.keys })),
        "/token" => {
            let fields: BTreeMap<String, String> = body
                .split('&')
                .filter_map(|field| field.split_once('='))
                .map(|(name, value)| (name.to_owned(), decoded(value)))
                .collect();
            let basic = format!("Basic {}", STANDARD.encode("leadsman:s%2Fcret"));
            let is_client = head.lines().any(|line| {
                let pair = line.split_once(": ");
                pair.is_some_and(|(name, value)| {
                    name.eq_ignore_ascii_case("authorization") && value == basic
                })
            });
            let code = fields.get("code").and_then(|code| said.codes.get(code));
            let is_theirs = code.is_some_and(|(challenge, redirect)| {
                let verifier = fields.get("code_verifier").map_or("", String::as_str);
                let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
                made == *challenge && fields.get("redirect_uri") == Some(redirect)
            });
            let grant = fields.get("grant_type").map(String::as_str);
            if is_client && is_theirs && grant == Some("authorization_code") {
                (
                    200,
                    json!({ "token_type": "Bearer", "id_token": said.token }),
                )
            } else {
                (400, json!({ "error": "invalid_grant" }))
            }
        }
        _ => (404, json!({})),
    }
}

pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next().expect("two digits")).to_digit(16);
            let (high, low) = (digit().expect("a digit"), digit().expect("a digit"));
            bytes.push(u8::try_from(high * 16 + low).expect("a byte"));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("it is UTF-8")
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(crate) fn rsa() -> Self {
        let key = RsaKeyPair::from_pkcs8(include_bytes!("../fixtures/rsa.pk8"));
        Self::Rsa(Box::new(key.expect("it is a key")))
    }

    pub(crate) fn ec() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("bits are random");
        let key = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random);
        Self::Ec(key.expect("it is a key"))
    }

    pub(crate) fn ed() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("bits are random");
        Self::Ed(Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("it is a key"))
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        }
    }

    /// Returns its public half as it is published.
    pub(crate) fn public(&self, id: &str) -> Value {
        match self {
            Self::Rsa(key) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({
                    "kty": "RSA", "kid": id, "use": "sig", "alg": "RS256",
                    "n": encoded(public.n), "e": encoded(public.e),
                })
            }
            Self::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({
                    "kty": "EC", "kid": id, "crv": "P-256",
                    "x": encoded(&point[1..33]), "y": encoded(&point[33..]),
                })
            }
            Self::Ed(key) => json!({
                "kty": "OKP", "kid": id, "crv": "Ed25519", "x": encoded(key.public_key()),
            }),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("it signs");
                signature
            }
            Self::Ec(key) => key
                .sign(&random, message)
                .expect("it signs")
                .as_ref()
                .to_vec(),
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// Returns a token with these two parts.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(claims.to_string())
        );
        format!("{signed}.{}", encoded(self.sign(signed.as_bytes())))
    }
}
