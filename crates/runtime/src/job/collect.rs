//! What a job leaves: its reports and what it made for services.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use leadsman_core::bundle::Pattern;
use leadsman_core::id::Digest;
use leadsman_core::pipeline::{KeptReport, Report};
use leadsman_core::run::FailureKind;
use leadsman_gates::{Limits, NumberPath, Source};
use sha2::{Digest as _, Sha256};

use super::runner::{Runner, Stop};
use super::spec::Finished;
use crate::words;

/// How large one report may be.
const REPORT_BYTES_MAX: u64 = 64 << 20;
/// How many files all reports of one job may have.
const REPORT_FILES_MAX: usize = 500;

impl Runner {
    /// Keeps reports. Where the job passed, each that it declares must be there.
    pub(super) fn collect_reports(
        &mut self,
        passed: bool,
        finished: &mut Finished,
    ) -> Result<(), Stop> {
        let missing = |why: String| Stop::failed(FailureKind::Missing, why);
        for report in self.spec.job.reports.clone() {
            let files = self.files_like(&report.path)?;
            if files.is_empty() && passed {
                let (kind, path) = (report.kind.as_str(), &report.path);
                return Err(missing(format!("it wrote no {kind} report to `{path}`")));
            }
            for file in files {
                let name = file
                    .strip_prefix(self.job_folder())
                    .unwrap_or(&file)
                    .display()
                    .to_string();
                if finished.reports.len() >= REPORT_FILES_MAX {
                    let why = format!("it wrote more than {REPORT_FILES_MAX} report files");
                    return Err(missing(why));
                }
                let kept = keep_report(&file, &self.kept()).map_err(|why| {
                    let kind = report.kind.as_str();
                    missing(format!("the {kind} report `{name}` cannot be kept: {why}"))
                });
                match kept {
                    Ok((digest, size)) => {
                        let said = self.read_report(&report, &name, &digest, finished);
                        finished.reports.push(KeptReport {
                            report: report.clone(),
                            file: name,
                            digest,
                            size,
                        });
                        if passed {
                            said?;
                        }
                    }
                    Err(stop) if passed => return Err(stop),
                    // The job failed already, and says why.
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Reads what a report says.
    fn read_report(
        &self,
        report: &Report,
        name: &str,
        digest: &Digest,
        finished: &mut Finished,
    ) -> Result<(), Stop> {
        let missing = |why: String| {
            let kind = report.kind.as_str();
            let why = format!("the {kind} report `{name}` cannot be read: {why}");
            Stop::failed(FailureKind::Missing, why)
        };
        let path = self.kept().join(format!("{}.report", digest.hex()));
        let bytes = fs::read(path).map_err(|error| missing(error.to_string()))?;
        let limits = Limits::default();
        let says = if report.numbers.is_empty() {
            leadsman_gates::read(report.kind, &bytes, &limits)
        } else {
            let wanted = report
                .numbers
                .iter()
                .map(|(name, at)| match NumberPath::of(at) {
                    Some(path) => Ok((name.clone(), path)),
                    None => Err(missing(format!("`{at}` is no way to a number"))),
                })
                .collect::<Result<BTreeMap<_, _>, Stop>>()?;
            leadsman_gates::numbers(&bytes, &limits, &wanted)
        };
        let says = says.map_err(|error| missing(words(&error)))?;
        let job = self.name();
        let group = job.split('.').next().map(str::to_owned);
        let source = Source {
            kind: report.kind,
            // Numbers of one file are told apart by their names.
            path: match report.numbers.keys().next() {
                Some(number) => format!("{name}#{number}"),
                None => name.to_owned(),
            },
            group: group.filter(|group| *group != job),
            job: Some(job),
        };
        finished.facts.add(source, says);
        Ok(())
    }

    /// Returns the files of the job's folder whose path is like `path`, in order.
    fn files_like(&self, path: &str) -> Result<Vec<PathBuf>, Stop> {
        let path = path.trim_start_matches("./");
        let folder = self.job_folder();
        let project = self.project_folder();
        let inside = |found: &Path| {
            // A link must not make a report of a file of the machine.
            let relative = found.strip_prefix(&project).unwrap_or(found);
            relative
                .to_str()
                .is_some_and(|text| self.inside(text).is_ok())
        };
        if !path.contains(['*', '?']) {
            let found = folder.join(path);
            let there = found.is_file() && inside(&found);
            return Ok(there.then_some(found).into_iter().collect());
        }
        let pattern = Pattern::try_from(format!("/{path}"))
            .map_err(|error| Stop::failed(FailureKind::Missing, format!("`{path}` is {error}")))?;
        let mut found = Vec::new();
        let mut folders = vec![folder.clone()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                let path = entry.path();
                if kind.is_dir() {
                    if entry.file_name() != ".git" {
                        folders.push(path);
                    }
                } else if kind.is_file()
                    && let Ok(relative) = path.strip_prefix(&folder)
                    && relative.to_str().is_some_and(|text| pattern.matches(text))
                {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Packs what the job made for services.
    pub(super) fn collect_artifacts(&mut self, finished: &mut Finished) -> Result<(), Stop> {
        for (service, path) in self.spec.job.artifacts.clone() {
            let missing = |why: String| Stop::failed(FailureKind::Missing, why);
            let from = self.inside(&path)?;
            if !from.exists() {
                let why = format!("it made no `{path}`, the artifact of `{service}`");
                return Err(missing(why));
            }
            let to = self.kept().join(format!("{service}.tar"));
            let packed = File::create(&to)
                .map_err(|error| error.to_string())
                .and_then(|file| {
                    let mut writer = io::BufWriter::new(file);
                    let digest =
                        crate::artifact::pack(&from, &mut writer).map_err(|error| words(&error))?;
                    writer.flush().map_err(|error| error.to_string())?;
                    Ok(digest)
                });
            let digest = packed.map_err(|why| {
                missing(format!(
                    "the artifact `{path}` of `{service}` cannot be kept: {why}"
                ))
            })?;
            self.say(&format!("made `{path}` for `{service}`: {digest}"));
            finished.artifacts.insert(service, digest);
        }
        Ok(())
    }
}

/// Copies a report to `kept`, under the name of its digest.
fn keep_report(file: &Path, kept: &Path) -> Result<(Digest, u64), String> {
    let copy = || -> io::Result<(Digest, u64)> {
        let mut from = File::open(file)?.take(REPORT_BYTES_MAX + 1);
        let mut to = tempfile::NamedTempFile::new_in(kept)?;
        let mut hash = Sha256::new();
        let mut size = 0_u64;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            size += count as u64;
            if size > REPORT_BYTES_MAX {
                return Err(io::Error::other("it has more than 64 MiB"));
            }
            hash.update(&buffer[..count]);
            to.write_all(&buffer[..count])?;
        }
        let digest = Digest::from_bytes(hash.finalize().into());
        let path = kept.join(format!("{}.report", digest.hex()));
        to.persist(path).map_err(|error| error.error)?;
        Ok((digest, size))
    };
    copy().map_err(|error| error.to_string())
}
