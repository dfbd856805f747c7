//! Which jobs must have tried a release where it serves before it enters the next environment.

use std::collections::BTreeSet;

use leadsman_gates::Gates;

use super::codes::{CONTRADICTION, UNKNOWN_NAME};
use super::model::File;
use super::problem::quoted;
use super::read::{Merge as _, Reader, Setting};
use super::suggest;
use super::values::Name;
use crate::pipeline::{Job, JobName, Pipeline};
use crate::spec::EnvironmentSpec;

/// Puts the jobs into the gates of every environment, or notes what stands in the way.
pub(super) fn resolve(
    file: &File,
    pipeline: Option<&Pipeline>,
    environments: &mut [EnvironmentSpec],
    reader: &mut Reader,
) {
    for spec in environments {
        let named = file.environments.get();
        let keys = named.and_then(|map| map.get(spec.environment.as_str())?.get());
        let own = keys.map_or(Setting::Absent, |keys| keys.gates.clone());
        let gates = file.gates.clone().under(own);
        let jobs = gates
            .get()
            .map_or(Setting::Absent, |keys| keys.jobs.clone());
        spec.entry.gates.jobs = match (jobs, pipeline) {
            (Setting::Given(list), None) => list
                .items
                .into_iter()
                .map(|Name(name)| name.value)
                .collect(),
            (Setting::Given(list), Some(pipeline)) => list
                .items
                .iter()
                .flat_map(|Name(name)| chosen(&name.value, name.at, pipeline, reader))
                .collect(),
            (Setting::Absent, Some(pipeline)) => match &spec.entry.after {
                Some(after) => trying(pipeline)
                    .filter(|(_, job)| job.after.as_ref() == Some(after))
                    .map(|(name, _)| name.to_string())
                    .collect(),
                None => BTreeSet::new(),
            },
            (Setting::Absent, None) | (Setting::Removed | Setting::Broken, _) => BTreeSet::new(),
        };
        if spec.entry.gates.is_empty() {
            // For how long nothing counts is no difference.
            spec.entry.gates = Gates::default();
        }
    }
}

/// Returns the jobs that try a release where it serves.
fn trying(pipeline: &Pipeline) -> impl Iterator<Item = (&JobName, &Job)> {
    pipeline.jobs.iter().filter(|(_, job)| job.after.is_some())
}

/// Returns the jobs that one name of the file stands for.
fn chosen(
    family: &str,
    at: super::problem::Span,
    pipeline: &Pipeline,
    reader: &mut Reader,
) -> Vec<String> {
    let of_family = |name: &&JobName| name.family() == family;
    let found: Vec<String> = trying(pipeline)
        .map(|(name, _)| name)
        .filter(of_family)
        .map(JobName::to_string)
        .collect();
    if found.is_empty() && pipeline.jobs.keys().any(|name| of_family(&name)) {
        let message = format!(
            "job {} does not try the release where it serves",
            quoted(family)
        );
        let hint =
            "give it an `after`, or take it out: without it a release exists only if it passed";
        reader.note(&CONTRADICTION, at, message, hint);
    } else if found.is_empty() {
        let message = format!("there is no job {}", quoted(family));
        let known: Vec<&str> = trying(pipeline).map(|(name, _)| name.family()).collect();
        let hint = suggest::hint(family, known);
        reader.note(&UNKNOWN_NAME, at, message, hint);
    }
    found
}
