//! The page on which somebody says who they are.

use askama::Template;

use crate::page::{Page, Part};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    to: &'a str,
    problem: Option<&'a str>,
}

/// Returns the page on which somebody signs in to see what is at the path `to`; `problem` says why it
/// did not work the last time.
pub fn sign_in(to: &str, problem: Option<&str>) -> String {
    Page {
        title: "Sign in",
        visitor: None,
        live: None,
        above: &[],
        parts: &[Part::of("sign-in", &SignIn { to, problem })],
    }
    .whole()
}
