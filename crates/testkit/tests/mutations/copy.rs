//! The copy of the sources with all mistakes in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::table::Mutation;

/// The variable that chooses the mistake.
pub(crate) const CHOSEN: &str = "LEADSMAN_MUTATION";

/// The crates that the simulation is made of.
const CRATES: [&str; 9] = [
    "analysis", "core", "deposit", "engine", "gates", "proxy", "runtime", "store", "testkit",
];

/// Those that its time is spent in: worth optimising.
const HOT: [&str; 5] = ["analysis", "core", "engine", "store", "testkit"];

/// Says in a mutated crate whether a mistake is made.
const MUTATED: &str = r#"
pub(crate) fn mutated(name: &str) -> bool {
    static CHOSEN: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| std::env::var("LEADSMAN_MUTATION").unwrap_or_default());
    *CHOSEN == name
}
"#;

/// Builds the simulation with these mistakes in it; returns the program.
pub(crate) fn build(mutations: &[Mutation]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let copy = target.join("mutations");
    for name in CRATES {
        let (from, to) = (
            root.join("crates").join(name),
            copy.join("crates").join(name),
        );
        put(&to.join("Cargo.toml"), &manifest(&from.join("Cargo.toml")));
        for file in sources(&from.join("src")) {
            let relative = file.strip_prefix(&from).unwrap();
            let of_file = |it: &&Mutation| root.join("crates").join(it.file) == file;
            let mut text = fs::read_to_string(&file).unwrap();
            for mutation in mutations.iter().filter(of_file) {
                text = mutation.applied_to(&text);
            }
            if relative == Path::new("src/lib.rs") {
                text += MUTATED;
            }
            put(&to.join(relative), &text);
        }
    }
    put(
        &copy.join("Cargo.toml"),
        &workspace(&root.join("Cargo.toml")),
    );
    put(
        &copy.join("Cargo.lock"),
        &fs::read_to_string(root.join("Cargo.lock")).unwrap(),
    );
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--offline",
            "--package",
            "leadsman-testkit",
            "--bin",
            "sim",
        ])
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", "--cap-lints allow")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the copy cannot be built:\n{said}");
    let program = copy.join("sim");
    fs::copy(target.join("debug/sim"), &program).unwrap();
    program
}

/// Without what is for tests alone.
fn manifest(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("[dev-dependencies]").unwrap_or(text.len());
    let (kept, rest) = text.split_at(end);
    let lints = rest.find("[lints]").map_or("", |at| &rest[at..]);
    kept.to_owned() + lints
}

fn workspace(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let members = "members = [\"crates/*\", \"examples/tide\"]";
    assert!(text.contains(members), "the workspace has other members");
    let mut text = text.replace(members, "members = [\"crates/*\"]");
    for name in HOT {
        text += &format!("\n[profile.dev.package.leadsman-{name}]\nopt-level = 2\n");
    }
    text
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Writes a file where it is not so already: what is unchanged need not be built again.
fn put(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|before| before == text) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
