//! What cargo knows of the workspace.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::tree;

/// What `cargo metadata` prints, as far as a rule reads it.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

/// A package: one of ours, or one that is built with ours.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// Where it comes from; `None` for ours.
    pub(crate) source: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    manifest_path: String,
}

/// One line of a package's dependencies.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None`, `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Package {
    /// Returns the manifest's path relative to the repository.
    pub(crate) fn manifest(&self) -> String {
        let path = Path::new(&self.manifest_path);
        let path = path.strip_prefix(tree::root()).unwrap_or(path);
        path.to_string_lossy().into_owned()
    }

    /// Returns the package's folder relative to the repository, with `/` at its end.
    pub(crate) fn folder(&self) -> String {
        self.manifest().trim_end_matches("Cargo.toml").to_owned()
    }
}

/// Returns our own packages.
pub(crate) fn members() -> &'static [Package] {
    static MEMBERS: OnceLock<Vec<Package>> = OnceLock::new();
    MEMBERS.get_or_init(|| metadata(&["--no-deps", "--offline"]).packages)
}

/// Returns every package that is built here, ours included.
pub(crate) fn everything() -> &'static [Package] {
    static EVERYTHING: OnceLock<Vec<Package>> = OnceLock::new();
    // Packages of other platforms may never have been downloaded, and are not ours to judge.
    EVERYTHING.get_or_init(|| metadata(&["--locked", "--filter-platform", &host()]).packages)
}

fn metadata(arguments: &[&str]) -> Metadata {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["metadata", "--format-version", "1"])
        .args(arguments);
    let output = command
        .current_dir(tree::root())
        .output()
        .expect("cargo can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata failed:\n{stderr}");
    serde_json::from_slice(&output.stdout).expect("cargo prints its metadata as JSON")
}

fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .expect("rustc can be started");
    let text = String::from_utf8(output.stdout).expect("rustc prints UTF-8");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}
