//! The project file: what is read from it, and what is said about mistakes.

mod effective;
mod hostile;
mod mistakes;
mod reading;
mod reference;
mod rule_names;
mod trying;
mod validator;

use std::path::Path;
use std::{fs, io};

use leadsman_core::id::EnvironmentName;
use leadsman_core::project::Project;
use leadsman_core::spec::EnvironmentSpec;

/// Reads a text that is without mistakes.
#[expect(
    clippy::panic,
    reason = "a test helper: the rendered problems are the message"
)]
fn project(text: &str) -> Project {
    Project::parse(text, "leadsman.yaml").unwrap_or_else(|problems| panic!("{problems}"))
}

/// Reads a text and resolves one of its environments.
fn resolved(text: &str, environment: &str) -> EnvironmentSpec {
    let name: EnvironmentName = environment.parse().expect("the test names an environment");
    project(text)
        .resolve(&name)
        .expect("the text has this environment")
        .clone()
}

/// Every valid project file that the tests know, with its path.
fn fixtures() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/project");
    let read = || -> io::Result<Vec<(String, String)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            files.push((path.display().to_string(), fs::read_to_string(path)?));
        }
        files.sort();
        Ok(files)
    };
    let files = read().expect("the fixtures are readable");
    assert!(!files.is_empty());
    files
}
