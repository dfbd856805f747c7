//! Who did what, when, from where and why.

use askama::Template;
use leadsman_api::words::plain;
use leadsman_api::{Audit, AuditQuery, Moment};

use crate::page::{Page, Part, Visitor};
use crate::path;
use crate::words::{Said, Shown, said, shown};

#[derive(Template)]
#[template(path = "audit.html")]
struct Table {
    actor: String,
    kind: String,
    about: String,
    rows: Vec<Row>,
    older: Option<String>,
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

/// Returns the page of what was found in the audit by `query`.
pub fn audit(visitor: &Visitor, audit: &Audit, query: &AuditQuery, now: Moment) -> String {
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
    let older = audit.next.map(|before| {
        let asked = [
            ("before", Some(before.to_string())),
            ("actor", query.actor.clone()),
            ("kind", query.kind.clone()),
            ("about", query.about.clone()),
        ];
        path::with_query(path::AUDIT, &asked)
    });
    let given = |value: &Option<String>| value.clone().unwrap_or_default();
    let table = Table {
        actor: given(&query.actor),
        kind: given(&query.kind),
        about: given(&query.about),
        rows: rows.collect(),
        older,
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
