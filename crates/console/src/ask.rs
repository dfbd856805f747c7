//! The page before something is done: it says what will happen, and only the button on it does it.

use askama::Template;
use leadsman_api::Wanted;

use crate::page::{Page, Part, Visitor};
use crate::words::Said;

/// What is asked before it is done.
pub(crate) struct Ask<'a> {
    /// What it is, as it stands on its button.
    pub(crate) label: String,
    /// What follows from it.
    pub(crate) sentence: Said,
    /// More of that, in numbers.
    pub(crate) points: Vec<Said>,
    /// Where it is done.
    pub(crate) action: String,
    /// Where it is left alone: the names and addresses of the pages above, the nearest one last.
    pub(crate) above: &'a [(String, String)],
    /// What the form carries along.
    pub(crate) hidden: Vec<(&'static str, String)>,
    /// Whether a reason goes with it.
    pub(crate) reason: Wanted,
    /// What is asked for with it, where that is more than why.
    pub(crate) reason_label: Option<&'static str>,
    /// Whether it takes something away.
    pub(crate) grave: bool,
}

#[derive(Template)]
#[template(path = "ask.html")]
struct Form<'a> {
    visitor: &'a Visitor,
    label: &'a str,
    sentence: &'a Said,
    points: &'a [Said],
    action: &'a str,
    back: &'a str,
    hidden: &'a [(&'static str, String)],
    asks: bool,
    needs: bool,
    reason_label: &'static str,
    grave: bool,
}

impl Ask<'_> {
    /// Returns the page that asks.
    pub(crate) fn page(&self, visitor: &Visitor) -> String {
        let back = self.above.last().map_or("/", |(_, address)| address);
        let form = Form {
            visitor,
            label: &self.label,
            sentence: &self.sentence,
            points: &self.points,
            action: &self.action,
            back,
            hidden: &self.hidden,
            asks: self.reason != Wanted::No,
            needs: self.reason == Wanted::Yes,
            reason_label: match (self.reason_label, self.reason) {
                (Some(label), _) => label,
                (None, Wanted::Yes) => "Why",
                (None, Wanted::Maybe | Wanted::No) => "Note (may be left empty)",
            },
            grave: self.grave,
        };
        let part = Part::of("confirm", &form);
        Page {
            title: &format!("{}?", self.label),
            visitor: Some(visitor),
            live: None,
            above: self.above,
            parts: &[part],
        }
        .whole()
    }
}
