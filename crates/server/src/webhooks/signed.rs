//! Whether a delivery is of who it claims to be.
//!
//! GitHub signs the body with HMAC-SHA256 under the secret. GitLab either sends the secret itself or,
//! where the webhook has a signing token, signs name, moment and body as
//! [Standard Webhooks](https://www.standardwebhooks.com) have it. All comparisons take the same
//! time whatever is compared.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leadsman_core::time::Timestamp;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

/// How far the moment of a signature may lie from now: the figure of Standard Webhooks.
const DRIFT_MAX: Duration = Duration::from_secs(300);

/// How many signatures of one delivery are looked at: while a secret is replaced there are two.
const SIGNATURES_MAX: usize = 8;

/// The longest name of a delivery, in bytes.
const ID_BYTES_MAX: usize = 128;

/// What a secret begins with whose rest is the key in base64.
const ENCODED: &str = "whsec_";

/// The shortest secret that is taken from somebody, in bytes: 128 bits as hexadecimal digits.
const SECRET_BYTES_MIN: usize = 16;
const SECRET_BYTES_MAX: usize = 256;

/// Who sends deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sender {
    GitHub,
    GitLab,
}

/// What both sides know. Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

/// Why a delivery is not known to be of who it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unverified {
    #[error("it carries no signature")]
    Unsigned,
    #[error("its signature is not the one that the webhook's secret makes")]
    Wrong,
    #[error("it was signed more than 5 minutes ago, or in the future")]
    Stale,
}

impl Sender {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
        }
    }

    /// Returns what people call it.
    pub(crate) const fn called(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
        }
    }
}

impl FromStr for Sender {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "github" => Ok(Self::GitHub),
            "gitlab" => Ok(Self::GitLab),
            other => Err(format!(
                "`{other}` sends no webhooks that are known here: `github` or `gitlab` is expected"
            )),
        }
    }
}

impl Secret {
    /// Makes one of 256 random bits, in the form that the sender takes.
    pub(crate) fn make(sender: Sender) -> Result<Self, ring::error::Unspecified> {
        let mut bytes = [0_u8; 32];
        SystemRandom::new().fill(&mut bytes)?;
        Ok(Self(match sender {
            Sender::GitHub => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Sender::GitLab => format!("{ENCODED}{}", STANDARD.encode(bytes)),
        }))
    }

    /// Makes one of 256 random bits, in the form of Standard Webhooks.
    pub(crate) fn make_signing() -> Result<Self, ring::error::Unspecified> {
        Self::make(Sender::GitLab)
    }

    /// Signs as Standard Webhooks do: what is called `id`, is sent at the second `at`, and says
    /// `body`.
    pub(crate) fn sign(&self, id: &str, at: u64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{at}.").into_bytes();
        signed.extend_from_slice(body);
        let tag = hmac::sign(&self.signing_key(), &signed);
        format!("v1,{}", STANDARD.encode(tag))
    }

