//! Signing in by a provider of OpenID Connect: the authorization-code flow with PKCE.
//!
//! Control is the client of the provider, so that a secret and the decision whom a token names
//! stay here. The command line only opens a port of its machine for the way back; a browser comes back
//! to a page. Each sign-in has a state, a nonce, a verifier and a claim of its own, is used once, and
//! ends after ten minutes. Only who began it has its claim: the command line keeps it, and a browser has
//! it in a cookie, so that nobody can have others end a sign-in that is not theirs.

mod jwt;
mod pending;
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use leadsman_api::Secret;
use leadsman_core::people::Grant;
use leadsman_core::time::Timestamp;
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;

pub(crate) use jwt::Claims;
use jwt::KeySet;
pub(crate) use pending::PATIENCE;
use pending::{Pending, Pendings};

use crate::access::token::random_hex;
use crate::problem::Failure;

/// For how long it is remembered what a provider says of itself, and its keys.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The provider that people sign in with.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its URL, as its tokens name it.
    pub issuer: String,
    /// What it calls this Leadsman.
    pub client: String,
    /// By what this Leadsman shows who it is, if the provider wants that.
    pub secret: Option<Secret>,
    /// What people may do who are in these groups, beside what they may anyway.
    pub groups: BTreeMap<String, BTreeSet<Grant>>,
}

impl Provider {
    /// Whether people can sign in with it: with TLS, or on this machine.
    pub fn is_safe(&self) -> bool {
        web::is_safe(&self.issuer, &self.issuer)
    }
}

/// Everybody who is signing in.
pub(crate) struct SignIn {
    provider: Provider,
    pending: Mutex<Pendings>,
    known: AsyncMutex<Known>,
}

/// What is known of the provider.
#[derive(Default)]
struct Known {
    discovered: Option<(Discovered, Timestamp)>,
    keys: Option<(KeySet, Timestamp)>,
}

/// What a provider says of itself.
#[derive(Clone, Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    scopes_supported: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// Where a sign-in leads.
pub(crate) struct Way {
    /// Where the provider leads back to.
    pub(crate) redirect: String,
    /// What whoever signs in wants to see then; nothing for who sees no pages.
    pub(crate) to: String,
}

/// A sign-in that has begun.
pub(crate) struct Begun {
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) claim: Secret,
}

impl SignIn {
    pub(crate) fn new(provider: Provider) -> Self {
        Self {
            provider,
            pending: Mutex::default(),
            known: AsyncMutex::default(),
        }
    }

    /// Returns what the groups of somebody allow them.
    pub(crate) fn grants(&self, groups: &BTreeSet<String>) -> BTreeSet<Grant> {
        let granted = groups.iter().filter_map(|it| self.provider.groups.get(it));
        granted.flatten().cloned().collect()
    }

