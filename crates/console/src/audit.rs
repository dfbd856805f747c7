//! Who did what, when, from where and why.

use askama::Template;
use leadsman_api::words::plain;
use leadsman_api::{Audit, Moment};

use crate::page::{Page, Part, Visitor};
use crate::path;
use crate::search::AuditSearch;
use crate::words::{Said, Shown, said, shown};

#[derive(Template)]
#[template(path = "audit.html")]
struct Table {
    search: AuditSearch,
    rows: Vec<Row>,
    older: Option<String>,
    newest: Option<String>,
}

struct Row {
    position: u64,
    at: Shown,
    actor: String,
    sentence: Said,
    kind: String,
    from: String,
    why: Said,
}

/// Returns the page of what was found in the audit by `search`.
pub fn audit(visitor: &Visitor, audit: &Audit, search: &AuditSearch, now: Moment) -> String {
    let rows = audit.entries.iter().map(|entry| {
        let token = entry.token.iter().map(|token| format!("token {token}"));
        let from: Vec<String> = entry.from.iter().cloned().chain(token).collect();
        Row {
            position: entry.position,
            at: shown(entry.at, now),
            actor: plain(&entry.actor),
            sentence: said(&entry.sentence),
            kind: entry.kind.clone(),
            from: plain(&from.join(", ")),
            why: said(entry.why.as_deref().unwrap_or_default()),
        }
    });
    let older = audit
        .next
        .map(|before| search.address(path::AUDIT, Some(before)));
    let is_newest = search.before.trim().is_empty();
    let table = Table {
        search: search.clone(),
        rows: rows.collect(),
        older,
        newest: (!is_newest).then(|| search.address(path::AUDIT, None)),
    };
    Page {
        title: "Audit",
        visitor: Some(visitor),
        live: None,
        above: &[],
        parts: &[Part::of("audit", &table)],
    }
    .whole()
}
