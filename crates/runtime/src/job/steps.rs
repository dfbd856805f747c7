//! The steps of a job, and the environment that they have.

use std::collections::BTreeMap;

use leadsman_core::load::Load;
use leadsman_core::pipeline::{LEADSMAN_URL, LOAD_REPORT, Step};
use leadsman_core::run::FailureKind;

use super::runner::{Runner, Stop};
use crate::process::{ExpandError, expand};

/// How much of a version's text is repeated.
const SAID_CHARS: usize = 80;

impl Runner {
    /// Returns the environment of what the job runs.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let mut env = self.spec.env.clone();
        // Another user could not enter it.
        if self.spec.place.is_none() {
            let tmp = self.scratch().join("tmp").display().to_string();
            env.insert("TMPDIR".to_owned(), tmp);
        }
        env.extend(self.spec.job.env.clone());
        env.extend(self.secrets.clone());
        env
    }

    /// Does one step.
    pub(super) fn step(&mut self, step: &Step, env: &BTreeMap<String, String>) -> Result<(), Stop> {
        let (name, command) = match step {
            Step::Command(command) => {
                let name = command.join(" ");
                (name, self.expanded(command, env)?)
            }
            Step::Script(text) => {
                // Not as an argument: those can be seen by everybody, and are limited in length.
                let path = self.scratch().join("script.sh");
                std::fs::write(&path, text).map_err(|error| {
                    let why = format!("the script could not be written: {error}");
                    Stop::failed(FailureKind::NotStarted, why)
                })?;
                let path = path.display().to_string();
                let words = ["/bin/sh", "-eu", &path].map(str::to_owned);
                ("script".to_owned(), words.to_vec())
            }
            Step::Load(load) => ("load".to_owned(), self.load(load, env)?),
        };
        let short: String = name.chars().take(200).collect();
        self.say(&format!("$ {short}"));
        let folder = self.job_folder();
        let started = self
            .start(&short, command, &folder, env, "")
            .map_err(|why| Stop::failed(FailureKind::NotStarted, why))?;
        let status = self.wait_for(&started)?;
        self.ended_well(&started, status)
            .map_err(|why| Stop::failed(FailureKind::Command, why))
    }

    /// Describes a load in a file, and returns the command that makes it: this program again, whatever
    /// has become of its file since.
    fn load(&self, load: &Load, env: &BTreeMap<String, String>) -> Result<Vec<String>, Stop> {
        let failed = |why: String| Stop::failed(FailureKind::NotStarted, why);
        let mut load = load.clone();
        if load.server.is_none() {
            load.server = env.get(LEADSMAN_URL).cloned();
        }
        let path = self.scratch().join("load.json");
        let described = serde_json::to_vec(&load).map_err(|error| failed(error.to_string()))?;
        std::fs::write(&path, described)
            .map_err(|error| failed(format!("the load could not be described: {error}")))?;
        let path = path.display().to_string();
        let folder = self.project_folder().display().to_string();
        Ok(["/proc/self/exe", "job-load", &path, &folder, LOAD_REPORT]
            .map(str::to_owned)
            .to_vec())
    }

    /// Puts variables into a command; never a secret, since everybody sees arguments.
    pub(super) fn expanded(
        &self,
        command: &[String],
        env: &BTreeMap<String, String>,
    ) -> Result<Vec<String>, Stop> {
        let mut open = env.clone();
        open.retain(|name, _| !self.secrets.contains_key(name));
        expand(command, &open).map_err(|error| {
            let secret = match &error {
                ExpandError::Unknown { name, .. } => self.secrets.contains_key(name),
                ExpandError::Malformed(_) => false,
            };
            let why = if secret {
                format!(
                    "{error}: it is a secret, and everybody sees arguments; have the program read \
                     it from its environment"
                )
            } else {
                error.to_string()
            };
            Stop::failed(FailureKind::NotStarted, why)
        })
    }

    /// Asks each pinned tool for its version.
    pub(super) fn ask_tools(&mut self, env: &BTreeMap<String, String>) -> Result<(), Stop> {
        for (tool, version) in self.spec.job.tools.clone() {
            let failed = |why: String| Stop::failed(FailureKind::Tool, why);
            let command = vec![tool.clone(), "--version".to_owned()];
            let folder = self.job_folder();
            self.output.forget_last_lines();
            let name = format!("{tool} --version");
            self.say(&format!("$ {name}"));
            self.output.forget_last_lines();
            let started = self
                .start(&name, command, &folder, env, "")
                .map_err(failed)?;
            let status = self.wait_for(&started)?;
            self.ended_well(&started, status).map_err(failed)?;
            let said = self.output.last_lines().join(" ");
            if !names_version(&said, &version) {
                let said: String = said.chars().take(SAID_CHARS).collect();
                return Err(failed(format!(
                    "`{tool}` has to be {version}, and says: {said}"
                )));
            }
        }
        Ok(())
    }
}

/// Whether a text names `version`, or one of which `version` is the beginning: 1.95 is named by
/// `cargo 1.95.0`, and not by `cargo 1.9` or `cargo 11.95`.
fn names_version(text: &str, version: &str) -> bool {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ';'));
    words.map(|word| word.trim_start_matches('v')).any(|word| {
        match word.strip_prefix(version.trim_start_matches('v')) {
            Some(rest) => rest.is_empty() || rest.starts_with(['.', '-', '+']),
            None => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named_by_whole_parts() {
        for (text, version, named) in [
            ("cargo 1.95.0 (abc 2026-01-01)", "1.95", true),
            ("cargo 1.95.0 (abc 2026-01-01)", "1.95.0", true),
            ("cargo 1.95.0 (abc 2026-01-01)", "1.9", false),
            ("v22.1.0", "22", true),
            ("git version 2.47.3", "2.47", true),
            ("tool 11.95", "1.95", false),
            ("", "1", false),
        ] {
            assert_eq!(names_version(text, version), named, "{text} {version}");
        }
    }
}