    /// Begins a sign-in.
    pub(crate) async fn begin(
        &self,
        Way { redirect, to }: Way,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Begun, Failure> {
        let found = self.discovered(now).await?;
        let random = || {
            random_hex()
                .map_err(|error| Failure::internal("the machine gave no random bits", error))
        };
        let (state, nonce, verifier, claim) = (random()?, random()?, random()?, random()?);
        let challenge = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
        // Some know groups by themselves, and refuse to be asked for what they do not know.
        let wanted = !self.provider.groups.is_empty();
        let scope = match wanted && found.scopes_supported.iter().any(|it| it == "groups") {
            true => "openid email groups",
            false => "openid email",
        };
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.provider.client),
            ("redirect_uri", &redirect),
            ("scope", scope),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &URL_SAFE_NO_PAD.encode(challenge)),
        ]);
        let endpoint = &found.authorization_endpoint;
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        let begun = Begun {
            url: format!("{endpoint}{separator}{query}&code_challenge_method=S256"),
            state: state.clone(),
            claim: Secret(claim.clone()),
        };
        let it = Pending {
            nonce,
            verifier,
            claim,
            redirect,
            to,
            from,
            begun_at: now,
        };
        self.pendings().add(state, it);
        Ok(begun)
    }

    /// Ends a sign-in with the code that the provider gave; returns who signed in, and what they want
    /// to see then.
    pub(crate) async fn finish(
        &self,
        state: &str,
        claim: &Secret,
        code: &str,
        now: Timestamp,
    ) -> Result<(Claims, String), Failure> {
        let pending = self.pendings().take(state, &claim.0, now);
        let pending = pending
            .ok_or_else(|| Failure::sign_in("there is no such sign-in, or it took too long"))?;
        let found = self.discovered(now).await?;
        let Provider { issuer, client, .. } = &self.provider;
        let asked = self.exchange(&found, &pending, code);
        let answer = web::ask(&found.token_endpoint, issuer, asked).await;
        let tokens: Tokens = answer.map_err(|why| Failure::provider(&why))?;
        let expected = jwt::Expected {
            issuer,
            client,
            nonce: &pending.nonce,
            now: now.as_millis() / 1_000,
        };
        let keys = self.keys(&found, now, false).await?;
        let mut verified = jwt::verify(&tokens.id_token, &keys, expected);
        if verified == Err(jwt::UNSIGNED) {
            // Its keys may have changed since they were asked for.
            let keys = self.keys(&found, now, true).await?;
            verified = jwt::verify(&tokens.id_token, &keys, expected);
        }
        let claims = verified.map_err(|why| {
            Failure::sign_in(&format!("the provider's token is not accepted: {why}"))
        })?;
        Ok((claims, pending.to))
    }

    /// Returns what the provider is asked for a token.
    fn exchange(&self, found: &Discovered, pending: &Pending, code: &str) -> web::Asked {
        let Provider { client, secret, .. } = &self.provider;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", pending.redirect.as_str()),
            ("code_verifier", pending.verifier.as_str()),
        ];
        let mut authorization = None;
        let methods = &found.token_endpoint_auth_methods_supported;
        let takes = |method: &str| methods.iter().any(|it| it == method);
        match secret {
            // What is taken where the provider says nothing of it.
            Some(secret) if methods.is_empty() || takes("client_secret_basic") => {
                let both = format!("{}:{}", encoded(client), encoded(&secret.0));
                authorization = Some(format!("Basic {}", STANDARD.encode(both)));
            }
            Some(secret) => {
                fields.push(("client_id", client));
                fields.push(("client_secret", &secret.0));
            }
            None => fields.push(("client_id", client)),
        }
        web::Asked {
            form: Some(form(&fields)),
            authorization,
        }
    }

    async fn discovered(&self, now: Timestamp) -> Result<Discovered, Failure> {
        let mut known = self.known.lock().await;
        if let Some((found, at)) = &known.discovered
            && now.since(*at) < REMEMBERED
        {
            return Ok(found.clone());
        }
        let issuer = &self.provider.issuer;
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let found = web::ask(&url, issuer, web::Asked::default()).await;
        let found: Discovered = found.map_err(|why| Failure::provider(&why))?;
        if found.issuer != *issuer {
            let why = "it calls itself something else than it was set up as";
            return Err(Failure::provider(why));
        }
        for endpoint in [
            &found.authorization_endpoint,
            &found.token_endpoint,
            &found.jwks_uri,
        ] {
            if !web::is_safe(endpoint, issuer) {
                return Err(Failure::provider("it leads to what has no TLS"));
            }
        }
        known.discovered = Some((found.clone(), now));
        Ok(found)
    }

    async fn keys(
        &self,
        found: &Discovered,
        now: Timestamp,
        anew: bool,
    ) -> Result<KeySet, Failure> {
        let mut known = self.known.lock().await;
        if let Some((keys, at)) = &known.keys
            && !anew
            && now.since(*at) < REMEMBERED
        {
            return Ok(keys.clone());
        }
        let issuer = &self.provider.issuer;
        let keys = web::ask(&found.jwks_uri, issuer, web::Asked::default()).await;
        let keys: KeySet = keys.map_err(|why| Failure::provider(&why))?;
        known.keys = Some((keys.clone(), now));
        Ok(keys)
    }

    fn pendings(&self) -> std::sync::MutexGuard<'_, Pendings> {
        // What is pending is whole whatever a thread that held it came to.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns fields as a form.
fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter();
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    fields.join("&")
}

fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
