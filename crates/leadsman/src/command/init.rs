//! `leadsman init`: a first project file, from what lies in the folder.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use leadsman_core::id::is_name;

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::project::ProjectFile;

/// Write a first project file from what lies in this folder; nothing is ever overwritten
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    let folder = &context.working_folder;
    let path = folder.join(ProjectFile::NAME);
    let found = Found::in_folder(folder);
    let text = text(&application(folder), &found);
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(
            Code::FileExists,
            format!("`{}` is there already", path.display()),
        )
        .hint("see whether it is right with `leadsman check`"),
        _ => Failure::new(
            Code::NotWritten,
            format!("failed to write `{}`", path.display()),
        )
        .because(&error),
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| {
            // Half a file would stand in the way of the next attempt.
            drop(std::fs::remove_file(&path));
            failed(error)
        })?;
    let report = serde_json::json!({ "file": path, "found": found.what });
    context.output.either(&report, |_| {
        format!(
            "wrote `{}` for {}\nlook over it, then: leadsman check, leadsman up, leadsman ship\n",
            path.display(),
            found.what
        )
    })
}

/// What lies in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    /// In words.
    what: String,
    /// The name of its service.
    service: &'static str,
    does: Does,
}

/// What an instance does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Does {
    /// It runs a command.
    Run {
        /// What is packed, and a remark about it.
        artifact: Option<(String, &'static str)>,
        /// What starts it.
        command: String,
    },
    /// It serves the files of a folder.
    Serve(&'static str),
}

impl Found {
    fn in_folder(folder: &Path) -> Self {
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        if let Some(command) = text("Procfile").as_deref().and_then(procfile) {
            return Self::new("a Procfile", Some((".", "this folder")), command);
        }
        if let Some(name) = text("Cargo.toml").as_deref().and_then(cargo_package) {
            let binary = format!("target/release/{name}");
            let packed = Some((binary.as_str(), "built by `cargo build --release`"));
            return Self::new("a Cargo package", packed, format!("./{name}"));
        }
        if let Some(package) = text("package.json") {
            return Self::new(
                "a Node.js package",
                Some((".", "this folder, with its node_modules")),
                node_start(&package),
            );
        }
        for site in ["index.html", "dist/index.html", "public/index.html"] {
            if folder.join(site).is_file() {
                return Self {
                    what: "a static site".to_owned(),
                    service: "web",
                    does: Does::Serve(site.strip_suffix("/index.html").unwrap_or(".")),
                };
            }
        }
        Self::new(
            "a service of any kind",
            None,
            "./server --port $PORT".to_owned(),
        )
    }

    fn new(what: &str, artifact: Option<(&str, &'static str)>, command: String) -> Self {
        let artifact = artifact.map(|(path, remark)| (path.to_owned(), remark));
        Self {
            what: what.to_owned(),
            service: "web",
            does: Does::Run { artifact, command },
        }
    }
}

/// Returns the command of a Procfile's `web` process.
fn procfile(text: &str) -> Option<String> {
    let command = text
        .lines()
        .find_map(|line| line.strip_prefix("web:"))?
        .trim();
    // It was written for a shell; without one of its signs it needs none.
    let needs_shell = command.contains(['|', '&', ';', '<', '>', '`', '*', '?', '(', '~', '\\']);
    if command.is_empty() {
        None
    } else if needs_shell {
        Some(format!("sh -c '{}'", command.replace('\'', r"'\''")))
    } else {
        Some(command.to_owned())
    }
}

/// Returns the name of the package in a Cargo.toml.
fn cargo_package(text: &str) -> Option<String> {
    let mut lines = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[package]")
        .skip(1);
    let name = lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| line.strip_prefix("name")?.trim_start().strip_prefix('='))?;
    let name = name.trim().trim_matches('"');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (!name.is_empty() && name.chars().all(is_plain)).then(|| name.to_owned())
}

/// Returns what starts a Node.js package.
fn node_start(package: &str) -> String {
    let package: serde_json::Value = serde_json::from_str(package).unwrap_or_default();
    let main = package.get("main").and_then(serde_json::Value::as_str);
    match (package.pointer("/scripts/start"), main) {
        (Some(_), _) => "npm start".to_owned(),
        (None, Some(main)) => format!("node {main}"),
        (None, None) => "node server.js".to_owned(),
    }
}

/// Returns a name for the application, from that of the folder.
fn application(folder: &Path) -> String {
    let name = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    let name = name
        .trim_start_matches(|c: char| !c.is_ascii_lowercase())
        .trim_end_matches('-');
    if is_name(name) {
        name.to_owned()
    } else {
        "app".to_owned()
    }
}

fn text(application: &str, found: &Found) -> String {
    let Found {
        what,
        service,
        does,
    } = found;
    format!(
        "# What Leadsman runs, made for {what}. See every default with\n\
         # `leadsman check --effective`, and every key with `leadsman schema`.\n\
         application: {application}\n\
         \n\
         services:\n\
         \x20 {service}:\n\
         {}\
         \x20   # How many instances serve.\n\
         \x20   instances: 2\n\
         \x20   # When an instance is ready: a path that answers, such as /health, or tcp.\n\
         \x20   ready: tcp\n\
         \n\
         environments:\n\
         \x20 production:\n\
         \x20   # Where requests are accepted.\n\
         \x20   listen: 127.0.0.1:8080\n",
        done(does)
    )
}

/// Writes what an instance does.
fn done(does: &Does) -> String {
    // JSON's strings are YAML's double-quoted ones.
    let quoted = |text: &str| serde_json::Value::from(text);
    let (artifact, command) = match does {
        Does::Run { artifact, command } => (artifact, quoted(command)),
        Does::Serve(folder) => {
            return format!(
                "    # The folder that is packed, shipped and served. An application of a single \
                 page\n    # also names the page that answers for all paths: `{{ root: dist, \
                 fallback: index.html }}`.\n    serve: {}\n",
                quoted(folder)
            );
        }
    };
    let artifact = match artifact {
        Some((path, remark)) => {
            let path = quoted(path);
            format!("    # What is packed and shipped: {remark}.\n    artifact: {path}\n")
        }
        None => {
            "    # What is packed and shipped; leave it out if the command is already there.\n    \
                 # artifact: ./build\n"
                .to_owned()
        }
    };
    format!(
        "{artifact}    # What starts an instance. It must listen on $PORT.\n    run: {command}\n"
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use leadsman_core::project::Project;

    use super::*;

    #[test]
    fn what_lies_in_the_folder_is_recognised_and_the_file_is_right() {
        let package = r#"{"main":"app.js","scripts":{"start":"node app.js"}}"#;
        for (name, content, what, run) in [
            (
                "Procfile",
                "worker: x\nweb: bin/serve -p $PORT\n",
                "a Procfile",
                "bin/serve -p $PORT",
            ),
            (
                "Procfile",
                "web: a && b 'c'\n",
                "a Procfile",
                r"sh -c 'a && b '\''c'\'''",
            ),
            (
                "Cargo.toml",
                "[package]\nname = \"tide\"\n",
                "a Cargo package",
                "./tide",
            ),
            (
                "Cargo.toml",
                "[workspace]\n",
                "a service of any kind",
                "./server --port $PORT",
            ),
            ("package.json", package, "a Node.js package", "npm start"),
            (
                "package.json",
                r#"{"main":"app.js"}"#,
                "a Node.js package",
                "node app.js",
            ),
            (
                "package.json",
                "broken",
                "a Node.js package",
                "node server.js",
            ),
            ("index.html", "<p>", "a static site", "serves ."),
            (
                "README",
                "",
                "a service of any kind",
                "./server --port $PORT",
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(name), content).unwrap();
            let found = Found::in_folder(folder.path());
            let does = match &found.does {
                Does::Run { command, .. } => command.clone(),
                Does::Serve(folder) => format!("serves {folder}"),
            };
            assert_eq!(
                (found.what.as_str(), does.as_str()),
                (what, run),
                "{name}: {content}"
            );
            let text = text("shop", &found);
            if let Err(problems) = Project::parse(&text, "leadsman.yaml") {
                panic!("{text}\n{problems}");
            }
        }
    }

    #[test]
    fn the_application_is_called_like_its_folder_as_far_as_that_is_a_name() {
        for (folder, expected) in [
            ("/srv/shop", "shop"),
            ("/srv/2nd My_Shop-", "nd-my-shop"),
            ("/", "app"),
            ("/x/42", "app"),
        ] {
            assert_eq!(application(Path::new(folder)), expected);
        }
    }

    #[test]
    fn the_file_says_what_to_change() {
        let found = Found::new(
            "a Procfile",
            Some((".", "this folder")),
            "serve $PORT".to_owned(),
        );
        expect![[r##"
            # What Leadsman runs, made for a Procfile. See every default with
            # `leadsman check --effective`, and every key with `leadsman schema`.
            application: shop

            services:
              web:
                # What is packed and shipped: this folder.
                artifact: "."
                # What starts an instance. It must listen on $PORT.
                run: "serve $PORT"
                # How many instances serve.
                instances: 2
                # When an instance is ready: a path that answers, such as /health, or tcp.
                ready: tcp

            environments:
              production:
                # Where requests are accepted.
                listen: 127.0.0.1:8080
        "##]]
        .assert_eq(&text("shop", &found));
        let served = Found {
            does: Does::Serve("dist"),
            ..found
        };
        let written = text("shop", &served);
        assert!(written.contains("\n    serve: \"dist\"\n"), "{written}");
        assert!(!written.contains("    run:"), "{written}");
    }
}
