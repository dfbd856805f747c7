//! The page that says why something was not done.

use askama::Template;
use leadsman_api::Problem;

use crate::page::{Page, Part, Visitor};

#[derive(Template)]
#[template(path = "problem.html")]
struct Said<'a> {
    problem: &'a Problem,
    back: &'a str,
}

/// Returns the page of a problem, with a way `back`.
pub fn problem(visitor: Option<&Visitor>, problem: &Problem, back: &str) -> String {
    Page {
        title: "Not done",
        visitor,
        live: None,
        above: &[],
        parts: &[Part::of("problem", &Said { problem, back })],
    }
    .whole()
}
