//! Whether an ID token is what it says: signature, issuer, audience, time, nonce.
//!
//! Three algorithms are known and no others, all of them with a key that only the provider has: what
//! the token says of itself is only ever used to choose between the keys that the provider has
//! published, and each key is used for its own kind alone.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// The longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 32 * 1024;

/// The most keys that are looked at.
const KEYS_MAX: usize = 64;

/// What is said of a token whose signature is of no published key: of one that is not known yet,
/// perhaps.
pub(super) const UNSIGNED: &str = "it was not signed by the provider";

/// By how many seconds the clocks of the provider and of this machine may differ.
const LEEWAY: u64 = 60;

/// The most groups that are read of somebody.
const GROUPS_MAX: usize = 1_000;

/// The keys that a provider has published.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KeySet {
    keys: Vec<Value>,
}

/// One of them.
#[derive(Debug, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Payload {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    nonce: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    groups: Option<Value>,
}

/// What a token has to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'e> {
    /// Who made it.
    pub(crate) issuer: &'e str,
    /// For whom.
    pub(crate) client: &'e str,
    /// In answer to what.
    pub(crate) nonce: &'e str,
    /// Now, in seconds since the epoch.
    pub(crate) now: u64,
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The provider's name for them, which never changes.
    pub(crate) subject: String,
    /// Their address, if the provider has verified it.
    pub(crate) email: Option<String>,
    /// The groups that the provider says they are in.
    pub(crate) groups: BTreeSet<String>,
}

/// Verifies an ID token; the error says what is wrong with it.
pub(crate) fn verify(
    token: &str,
    keys: &KeySet,
    expected: Expected<'_>,
) -> Result<Claims, &'static str> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err("it is too long");
    }
    let (signed, signature) = token.rsplit_once('.').ok_or("it is no token")?;
    let (header, payload) = signed.split_once('.').ok_or("it is no token")?;
    let header: Header = part(header)?;
    if header.crit.is_some() {
        return Err("it asks for what is not known here");
    }
    let signature = decode(signature)?;
    let fits = |key: &&Key| {
        let kid = header.kid.is_none() || header.kid == key.kid;
        let alg = key.alg.as_ref().is_none_or(|alg| *alg == header.alg);
        kid && alg && key.purpose.as_deref() != Some("enc")
    };
    // What is of another form is passed over.
    let known = keys.keys.iter().take(KEYS_MAX);
    let known = known.filter_map(|key| serde_json::from_value::<Key>(key.clone()).ok());
    let known: Vec<Key> = known.collect();
    let mut fitting = known.iter().filter(fits);
    let signed_bytes = signed.as_bytes();
    let is_signed = match header.alg.as_str() {
        "RS256" => fitting.any(|key| rs256(key, signed_bytes, &signature) == Some(true)),
        "ES256" => fitting.any(|key| es256(key, signed_bytes, &signature) == Some(true)),
        "EdDSA" => fitting.any(|key| eddsa(key, signed_bytes, &signature) == Some(true)),
        _ => return Err("it is signed in a way that is not accepted"),
    };
    if !is_signed {
        return Err(UNSIGNED);
    }
    let payload: Payload = part(payload)?;
    check(payload, expected)
}

fn check(payload: Payload, expected: Expected<'_>) -> Result<Claims, &'static str> {
    if payload.iss != expected.issuer {
        return Err("it is of another provider");
    }
    let for_us = match &payload.aud {
        Audience::One(client) => client == expected.client,
        Audience::Several(clients) => clients.iter().any(|client| client == expected.client),
    };
    let several = matches!(&payload.aud, Audience::Several(clients) if clients.len() > 1);
    let party = payload.azp.as_deref();
    if !for_us
        || party.is_some_and(|party| party != expected.client)
        || (several && party.is_none())
    {
        return Err("it was made for somebody else");
    }
    if payload.exp.saturating_add(LEEWAY) <= expected.now {
        return Err("it has expired");
    }
    let begins = payload.nbf.unwrap_or(0).max(payload.iat);
    if begins > expected.now.saturating_add(LEEWAY) {
        return Err("it is not valid yet");
    }
    if payload.nonce.as_deref() != Some(expected.nonce) {
        return Err("it is not the answer to this sign-in");
    }
    if payload.sub.is_empty() {
        return Err("it names nobody");
    }
    Ok(Claims {
        subject: payload.sub,
        email: payload
            .email
            .filter(|_| payload.email_verified == Some(true)),
        groups: groups(payload.groups),
    })
}

fn rs256(key: &Key, signed: &[u8], signature: &[u8]) -> Option<bool> {
    let (n, e) = (decode(key.n.as_ref()?).ok()?, decode(key.e.as_ref()?).ok()?);
    let public = RsaPublicKeyComponents { n: &n, e: &e };
    let verified = public.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature);
    Some(key.kty == "RSA" && verified.is_ok())
}

fn es256(key: &Key, signed: &[u8], signature: &[u8]) -> Option<bool> {
    let (x, y) = (decode(key.x.as_ref()?).ok()?, decode(key.y.as_ref()?).ok()?);
    if key.kty != "EC" || key.crv.as_deref() != Some("P-256") || x.len() != 32 || y.len() != 32 {
        return None;
    }
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    Some(public.verify(signed, signature).is_ok())
}

fn eddsa(key: &Key, signed: &[u8], signature: &[u8]) -> Option<bool> {
    let x = decode(key.x.as_ref()?).ok()?;
    if key.kty != "OKP" || key.crv.as_deref() != Some("Ed25519") {
        return None;
    }
    let public = UnparsedPublicKey::new(&ED25519, x);
    Some(public.verify(signed, signature).is_ok())
}

/// Returns the names of groups; what is no name is none.
fn groups(claimed: Option<Value>) -> BTreeSet<String> {
    let Some(Value::Array(groups)) = claimed else {
        return BTreeSet::new();
    };
    let names = groups.into_iter().take(GROUPS_MAX);
    names
        .filter_map(|group| match group {
            Value::String(name) => Some(name),
            _ => None,
        })
        .collect()
}

fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "it is no token")
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, &'static str> {
    serde_json::from_slice(&decode(text)?).map_err(|_| "it is no token of a sign-in")
}
