//! The project file `leadsman.yaml`: read, checked, resolved.
//!
//! Text goes in, and either a [`Project`] comes out, of which every environment is known to be
//! whole, or [`Problems`]: all of them at once, each with its place and the way to mend it. A file
//! that can be used may have [`Project::warnings`] all the same.
//!
//! The way of a file: `yaml` makes a tree with places, `model` lists every key (its reading,
//! merging and JSON Schema come from the same list, see `keys`), `resolve` lays the layers
//! over one another, fills in defaults and looks up names. `values` and `texts` hold how single
//! values are written.

mod bundle;
mod checklist_values;
mod checklists;
mod codes;
mod effective;
mod effective_gates;
mod effective_traffic;
mod entrance;
mod entrance_values;
mod entry;
mod entry_values;
mod gate_values;
mod gates;
mod jobs;
mod keys;
mod load;
mod metric_values;
mod metrics;
mod migration;
mod model;
mod pipeline;
mod pipeline_values;
mod problem;
mod read;
mod resolve;
mod routes;
mod schema;
mod shape;
mod strategy;
mod suggest;
mod texts;
mod traffic;
mod traffic_values;
mod trying;
pub mod units;
mod values;
mod yaml;

use std::collections::BTreeMap;

use leadsman_analysis::Limits;

use crate::id::{ApplicationName, EnvironmentName, ServiceName};
use crate::load::Load;
use crate::pipeline::Pipeline;
use crate::spec::EnvironmentSpec;

pub use codes::{CODES, Code, Severity, explain};
use problem::Finding;
pub use problem::{Location, Problem, Problems};
use read::{Read as _, Reader, Setting};
pub use schema::schema;

/// Reads what may stand under `limits:` of a project file, as a file of its own: what it leaves
/// out has the default. `file_name` is only repeated in problems.
///
/// # Errors
///
/// Every problem of the text.
pub fn limits(text: &str, file_name: &str) -> Result<Limits, Problems> {
    let (tree, mut findings) = yaml::tree(text);
    let mut reader = Reader::default();
    let keys = tree.map(|tree| Setting::read(&tree, &mut reader));
    // Where the values of a metric come from is for the rollout that was; they were kept with it.
    let limits = keys.map(|keys| resolve::limits(&keys, &mut reader));
    findings.append(&mut reader.findings);
    match limits {
        Some(limits) if findings.iter().all(warns) => Ok(limits),
        _ => Err(problem::located(text, file_name, findings)),
    }
}

/// Reads what may stand under `load:` of a job, as a file of its own. `file_name` is only repeated in
/// problems.
///
/// # Errors
///
/// Every problem of the text.
pub fn load(text: &str, file_name: &str) -> Result<Load, Problems> {
    let (tree, mut findings) = yaml::tree(text);
    let mut reader = Reader::default();
    let load = tree.and_then(|tree| {
        let keys = load::LoadKeys::read(&tree, &mut reader)?;
        load::resolve(&keys, tree.at, &mut reader)
    });
    findings.append(&mut reader.findings);
    match load {
        Some(load) if findings.iter().all(warns) => Ok(load),
        _ => Err(problem::located(text, file_name, findings)),
    }
}

fn warns(finding: &Finding) -> bool {
    finding.severity == Severity::Warning
}

/// A project file without a problem.
#[derive(Clone, Debug)]
pub struct Project {
    text: String,
    application: ApplicationName,
    /// Never empty; in the order of the file.
    environments: Vec<EnvironmentSpec>,
    pipeline: Option<Pipeline>,
    warnings: Option<Problems>,
}

impl Project {
    /// Reads a project file. `file_name` is only repeated in problems.
    ///
    /// # Errors
    ///
    /// Every problem of the text, warnings included, if one of them is an error. No text makes it panic or take long.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Problems> {
        let (tree, mut findings) = yaml::tree(text);
        let mut environments = Vec::new();
        let mut pipeline = None;
        if let Some(tree) = tree {
            let mut reader = Reader::default();
            if let Some(file) = model::File::read(&tree, &mut reader) {
                environments = resolve::environments(&file, &mut reader);
                pipeline = jobs::resolve(&file, &mut reader);
                trying::resolve(&file, pipeline.as_ref(), &mut environments, &mut reader);
            }
            findings.append(&mut reader.findings);
        }
        match environments.first() {
            Some(first) if findings.iter().all(warns) => Ok(Self {
                text: text.to_owned(),
                application: first.application.clone(),
                environments,
                pipeline,
                warnings: (!findings.is_empty())
                    .then(|| problem::located(text, file_name, findings)),
            }),
            _ => Err(problem::located(text, file_name, findings)),
        }
    }

    /// Returns what may not be meant as it is written; `None` if there is no such thing.
    pub fn warnings(&self) -> Option<&Problems> {
        self.warnings.as_ref()
    }

    /// Returns the text that was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the name of the application.
    pub fn application(&self) -> &ApplicationName {
        &self.application
    }

    /// Returns the names of the environments, in the order of the file; there is at least one.
    pub fn environments(&self) -> impl Iterator<Item = &EnvironmentName> {
        self.environments.iter().map(|spec| &spec.environment)
    }

    /// Returns what an environment is; `None` if the file has no such environment.
    pub fn resolve(&self, environment: &EnvironmentName) -> Option<&EnvironmentSpec> {
        self.environments
            .iter()
            .find(|spec| spec.environment == *environment)
    }

    /// Returns what a commit goes through before it is a release; `None` if nothing is said of it.
    pub fn pipeline(&self) -> Option<&Pipeline> {
        self.pipeline.as_ref()
    }

    /// Returns an environment as a project file of its own in which every default is written out;
    /// `None` if the file has no such environment. Read again, it resolves to the same.
    pub fn effective(&self, environment: &EnvironmentName) -> Option<String> {
        self.resolve(environment).map(effective::written)
    }

    /// Returns the path of the artifact of each service that has one in an environment, relative
    /// to the project file.
    pub fn artifacts(&self, environment: &EnvironmentName) -> BTreeMap<&ServiceName, &str> {
        let services = self
            .resolve(environment)
            .into_iter()
            .flat_map(|spec| &spec.services);
        services
            .filter_map(|(name, service)| Some((name, service.artifact.as_deref()?)))
            .collect()
    }
}
