//! Reports on disk, named on the command line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::str::FromStr;

use leadsman_api::ReportQuery;
use leadsman_gates::{
    Facts, Limits, NumberPath, ReportKind, Says, Source, Wrong, guess, numbers, read,
};

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::render::words::clean;

/// A report on the command line: `FILE`, `KIND=FILE`, `KIND/JOB=FILE` or `numbers/NAME:PATH=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    kind: Option<ReportKind>,
    job: Option<String>,
    /// The one number that is taken, and where it stands.
    number: Option<(String, NumberPath)>,
    path: PathBuf,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = Self {
            kind: None,
            job: None,
            number: None,
            path: text.into(),
        };
        let Some((before, path)) = text.split_once('=') else {
            return Ok(plain);
        };
        let (kind, of) = match before.split_once('/') {
            Some((kind, of)) => (kind, Some(of).filter(|of| !of.is_empty())),
            None => (before, None),
        };
        // The name of a file may have a `=` as well.
        let Some(kind) = ReportKind::named(kind) else {
            return Ok(plain);
        };
        if path.is_empty() {
            return Err("a file has to follow the `=`".to_owned());
        }
        let mut named = Self {
            kind: Some(kind),
            path: path.into(),
            ..plain
        };
        match of {
            Some(number) if kind == ReportKind::Numbers => {
                let number = number.split_once(':').and_then(|(name, at)| {
                    let at = NumberPath::of(at)?;
                    (!name.is_empty()).then(|| (name.to_owned(), at))
                });
                let form = "write one number as `numbers/NAME:PATH=FILE`, such as \
                            `numbers/bundle_kb:total.kb=out/size.json`";
                named.number = Some(number.ok_or(form)?);
            }
            job => named.job = job.map(str::to_owned),
        }
        Ok(named)
    }
}

/// Returns the words for all kinds, as a person reads them.
pub(crate) fn kinds() -> String {
    ReportKind::ALL.map(ReportKind::as_str).join(", ")
}

/// Reads a kind of report.
pub(crate) fn kind(text: &str) -> Result<ReportKind, String> {
    ReportKind::named(text).ok_or_else(|| format!("there are {}", kinds()))
}

/// Reads reports. Where no kind is named, it is what the report looks like.
pub(crate) fn facts(
    context: &Context,
    named: &[Named],
    kind: Option<ReportKind>,
) -> Result<Facts, Failure> {
    let mut facts = Facts::default();
    for report in named {
        let (source, says, _) = one(context, report, kind)?;
        facts.add(source, says);
    }
    Ok(facts)
}

/// Reads reports as [`facts`] does, and returns what is sent of each.
pub(crate) fn read_all(
    context: &Context,
    named: &[Named],
    kind: Option<ReportKind>,
) -> Result<Vec<(ReportQuery, Vec<u8>)>, Failure> {
    let read = |report: &Named| {
        let (source, _, bytes) = one(context, report, kind)?;
        let number = report.number.as_ref();
        let query = ReportQuery {
            kind: Some(source.kind.as_str().to_owned()),
            path: Some(source.path),
            job: source.job,
            number: number.map(|(name, at)| format!("{name}:{at}")),
        };
        Ok((query, bytes))
    };
    named.iter().map(read).collect()
}

fn one(
    context: &Context,
    report: &Named,
    kind: Option<ReportKind>,
) -> Result<(Source, Says, Vec<u8>), Failure> {
    let limits = Limits::default();
    let shown = clean(&report.path.display().to_string());
    let bytes = bytes(context, report, &limits)?;
    let kind = report.kind.or(kind).or_else(|| guess(&bytes));
    let kind = kind.ok_or_else(|| {
        let message = format!("`{shown}` looks like no report that can be read");
        let hint = format!("say what it is with `KIND={shown}`: {}", kinds());
        Failure::new(Code::ReportWrong, message).hint(hint)
    })?;
    let says = match &report.number {
        Some((name, at)) => {
            let wanted = BTreeMap::from([(name.clone(), at.clone())]);
            numbers(&bytes, &limits, &wanted)
        }
        None => read(kind, &bytes, &limits),
    };
    let says = says.map_err(|error| {
        let mut failure = Failure::new(Code::ReportWrong, format!("`{shown}` says nothing"));
        failure.causes.push(error.to_string());
        match (&error.wrong, error.looks_like) {
            (_, Some(other)) => {
                failure.hint(format!("say what it is with `{}={shown}`", other.as_str()))
            }
            (Wrong::CutOff(_) | Wrong::Empty, None) => {
                failure.hint("have the tool write it again, to its end")
            }
            (Wrong::TooLarge { .. } | Wrong::TooMany { .. } | Wrong::TooDeep { .. }, None) => {
                failure.hint("have the tool write less, or several reports")
            }
            (_, None) => failure.hint("have the tool write it again, or name another file"),
        }
    })?;
    let path = report.path.display().to_string();
    let source = Source {
        kind,
        // Numbers of one file are told apart by their names.
        path: match &report.number {
            Some((name, _)) => format!("{path}#{name}"),
            None => path,
        },
        job: report.job.clone(),
        group: None,
    };
    Ok((source, says, bytes))
}

/// Reads a file no further than a report may be long.
fn bytes(context: &Context, report: &Named, limits: &Limits) -> Result<Vec<u8>, Failure> {
    let path = context.working_folder.join(&report.path);
    let most = u64::try_from(limits.bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = File::open(&path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes));
    read.map_err(|error| {
        let shown = clean(&report.path.display().to_string());
        Failure::new(
            Code::ReportUnreadable,
            format!("failed to read the report `{shown}`"),
        )
        .because(&error)
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_named_by_its_file_and_what_it_is() {
        for (text, kind, job, path) in [
            ("out/unit.xml", None, None, "out/unit.xml"),
            (
                "junit=out/unit.xml",
                Some(ReportKind::Junit),
                None,
                "out/unit.xml",
            ),
            (
                "lcov/backend=a=b",
                Some(ReportKind::Lcov),
                Some("backend"),
                "a=b",
            ),
            ("lcov/=a", Some(ReportKind::Lcov), None, "a"),
            ("a=b", None, None, "a=b"),
        ] {
            let named: Named = text.parse().unwrap();
            assert_eq!((named.kind, named.job.as_deref()), (kind, job), "{text}");
            assert_eq!(named.path, PathBuf::from(path), "{text}");
        }
        let number: Named = "numbers/kb:/a/b=c".parse().unwrap();
        assert_eq!(
            number.number,
            NumberPath::of("/a/b").map(|at| ("kb".to_owned(), at))
        );
        for text in ["junit=", "numbers/kb=a", "numbers/:a=b", "numbers/kb:=a"] {
            assert!(text.parse::<Named>().is_err(), "{text}");
        }
    }
}
