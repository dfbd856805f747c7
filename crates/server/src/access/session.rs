//! The session of somebody who looks at pages: a token, in a cookie that only pages are read with.
//!
//! It is a token like any other: known by its hash, listed, and revoked like the others. What keeps a page
//! of somebody else from using it is that the cookie is not sent with what such a page posts
//! (`SameSite=Lax`), that `Origin` is looked at, and that every form carries a seal that follows
//! from the token and that no other page can read.

use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use super::token;

/// What the cookie is called.
const NAME: &str = "leadsman";

/// What the cookie is called that a sign-in has while the provider is asked.
const SIGN_IN: &str = "leadsman-sign-in";

/// Where that one is sent to.
const SIGN_IN_PATH: &str = "/sign-in";

/// For how long somebody is signed in.
pub(crate) const LIFE: Duration = Duration::from_secs(8 * 3600);

/// Returns the token of the session that a request comes with.
pub(crate) fn of(headers: &HeaderMap) -> Option<&str> {
    named(headers, NAME)
}

/// Returns the claim of the sign-in that this browser has begun.
pub(crate) fn claim(headers: &HeaderMap) -> Option<&str> {
    named(headers, SIGN_IN)
}

fn named<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let cookies = headers.get_all(COOKIE).iter();
    let cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
    let mut cookies = cookies.flat_map(|cookies| cookies.split(';'));
    cookies.find_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == wanted).then_some(value)
    })
}

/// Returns what has a browser send the token with every request for a page.
pub(crate) fn begins(token: &str, life: Duration, tls: bool) -> HeaderValue {
    cookie(NAME, token, "/", life, tls)
}

/// Returns what has a browser forget it.
pub(crate) fn ends(tls: bool) -> HeaderValue {
    cookie(NAME, "", "/", Duration::ZERO, tls)
}

/// Returns what has a browser send the claim of a sign-in with the way back. It has to be `Lax`: the
/// way back is a link on a page of the provider.
pub(crate) fn sign_in_begins(claim: &str, life: Duration, tls: bool) -> HeaderValue {
    cookie(SIGN_IN, claim, SIGN_IN_PATH, life, tls)
}

/// Returns what has a browser forget it.
pub(crate) fn sign_in_ends(tls: bool) -> HeaderValue {
    cookie(SIGN_IN, "", SIGN_IN_PATH, Duration::ZERO, tls)
}

fn cookie(name: &str, value: &str, path: &str, life: Duration, tls: bool) -> HeaderValue {
    let secure = if tls { "; Secure" } else { "" };
    let seconds = life.as_secs();
    let text =
        format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let mut value = HeaderValue::try_from(text).expect("a token is made of letters and digits");
    value.set_sensitive(true);
    value
}

/// Returns what a form of ours carries that is filled in during a session.
pub(crate) fn seal(token: &str) -> String {
    let text = format!("leadsman form\n{token}");
    token::sha256(text.as_bytes()).hex().to_owned()
}

/// Whether a form carries the seal of the session. Both are hashed before they are compared, so that
/// how long that takes says nothing of the seal.
pub(crate) fn is_sealed(token: &str, given: &str) -> bool {
    token::sha256(seal(token).as_bytes()) == token::sha256(given.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_among_other_cookies() {
        for (cookies, expected) in [
            (&["leadsman=lmt_1"][..], Some("lmt_1")),
            (&["a=b; leadsman=lmt_1; c=d"], Some("lmt_1")),
            (&["a=b", "leadsman=lmt_1"], Some("lmt_1")),
            (&["xleadsman=lmt_1", "leadsman2=lmt_1", "leadsman"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(COOKIE, HeaderValue::from_static(cookie));
            }
            assert_eq!(of(&headers), expected, "{cookies:?}");
        }
    }

    #[test]
    fn a_seal_is_of_one_session_and_does_not_tell_its_token() {
        let (one, other) = (token::make().unwrap(), token::make().unwrap());
        assert!(is_sealed(&one, &seal(&one)));
        assert!(!is_sealed(&one, &seal(&other)));
        assert!(!is_sealed(&one, ""));
        assert!(!seal(&one).contains(one.strip_prefix("lmt_").unwrap()));
    }
}
