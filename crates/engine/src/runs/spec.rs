//! What the runner of an attempt is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use leadsman_core::id::EnvironmentName;
use leadsman_core::pipeline::{JobName, LEADSMAN_URL};
use leadsman_core::project::Project;
use leadsman_core::run::Run;
use leadsman_runtime::job::{CacheAt, Given, Repository, Spec};
use sha2::{Digest as _, Sha256};

use super::begin::folder_of;
use super::reuse;

/// Returns what the runner of the next attempt of a job is told.
pub(super) async fn spec(run: &Run, name: &JobName) -> Option<Spec> {
    let job = run.job(name)?.clone();
    let about = &run.about;
    let folder = folder_of(&about.project_file);
    let mut given = Vec::new();
    for need in &job.needs {
        let (needed, made) = (run.job(need)?, &run.jobs.get(need)?.made);
        for (service, path) in &needed.artifacts {
            if let Some(digest) = made.artifacts.get(service) {
                given.push(Given {
                    path: path.clone(),
                    digest: digest.clone(),
                });
            }
        }
    }
    let mut caches = Vec::new();
    if !job.cache.is_empty() {
        let repository = Repository::at(&about.repository);
        // A commit that is gone is said by the checkout.
        let files = repository.files(&about.commit).await.unwrap_or_default();
        for cache in &job.cache {
            let mut hash = Sha256::new();
            hash.update(name.family().as_bytes());
            hash.update([0]);
            hash.update(cache.path.as_bytes());
            hash.update([0]);
            hash.update(
                reuse::content(&files, folder, &cache.key)
                    .as_str()
                    .as_bytes(),
            );
            let digest = leadsman_core::id::Digest::from_bytes(hash.finalize().into());
            caches.push(CacheAt {
                path: cache.path.clone(),
                key: format!("{}-{}", run.id.application, digest.hex()),
                replace: cache.key.is_empty(),
            });
        }
    }
    let reference = &about.reference;
    let branch = reference.strip_prefix("refs/heads/").unwrap_or_default();
    let tag = reference.strip_prefix("refs/tags/").unwrap_or_default();
    let number = run.id.number.0.to_string();
    let mut env: BTreeMap<String, String> = [
        ("CI", "true"),
        ("LEADSMAN_APPLICATION", run.id.application.as_str()),
        ("LEADSMAN_RUN", &number),
        ("LEADSMAN_JOB", name.as_str()),
        ("LEADSMAN_COMMIT", about.commit.as_str()),
        ("LEADSMAN_REF", reference),
        ("LEADSMAN_BRANCH", branch),
        ("LEADSMAN_TAG", tag),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    if let Some(environment) = &job.after {
        env.extend(of_environment(run, environment));
    }
    Some(Spec {
        repository: PathBuf::from(&about.repository),
        commit: Some(about.commit.clone()),
        place: None,
        project_folder: folder.to_owned(),
        job,
        env,
        given,
        caches,
    })
}

/// Returns what a job is told of the environment in which it tries the release.
fn of_environment(run: &Run, environment: &EnvironmentName) -> BTreeMap<String, String> {
    let project = Project::parse(&run.project, &run.about.project_file).ok();
    let url = project.and_then(|project| Some(project.resolve(environment)?.url()));
    let release = run.release().map(|release| release.0.to_string());
    [
        ("LEADSMAN_ENVIRONMENT", Some(environment.to_string())),
        ("LEADSMAN_RELEASE", release),
        (LEADSMAN_URL, url),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}
