//! The figures for people and for programs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::case::Metric;
use crate::measure::{Measured, median};
use crate::subject::Subject;

/// Returns the table of a case: medians, each with its ratio to the better of nginx and `HAProxy`.
pub(crate) fn markdown(measured: &Measured) -> String {
    let mut text = format!("| {} |", measured.case.title);
    for subject in Subject::ALL {
        push(&mut text, format_args!(" {} |", subject.name()));
    }
    push(&mut text, format_args!("\n|---|"));
    text.push_str(&"---|".repeat(Subject::ALL.len()));
    text.push('\n');
    for metric in metrics(measured) {
        push(&mut text, format_args!("| {} |", metric.title()));
        for subject in Subject::ALL {
            push(
                &mut text,
                format_args!(" {} |", cell(measured, subject, metric)),
            );
        }
        text.push('\n');
    }
    for subject in Subject::ALL {
        if let Some(Err(why)) = measured.runs.get(&subject) {
            push(
                &mut text,
                format_args!("\n{}: no figures: {why}.", subject.name()),
            );
        }
    }
    let mut others = others(measured);
    others.sort_by(f64::total_cmp);
    if let (Some(median), Some(most)) = (median(others.clone()), others.last()) {
        push(
            &mut text,
            format_args!("\nMeanwhile other programs used {median:.2} cores, at most {most:.2}.\n"),
        );
    }
    text
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string can grow");
}

fn metrics(measured: &Measured) -> BTreeSet<Metric> {
    let runs = measured.runs.values().flatten().flatten();
    runs.flat_map(|run| run.figures.keys().copied()).collect()
}

fn others(measured: &Measured) -> Vec<f64> {
    let runs = measured.runs.values().flatten().flatten();
    runs.filter_map(|run| run.others).collect()
}

fn cell(measured: &Measured, subject: Subject, metric: Metric) -> String {
    let Some(value) = measured.median(subject, metric) else {
        return "–".to_owned();
    };
    let value_text = format!("{value:.*}", metric.digits());
    match ratio(measured, subject, metric) {
        Some(ratio) => format!("{value_text} ({ratio:.2})"),
        None => value_text,
    }
}

/// Returns how many times the better one of nginx and `HAProxy` it is.
fn ratio(measured: &Measured, subject: Subject, metric: Metric) -> Option<f64> {
    let rivals = Subject::ALL.into_iter().filter(|it| it.is_rival());
    let of_rivals = rivals.map(|rival| measured.median(rival, metric));
    let best = of_rivals
        .collect::<Option<Vec<f64>>>()?
        .into_iter()
        .reduce(metric.better()?)?;
    (best > 0.0).then_some(measured.median(subject, metric)? / best)
}

/// Returns the figures of all runs, their medians and their ratios.
pub(crate) fn json(all: &[Measured]) -> Value {
    let cases = all.iter().map(|measured| {
        let subjects = Subject::ALL.map(|subject| (subject.name(), of_subject(measured, subject)));
        json!({
            "case": measured.case.name,
            "title": measured.case.title,
            "subjects": serde_json::Map::from_iter(subjects.map(|(name, it)| (name.to_owned(), it))),
        })
    });
    Value::Array(cases.collect())
}

fn of_subject(measured: &Measured, subject: Subject) -> Value {
    let runs = match measured.runs.get(&subject) {
        None => return Value::Null,
        Some(Err(why)) => return json!({ "no_figures": why }),
        Some(Ok(runs)) => runs,
    };
    let mut figures = serde_json::Map::new();
    for metric in metrics(measured) {
        let of_runs: Vec<_> = runs.iter().map(|run| run.figures.get(&metric)).collect();
        figures.insert(
            metric.id().to_owned(),
            json!({
                "median": measured.median(subject, metric),
                "ratio": ratio(measured, subject, metric),
                "runs": of_runs,
            }),
        );
    }
    let others: Vec<Option<f64>> = runs.iter().map(|run| run.others).collect();
    json!({ "figures": figures, "cores_of_other_programs": others })
}
