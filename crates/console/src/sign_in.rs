//! The page on which somebody says who they are.

use askama::Template;

use crate::page::{Page, Part};
use crate::path;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    to: &'a str,
    problem: Option<&'a str>,
    /// Where the provider is asked, if there is one.
    provider: Option<String>,
}

/// Returns the page on which somebody signs in to see what is at the path `to`; `problem` says why it
/// did not work the last time, `provided` whether there is a provider that people sign in with.
pub fn sign_in(to: &str, problem: Option<&str>, provided: bool) -> String {
    let provider =
        provided.then(|| path::with_query(path::SIGN_IN_PROVIDER, &[("to", Some(to.to_owned()))]));
    let sign_in = SignIn {
        to,
        problem,
        provider,
    };
    Page {
        title: "Sign in",
        visitor: None,
        live: None,
        above: &[],
        parts: &[Part::of("sign-in", &sign_in)],
    }
    .whole()
}
