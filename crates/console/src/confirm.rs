//! The page before something is done: what exactly, in numbers.

use askama::Template;
use leadsman_api::words::{is_grave, label, means};
use leadsman_api::{Choice, EnvironmentStatus, Wanted};

use crate::deeds::path_of;
use crate::page::{Page, Part, Visitor};
use crate::path;
use crate::words::{Said, said};

#[derive(Template)]
#[template(path = "confirm.html")]
struct Confirm<'a> {
    visitor: &'a Visitor,
    name: &'a str,
    label: String,
    follows: Said,
    numbers: Vec<Said>,
    action: String,
    back: &'a str,
    seen: u64,
    asks: bool,
    needs: bool,
    grave: bool,
}

/// Returns the page on which somebody confirms a choice that was made at the version `seen`.
pub fn confirm(
    visitor: &Visitor,
    status: &EnvironmentStatus,
    choice: &Choice,
    seen: u64,
) -> String {
    let back = path::of_environment(path::ENVIRONMENT, status);
    let name = format!("{}/{}", status.application, status.environment);
    let title = format!("{}?", label(choice));
    let confirm = Confirm {
        visitor,
        name: &name,
        label: label(choice),
        follows: said(choice.follows.as_deref().unwrap_or_default()),
        numbers: means(status, choice).iter().map(|it| said(it)).collect(),
        action: path_of(status, choice),
        back: &back,
        seen,
        asks: choice.reason != Wanted::No,
        needs: choice.reason == Wanted::Yes,
        grave: is_grave(choice),
    };
    let part = Part::of("confirm", &confirm);
    Page {
        title: &title,
        visitor: Some(visitor),
        live: None,
        above: &[(name.clone(), back.clone())],
        parts: &[part],
    }
    .whole()
}
