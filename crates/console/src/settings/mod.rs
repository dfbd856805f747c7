//! Settings: tokens, people, webhooks, and the times in which nothing enters.

mod freezes;
mod people;
mod tokens;
mod webhooks;

use askama::Template;

use crate::page::{Page, Part, Visitor};
use crate::path;

pub use freezes::{Held, freezes, thaw};
pub use people::{PersonChange, people, person, person_change};
pub use tokens::{Mine, revoke_token, token_made, tokens};
pub use webhooks::webhooks;

/// Every role, as it is written.
const ROLES: [&str; 5] = ["viewer", "developer", "operator", "approver", "admin"];

/// One of the pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Tokens,
    Freezes,
    People,
    Webhooks,
}

#[derive(Template)]
#[template(path = "settings_nav.html")]
struct Nav {
    links: Vec<Link>,
}

struct Link {
    name: &'static str,
    address: &'static str,
    is_here: bool,
}

/// Returns a page of settings. `admin` says whether who looks may see people.
fn page(visitor: &Visitor, admin: bool, here: Section, title: &str, parts: Vec<Part>) -> String {
    let all = [
        (Section::Tokens, "You and your tokens", path::SETTINGS),
        (Section::Freezes, "Freezes and windows", path::FREEZES),
        (Section::People, "People", path::PEOPLE),
        (Section::Webhooks, "Webhooks", path::WEBHOOKS),
    ];
    let is_for_admins = |section| matches!(section, Section::People | Section::Webhooks);
    let seen = all
        .into_iter()
        .filter(|(section, ..)| admin || !is_for_admins(*section));
    let links = seen.map(|(section, name, address)| Link {
        name,
        address,
        is_here: section == here,
    });
    let nav = Nav {
        links: links.collect(),
    };
    let mut all = vec![Part::of("settings", &nav)];
    all.extend(parts);
    Page {
        title,
        visitor: Some(visitor),
        live: None,
        above: &above(),
        parts: &all,
    }
    .whole()
}

/// Returns what is above all of them.
fn above() -> Vec<(String, String)> {
    vec![("Settings".to_owned(), path::SETTINGS.to_owned())]
}

/// Returns how far something reaches, in words.
fn far(reach: Option<&str>) -> String {
    match reach {
        None => "everything".to_owned(),
        Some(reach) => reach.to_owned(),
    }
}
