//! What may begin runs from elsewhere.

use askama::Template;
use leadsman_api::words::plain;
use leadsman_api::{Moment, Webhooks};

use super::{Section, page};
use crate::page::{Part, Visitor};
use crate::words::{Shown, shown};

#[derive(Template)]
#[template(path = "webhooks.html")]
struct List {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    sender: String,
    application: String,
    called: String,
    repository: String,
    file: String,
    address: String,
    added: Shown,
    by: String,
}

/// Returns the page of the webhooks.
pub fn webhooks(visitor: &Visitor, webhooks: &Webhooks, now: Moment) -> String {
    let rows = webhooks.webhooks.iter().map(|it| Row {
        name: it.name.clone(),
        sender: it.sender.clone(),
        application: it.application.clone(),
        called: plain(&it.called),
        repository: plain(
            it.url
                .as_ref()
                .or(it.repository.as_ref())
                .map_or("", |it| it),
        ),
        file: plain(&it.project_file),
        address: plain(&it.address),
        added: shown(it.added_at, now),
        by: plain(&it.added_by),
    });
    let list = List {
        rows: rows.collect(),
    };
    let parts = vec![Part::of("webhooks", &list)];
    page(visitor, true, Section::Webhooks, "Webhooks", parts)
}
