//! Writing evidence.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write};

use leadsman_core::id::Digest;
use leadsman_runtime::artifact::Hashing;
use leadsman_runtime::job::report_of;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::gather::Gathered;
use super::manifest::{FORMAT, Listed, MANIFEST, Manifest, SIGNATURE, sign};
use super::{EVENTS, Error, FACTS, PROJECT, SUMMARY, summary};
use crate::audit::{self, Key, PublicKey};
use crate::folder::StateFolder;

/// How large a report is at most, as one is kept: what is larger was damaged.
const REPORT_BYTES_MAX: u64 = 64 << 20;

/// What was written.
pub(crate) struct Written {
    pub(crate) manifest: Manifest,
    /// The key that signed it.
    pub(crate) key: PublicKey,
}

/// A file of the evidence before it is written.
struct File {
    path: String,
    content: Vec<u8>,
}

/// Writes what was gathered at the moment `at_ms` to `out`.
pub(crate) fn write(
    gathered: &Gathered,
    state: &StateFolder,
    key: &Key,
    at_ms: u64,
    out: impl Write,
) -> Result<Written, Error> {
    let mut missing = Vec::new();
    let mut files = reports(gathered, state, &mut missing);
    let summary = summary::text(gathered, at_ms, &missing);
    files.splice(0..0, told(gathered, summary));
    let manifest = Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        application: gathered.application.to_string(),
        release: gathered.release.0,
        at_ms,
        events: gathered.head.0,
        head: gathered.head.1.to_string(),
        files: files.iter().map(listed).collect(),
        missing,
    };
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has only text as keys");
    let signature = sign(key, &text);
    let mut archive = Builder::new(out);
    append(&mut archive, MANIFEST, &text, at_ms)?;
    append(&mut archive, SIGNATURE, &signature, at_ms)?;
    for file in &files {
        append(&mut archive, &file.path, &file.content, at_ms)?;
    }
    let mut out = archive.into_inner().map_err(Error::Write)?;
    out.flush().map_err(Error::Write)?;
    let key = key.public();
    Ok(Written { manifest, key })
}

fn listed(file: &File) -> Listed {
    Listed {
        path: file.path.clone(),
        bytes: file.content.len() as u64,
        digest: digest(&file.content),
    }
}

pub(super) fn digest(content: &[u8]) -> Digest {
    let mut hashing = Hashing::new(io::sink());
    hashing
        .write_all(content)
        .expect("nothing takes everything");
    hashing.finish().1
}

/// Returns what the log says of the release.
fn told(gathered: &Gathered, summary: String) -> Vec<File> {
    let mut events = Vec::new();
    for event in &gathered.events {
        audit::event_line(event, &mut events);
    }
    let facts = serde_json::to_vec_pretty(&gathered.facts).expect("facts have only text as keys");
    let mut files = vec![
        File {
            path: SUMMARY.to_owned(),
            content: summary.into_bytes(),
        },
        File {
            path: PROJECT.to_owned(),
            content: gathered.created.project.as_bytes().to_vec(),
        },
        File {
            path: EVENTS.to_owned(),
            content: events,
        },
        File {
            path: FACTS.to_owned(),
            content: facts,
        },
    ];
    for ((series, rows), number) in gathered.figures.iter().zip(1..) {
        let mut content = Vec::new();
        for row in rows {
            let told: Value = serde_json::from_str(&row.body).unwrap_or_default();
            let line = json!({ "series": series, "at": row.at.as_millis(), "told": told });
            content.extend(line.to_string().into_bytes());
            content.push(b'\n');
        }
        let path = format!("figures/{number}.jsonl");
        files.push(File { path, content });
    }
    files
}

/// Returns the reports of the run as its jobs wrote them, as far as they are kept.
fn reports(gathered: &Gathered, state: &StateFolder, missing: &mut Vec<String>) -> Vec<File> {
    let (mut files, mut seen) = (Vec::new(), BTreeSet::new());
    let jobs = gathered.run.iter().flat_map(|run| &run.jobs);
    for (job, kept) in jobs.flat_map(|(job, of)| of.made.reports.iter().map(move |it| (job, it))) {
        let kind = kept.report.kind.as_str();
        // Two numbers of one file are two reports.
        if !seen.insert((job, &kept.digest)) {
            continue;
        }
        let path = format!("reports/{}-{kind}", seen.len());
        let from = report_of(state.path(), &kept.digest);
        let mut content = Vec::new();
        let read = fs::File::open(&from)
            .and_then(|file| file.take(REPORT_BYTES_MAX).read_to_end(&mut content));
        match read {
            Ok(_) if digest(&content) == kept.digest => {
                files.push(File { path, content });
            }
            Ok(_) => missing.push(format!(
                "`{}` of `{job}`: what is kept is damaged",
                kept.file
            )),
            Err(error) => missing.push(format!("`{}` of `{job}`: {error}", kept.file)),
        }
    }
    files
}

fn append(
    archive: &mut Builder<impl Write>,
    name: &str,
    content: &[u8],
    at_ms: u64,
) -> Result<(), Error> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(content.len() as u64);
    header.set_mtime(at_ms / 1000);
    header.set_uid(0);
    header.set_gid(0);
    archive
        .append_data(&mut header, name, content)
        .map_err(Error::Write)
}
