//! Which results of earlier runs stand for a job that would do the same again.
//!
//! A job does the same when it is the same job, the files that it declares as its inputs have the
//! same content, and those that it needs made the same. All of this is one digest, the key.

use leadsman_core::bundle::Pattern;
use leadsman_core::id::{Digest, RunNumber};
use leadsman_core::pipeline::{JobName, Made};
use leadsman_core::run::{JobPhase, Run};
use leadsman_runtime::job::{File, Jobs};
use sha2::{Digest as _, Sha256};

use super::State;
use super::begin::folder_of;

/// Returns what the files of a commit contain that `patterns` mean, as one digest: names, kinds and
/// contents. The patterns are relative to `folder`.
pub(super) fn content(files: &[File], folder: &str, patterns: &[Pattern]) -> Digest {
    let mut hash = Sha256::new();
    for file in files {
        let relative = if folder.is_empty() {
            Some(file.path.as_str())
        } else {
            file.path
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'))
        };
        let Some(relative) = relative else { continue };
        if patterns.iter().any(|pattern| pattern.matches(relative)) {
            field(&mut hash, relative.as_bytes());
            field(&mut hash, file.object.as_bytes());
        }
    }
    Digest::from_bytes(hash.finalize().into())
}

/// Adds a field so that where it ends cannot be mistaken.
fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

/// Returns by what the result of a job can be reused; `None` for a job that always runs, or one
/// whose needs have not all passed.
pub(super) fn key(run: &Run, name: &JobName) -> Option<Digest> {
    let job = run.job(name)?;
    let inputs = run.inputs.get(name)?;
    let mut hash = Sha256::new();
    field(&mut hash, b"leadsman job 1");
    field(&mut hash, name.as_str().as_bytes());
    field(&mut hash, folder_of(&run.about.project_file).as_bytes());
    field(&mut hash, &serde_json::to_vec(job).ok()?);
    field(&mut hash, inputs.as_str().as_bytes());
    for need in &job.needs {
        let state = run.jobs.get(need)?;
        if !state.phase.is_passed() {
            return None;
        }
        field(&mut hash, need.as_str().as_bytes());
        for (service, digest) in &state.made.artifacts {
            field(&mut hash, service.as_str().as_bytes());
            field(&mut hash, digest.as_str().as_bytes());
        }
    }
    Some(Digest::from_bytes(hash.finalize().into()))
}

/// Returns the newest run of the same application in which a job with this key passed, with what it
/// made, as long as all of that is still there.
pub(super) fn find(
    state: &State,
    jobs: &Jobs,
    run: &Run,
    name: &JobName,
    key: &Digest,
) -> Option<(RunNumber, Made)> {
    let earlier = state.runs.values().rev().filter(|known| {
        known.run.id.application == run.id.application && known.run.id.number < run.id.number
    });
    earlier
        .filter_map(|known| {
            let job = known.run.jobs.get(name)?;
            let same = job.key.as_ref() == Some(key)
                && matches!(job.phase, JobPhase::Passed { .. })
                && jobs.has(&job.made);
            same.then(|| (known.run.id.number, job.made.clone()))
        })
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, object: &str) -> File {
        File {
            path: path.to_owned(),
            object: object.to_owned(),
        }
    }

    #[test]
    fn only_declared_inputs_count() {
        let patterns =
            ["src/**", "Cargo.toml"].map(|text| Pattern::try_from(text.to_owned()).unwrap());
        let files = |object: &str, other: &str| {
            vec![
                file("app/Cargo.toml", "1"),
                file("app/README.md", other),
                file("app/src/main.rs", object),
                file("src/main.rs", other),
            ]
        };
        let of = |files: &[File]| content(files, "app", &patterns);
        assert_eq!(of(&files("a", "b")), of(&files("a", "c")));
        assert_ne!(of(&files("a", "b")), of(&files("d", "b")));
        let renamed: Vec<File> = files("a", "b")
            .into_iter()
            .map(|it| file(&it.path.replace("main", "other"), &it.object))
            .collect();
        assert_ne!(of(&files("a", "b")), of(&renamed));
    }
}
