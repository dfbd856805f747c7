//! What surrounds everything.

use askama::Template;

use crate::assets::{SCRIPT, STYLE};

/// Who looks at a page.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// What they are called.
    pub name: String,
    /// What shows that a form was filled in on a page of ours.
    pub seal: String,
}

/// A named piece of a page, which can take the place of an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name on the page: letters, digits and `-`.
    pub name: String,
    /// What it is now, as HTML.
    pub html: String,
}

impl Part {
    /// Makes a part of a template, which cannot fail: it writes to a string.
    pub(crate) fn of(name: impl Into<String>, template: &impl Template) -> Self {
        Self {
            name: name.into(),
            html: rendered(template),
        }
    }
}

/// A whole page.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct Page<'a> {
    /// What it is about.
    pub(crate) title: &'a str,
    /// Who looks at it, if that is known.
    pub(crate) visitor: Option<&'a Visitor>,
    /// Where its parts are sent again from when they change.
    pub(crate) live: Option<String>,
    /// What is above it: a name and an address each.
    pub(crate) above: &'a [(String, String)],
    /// Its parts.
    pub(crate) parts: &'a [Part],
}

impl Page<'_> {
    const STYLE: &'static str = STYLE.path;
    const SCRIPT: &'static str = SCRIPT.path;

    /// Returns the page as HTML.
    pub(crate) fn whole(&self) -> String {
        rendered(self)
    }
}

pub(crate) fn rendered(template: &impl Template) -> String {
    template
        .render()
        .expect("a template that writes to a string cannot fail")
}
