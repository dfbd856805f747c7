//! Reports on a release: tests, coverage, findings and the like.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use leadsman_api::{ReportAccepted, ReportQuery};
use leadsman_core::id::{ApplicationName, ReleaseNumber};
use leadsman_core::people::{Act, Reach};
use leadsman_gates::{Limits, NumberPath, ReportKind, Source, guess, numbers, read};

use super::Shared;
use crate::access::Caller;
use crate::extract::{Path, Query};
use crate::problem::Failure;

/// The longest path or name that is kept of where a report came from, in bytes.
const NAME_BYTES_MAX: usize = 300;

pub(crate) async fn post(
    State(server): Shared,
    caller: Caller,
    Path((application, release)): Path<(String, u64)>,
    Query(query): Query<ReportQuery>,
    body: Bytes,
) -> Result<Json<ReportAccepted>, Failure> {
    let application: ApplicationName = application
        .parse()
        .map_err(|error: leadsman_core::id::InvalidName| Failure::not_found(error.to_string()))?;
    let permit = caller.may(Act::Report, &Reach::Application(application.clone()))?;
    let kind = match &query.kind {
        Some(word) => ReportKind::named(word).ok_or_else(|| {
            Failure::bad_request(format!("there is no kind of report called `{word}`"))
        })?,
        None => guess(&body).ok_or_else(|| {
            Failure::bad_request("it looks like no report that can be read: say what `kind` it is")
        })?,
    };
    let number = match &query.number {
        Some(number) => Some(wanted(number)?),
        None => None,
    };
    let says = match &number {
        Some((name, at)) => {
            let wanted = BTreeMap::from([(name.clone(), at.clone())]);
            numbers(&body, &Limits::default(), &wanted)
        }
        None => read(kind, &body, &Limits::default()),
    };
    let says =
        says.map_err(|error| Failure::bad_request(format!("the report says nothing: {error}")))?;
    for name in [&query.path, &query.job, &query.number]
        .into_iter()
        .flatten()
    {
        if name.len() > NAME_BYTES_MAX {
            let message = format!("a name of a report has at most {NAME_BYTES_MAX} bytes");
            return Err(Failure::bad_request(message));
        }
    }
    let source = Source {
        kind,
        path: query.path.unwrap_or_default(),
        job: query.job,
        group: None,
    };
    let release = ReleaseNumber(release);
    let lines = says.lines();
    server
        .engine
        .report(&application, release, source, says, permit.by())
        .await?;
    Ok(Json(ReportAccepted {
        kind: kind.as_str().to_owned(),
        lines,
    }))
}

fn wanted(number: &str) -> Result<(String, NumberPath), Failure> {
    let wanted = number.split_once(':').and_then(|(name, at)| {
        let at = NumberPath::of(at)?;
        (!name.is_empty()).then(|| (name.to_owned(), at))
    });
    wanted.ok_or_else(|| {
        Failure::bad_request(format!(
            "`{number}` is no number of a report: write `NAME:PATH`"
        ))
    })
}
