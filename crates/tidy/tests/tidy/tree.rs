//! The files of the repository: what git tracks, and what it would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One file of the repository.
pub(crate) struct File {
    /// Relative to the repository, with `/` between folders.
    pub(crate) path: String,
    /// What it holds; `None` where that is not UTF-8.
    pub(crate) text: Option<String>,
}

/// Returns the repository's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("crates/tidy lies two deep")
}

/// Returns every file, by path.
pub(crate) fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut paths = listed_by_git().unwrap_or_else(|| walked(root()));
        paths.sort();
        // A file that was removed but not yet committed is still listed.
        paths.retain(|path| root().join(path).is_file());
        paths.into_iter().map(read).collect()
    })
}

/// Returns the files whose name ends with `.EXTENSION` and that are text.
pub(crate) fn texts(extension: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let suffix = format!(".{extension}");
    files().iter().filter_map(move |file| {
        let text = file
            .text
            .as_deref()
            .filter(|_| file.path.ends_with(&suffix))?;
        Some((file.path.as_str(), text))
    })
}

fn read(path: String) -> File {
    let bytes = fs::read(root().join(&path)).expect("a file of the repository can be read");
    File {
        path,
        text: String::from_utf8(bytes).ok(),
    }
}

/// New files count too, ignored ones do not. `None` outside a git repository.
fn listed_by_git() -> Option<Vec<String>> {
    let output = Command::new("git")
        // The repository may belong to somebody else, as in a container.
        .args([
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
        ])
        .arg("--exclude-standard")
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let list = String::from_utf8(output.stdout).expect("file names are UTF-8");
    let paths: Vec<String> = list.split_terminator('\0').map(str::to_owned).collect();
    // A copy inside some other repository that ignores it lists nothing.
    (!paths.is_empty()).then_some(paths)
}

/// An exported copy has no git: every file, but for what building leaves behind.
fn walked(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository can be read") {
            let path = entry
                .expect("a folder of the repository can be read")
                .path();
            let name = path.file_name().unwrap_or_default();
            if path.is_symlink() || name == "target" || name == ".git" || name == ".leadsman" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(relative) = path.strip_prefix(root()) {
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    found
}

#[test]
fn git_and_a_walk_find_the_same_rust_files() {
    let mut walked: Vec<String> = walked(root());
    walked.retain(|path| path.ends_with(".rs"));
    walked.sort();
    let listed: Vec<&str> = texts("rs").map(|(path, _)| path).collect();
    assert_eq!(walked, listed);
}