    /// Takes one that somebody else has made.
    pub(crate) fn given(text: &str) -> Result<Self, &'static str> {
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&text.len()) {
            return Err("a secret has 16 to 256 characters");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a secret has only letters, digits and signs, and no space");
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns it, to be shown to who made it, and to nobody else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the key with which Standard Webhooks sign.
    fn signing_key(&self) -> hmac::Key {
        let encoded = self.0.strip_prefix(ENCODED);
        let decoded = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        let bytes = decoded.unwrap_or_else(|| self.0.as_bytes().to_vec());
        hmac::Key::new(hmac::HMAC_SHA256, &bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Says whether a delivery with `headers` and `body` is signed by who has `secret`.
pub(crate) fn verify(
    sender: Sender,
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Unverified> {
    match sender {
        Sender::GitHub => {
            let signature = once(headers, "x-hub-signature-256").ok_or(Unverified::Unsigned)?;
            let tag = signature.strip_prefix("sha256=").and_then(unhex);
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.0.as_bytes());
            let tag = tag.ok_or(Unverified::Wrong)?;
            hmac::verify(&key, body, &tag).map_err(|_| Unverified::Wrong)
        }
        Sender::GitLab if headers.contains_key("webhook-signature") => {
            let header = |name| once(headers, name).ok_or(Unverified::Unsigned);
            let signatures = header("webhook-signature")?;
            let (id, at) = (header("webhook-id")?, header("webhook-timestamp")?);
            let mut signed = format!("{id}.{at}.").into_bytes();
            signed.extend_from_slice(body);
            let key = secret.signing_key();
            let is_ours = |one: &str| {
                let tag = one.strip_prefix("v1,").map(|tag| STANDARD.decode(tag));
                tag.is_some_and(|tag| {
                    tag.is_ok_and(|tag| hmac::verify(&key, &signed, &tag).is_ok())
                })
            };
            if !signatures.split(' ').take(SIGNATURES_MAX).any(is_ours) {
                return Err(Unverified::Wrong);
            }
            let digits = at.bytes().all(|byte| byte.is_ascii_digit());
            let seconds: Option<u64> = at.parse().ok().filter(|_| digits);
            let drift = seconds.map(|seconds| seconds.abs_diff(now.as_millis() / 1_000));
            match drift {
                Some(drift) if drift <= DRIFT_MAX.as_secs() => Ok(()),
                Some(_) | None => Err(Unverified::Stale),
            }
        }
        Sender::GitLab => {
            let token = once(headers, "x-gitlab-token").ok_or(Unverified::Unsigned)?;
            // What is compared are the tags of both, which takes the same time for any two.
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.0.as_bytes());
            let tag = hmac::sign(&key, token.as_bytes());
            hmac::verify(&key, secret.0.as_bytes(), tag.as_ref()).map_err(|_| Unverified::Wrong)
        }
    }
}

/// Returns what the sender calls a delivery; `None` where it does not say.
pub(crate) fn id(sender: Sender, headers: &HeaderMap) -> Option<String> {
    let names: &[&str] = match sender {
        Sender::GitHub => &["x-github-delivery"],
        // The first that is there: the first two stay the same when it is sent once more.
        Sender::GitLab => &["webhook-id", "idempotency-key", "x-gitlab-event-uuid"],
    };
    let id = names.iter().find_map(|name| once(headers, name))?;
    let fits = id.len() <= ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
    (fits && !id.is_empty()).then(|| id.to_owned())
}

/// Returns what kind of thing a delivery tells of.
pub(crate) fn kind(sender: Sender, headers: &HeaderMap) -> Option<&str> {
    match sender {
        Sender::GitHub => once(headers, "x-github-event"),
        Sender::GitLab => once(headers, "x-gitlab-event"),
    }
}

/// Returns the value of a header that is there once: of two nobody knows which is meant.
fn once<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"Hello, World!";
    /// What GitHub's documentation gives to test with.
    const GITHUB: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    const NOW: u64 = 1_700_000_000;

    fn now() -> Timestamp {
        Timestamp::from_millis(NOW * 1_000 + 999)
    }

    #[test]
    fn a_delivery_of_github_is_verified_as_its_documentation_says() {
        let secret = Secret("It's a Secret to Everybody".to_owned());
        let good = format!("sha256={GITHUB}");
        let upper = format!("sha256={}", GITHUB.to_uppercase());
        let bit = format!("sha256=8{}", &GITHUB[1..]);
        let short = &good[..good.len() - 2];
        let name = "x-hub-signature-256";
        use Unverified::{Unsigned, Wrong};
        for (pairs, body, expected) in [
            (&[(name, good.as_str())][..], BODY, Ok(())),
            (&[(name, &upper)], BODY, Ok(())),
            (&[(name, &good)], b"Hello, World?", Err(Wrong)),
            (&[(name, &good)], b"", Err(Wrong)),
            (&[(name, &bit)], BODY, Err(Wrong)),
            (&[(name, short)], BODY, Err(Wrong)),
            (&[(name, GITHUB)], BODY, Err(Wrong)),
            (&[(name, "sha256=")], BODY, Err(Wrong)),
            (&[(name, "sha1=abc")], BODY, Err(Wrong)),
            (&[], BODY, Err(Unsigned)),
            (&[("x-hub-signature", &good)], BODY, Err(Unsigned)),
            (&[("x-gitlab-token", &secret.0)], BODY, Err(Unsigned)),
            // Of two signatures nobody knows which is meant.
            (&[(name, &good), (name, &good)], BODY, Err(Unsigned)),
        ] {
            let found = verify(Sender::GitHub, &secret, &headers(pairs), body, now());
            assert_eq!(found, expected, "{pairs:?} {body:?}");
        }
        let other = Secret("it's a secret to everybody".to_owned());
        let found = verify(
            Sender::GitHub,
            &other,
            &headers(&[(name, &good)]),
            BODY,
            now(),
        );
        assert_eq!(found, Err(Wrong));
    }

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn a_signed_delivery_of_gitlab_is_verified_as_standard_webhooks_say() {
        let secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        let body = br#"{"test": 2432232314}"#;
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(secret.sign(id, 1_614_265_330, body), good);
        let both = format!("v1,AAAA v1a,{} {good}", &good[3..]);
        let many = format!("{}{good}", "v1,AAAA ".repeat(SIGNATURES_MAX));
        let token = ("x-gitlab-token", secret.0.as_str());
        use Unverified::{Stale, Unsigned, Wrong};
        let at_moment = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let then = 1_614_265_330;
        let full = |signature| {
            vec![
                ("webhook-id", id),
                ("webhook-timestamp", at),
                ("webhook-signature", signature),
            ]
        };
        for (pairs, seconds, expected) in [
            (full(good), then, Ok(())),
            (full(good), then + 300, Ok(())),
            (full(good), then - 300, Ok(())),
            (full(good), then + 301, Err(Stale)),
            (full(good), then - 301, Err(Stale)),
            (full(&both), then, Ok(())),
            (full(&many), then, Err(Wrong)),
            (full("v1,AAAA"), then, Err(Wrong)),
            (
                full("v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
                then,
                Err(Wrong),
            ),
            (full(""), then, Err(Wrong)),
            // Who signs is held to it, whatever else it sends.
            ([full("v1,AAAA"), vec![token]].concat(), then, Err(Wrong)),
            (full(good)[1..].to_vec(), then, Err(Unsigned)),
            (
                [full(good), vec![("webhook-id", "x")]].concat(),
                then,
                Err(Unsigned),
            ),
        ] {
            let now = at_moment(seconds);
            let found = verify(Sender::GitLab, &secret, &headers(&pairs), body, now);
            assert_eq!(found, expected, "{pairs:?} {seconds}");
        }
        let later = full(good).into_iter().map(|(name, value)| match name {
            "webhook-timestamp" => (name, "1614265331"),
            _ => (name, value),
        });
        let later: Vec<_> = later.collect();
        let found = verify(
            Sender::GitLab,
            &secret,
            &headers(&later),
            body,
            at_moment(then),
        );
        assert_eq!(found, Err(Wrong), "the moment is signed");
    }

    #[test]
    fn the_token_of_gitlab_is_the_secret_to_the_last_letter() {
        let secret = Secret("glsecret-0123456789".to_owned());
        for (token, expected) in [
            (Some("glsecret-0123456789"), Ok(())),
            (Some("glsecret-012345678"), Err(Unverified::Wrong)),
            (Some("glsecret-01234567890"), Err(Unverified::Wrong)),
            (Some("GLSECRET-0123456789"), Err(Unverified::Wrong)),
            (Some(""), Err(Unverified::Wrong)),
            (None, Err(Unverified::Unsigned)),
        ] {
            let headers = headers(
                &token
                    .map(|it| ("x-gitlab-token", it))
                    .into_iter()
                    .collect::<Vec<_>>(),
            );
            let found = verify(Sender::GitLab, &secret, &headers, BODY, now());
            assert_eq!(found, expected, "{token:?}");
        }
    }

    #[test]
    fn secrets_are_long_enough_and_never_shown() {
        for sender in [Sender::GitHub, Sender::GitLab] {
            let (one, other) = (Secret::make(sender).unwrap(), Secret::make(sender).unwrap());
            assert_ne!(one, other);
            assert!(Secret::given(one.reveal()).is_ok());
            assert!(!format!("{one:?}").contains(one.reveal()));
        }
        let made = Secret::make(Sender::GitLab).unwrap();
        let key = STANDARD
            .decode(made.0.strip_prefix(ENCODED).unwrap())
            .unwrap();
        assert_eq!(key.len(), 32, "what GitLab takes as a signing token");
        for bad in [
            "",
            "short",
            "0123456789 123456",
            "0123456789\n123456",
            &"x".repeat(257),
        ] {
            assert!(Secret::given(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_delivery_has_one_name_that_fits() {
        let long = "x".repeat(ID_BYTES_MAX + 1);
        for (sender, pairs, expected) in [
            (
                Sender::GitHub,
                &[("x-github-delivery", "72d3162e")][..],
                Some("72d3162e"),
            ),
            (Sender::GitHub, &[("x-github-delivery", "")], None),
            (Sender::GitHub, &[("x-github-delivery", "a b")], None),
            (Sender::GitHub, &[("x-github-delivery", &long)], None),
            (Sender::GitHub, &[("x-gitlab-event-uuid", "1")], None),
            (Sender::GitLab, &[("x-gitlab-event-uuid", "1")], Some("1")),
            (
                Sender::GitLab,
                &[("x-gitlab-event-uuid", "1"), ("idempotency-key", "2")],
                Some("2"),
            ),
            (Sender::GitLab, &[], None),
        ] {
            let found = id(sender, &headers(pairs));
            assert_eq!(found.as_deref(), expected, "{pairs:?}");
        }
    }
}
