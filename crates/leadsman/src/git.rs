//! The Git repository that the working folder lies in, as far as a run has to know it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::codes::Code;
use crate::failure::Failure;

/// What the project file is called where nobody says otherwise.
const PROJECT_FILE: &str = crate::project::ProjectFile::NAME;

/// A commit of a repository of this machine, and the project file in it.
pub(crate) struct Named {
    /// The folder that Git keeps the repository in.
    pub(crate) repository: String,
    /// The commit.
    pub(crate) commit: String,
    /// What it is called, such as `refs/heads/main`.
    pub(crate) reference: String,
    /// The project file, relative to the top of the repository.
    pub(crate) project_file: String,
}

/// Finds the commit that `reference` names, or the one that is checked out.
pub(crate) fn named(
    working_folder: &Path,
    reference: Option<&str>,
    project: Option<&Path>,
) -> Result<Named, Failure> {
    let repository = folder(working_folder)?;
    let asked = reference.unwrap_or("HEAD");
    let object = format!("{asked}^{{commit}}");
    let commit = ask(
        working_folder,
        &["rev-parse", "--verify", "--end-of-options", &object],
    )
    .map_err(|failure| {
        failure.hint(format!(
            "name a branch, a tag or a commit instead of `{asked}`"
        ))
    })?;
    // A commit alone has no name, and then none is told.
    let full = ask(
        working_folder,
        &[
            "rev-parse",
            "--symbolic-full-name",
            "--end-of-options",
            asked,
        ],
    );
    // Git repeats the option before the name.
    let full = full
        .ok()
        .and_then(|said| said.lines().last().map(str::to_owned));
    let reference = full.filter(|name| name.starts_with("refs/"));
    let project_file = match project {
        // There it is named as it is called in commits.
        Some(path) if is_bare(working_folder)? => {
            // One that lies above was found by accident.
            let inside = path.strip_prefix(working_folder);
            inside.map_or_else(
                |_| PROJECT_FILE.to_owned(),
                |path| path.display().to_string(),
            )
        }
        Some(path) => in_repository(working_folder, path)?,
        None => PROJECT_FILE.to_owned(),
    };
    Ok(Named {
        repository,
        commit,
        reference: reference.unwrap_or_else(|| asked.to_owned()),
        project_file,
    })
}

/// Returns the folder that Git keeps the repository in; for further work trees the common one.
pub(crate) fn folder(working_folder: &Path) -> Result<String, Failure> {
    let arguments = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
    ask(working_folder, &arguments)
        .map_err(|failure| failure.hint("run this in a folder of a Git repository"))
}

/// Whether the repository has no work tree: one that others push to.
pub(crate) fn is_bare(working_folder: &Path) -> Result<bool, Failure> {
    let said = ask(working_folder, &["rev-parse", "--is-bare-repository"])?;
    Ok(said == "true")
}

/// Returns the path of a file relative to the top of the work tree that it lies in.
fn in_repository(working_folder: &Path, path: &Path) -> Result<String, Failure> {
    let outside = || {
        let message = format!("`{}` does not lie in the repository", path.display());
        Failure::new(Code::NotInGit, message)
            .hint("name a project file of the repository with `--project`")
    };
    let top = ask(working_folder, &["rev-parse", "--show-toplevel"])?;
    let top = PathBuf::from(top).canonicalize().map_err(|_| outside())?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|_| outside())?;
    let name = path.file_name().ok_or_else(outside)?;
    let relative = folder.strip_prefix(&top).map_err(|_| outside())?.join(name);
    relative.to_str().map(str::to_owned).ok_or_else(outside)
}

fn ask(folder: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let asked = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output();
    let output = asked.map_err(|error| {
        Failure::new(Code::NotInGit, "failed to ask `git`")
            .because(&error)
            .hint("install Git: a run is of one of its commits")
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().lines().last().unwrap_or_default();
    let said = said.strip_prefix("fatal: ").unwrap_or(said);
    Err(Failure::new(
        Code::NotInGit,
        format!("Git names no commit here: {said}"),
    ))
}
