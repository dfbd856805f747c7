//! The values of a project file that are text with a meaning: commands, paths, hosts, users.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{BAD_COMMAND, BAD_HOST, BAD_PATH, BAD_WORD};
use super::problem::{Span, quoted};
use super::read::{Merge, Read, Reader};
use super::values::schema;
use super::yaml::{Node, Value};

/// What has a meaning to a shell alone, as a word by itself.
const SHELL_WORDS: [&str; 12] = [
    "&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>", "2>&1", "&>",
];

/// A program and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Command(pub(super) Vec<String>);

impl Read for Command {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const WHAT: &str = "a command";
        const FORM: &str = "write it like `./server --quiet`, or as a list of words";
        let words = match &node.value {
            Value::List(nodes) => {
                let words: Vec<String> = nodes
                    .iter()
                    .filter_map(|node| {
                        reader.scalar(node, "a word of a command", "put it in quotes")
                    })
                    .map(str::to_owned)
                    .collect();
                if words.len() < nodes.len() {
                    return None;
                }
                words
            }
            Value::Null | Value::Refused | Value::Scalar { .. } | Value::Map(_) => {
                split_line(reader.text(node, WHAT, FORM)?, node.at, reader)?
            }
        };
        let problem = match words.first() {
            None => Some("there is no program to run"),
            Some(program) if program.trim().is_empty() => Some("the name of the program is empty"),
            Some(_) if words.iter().any(|word| word.contains('\0')) => {
                Some("a command cannot hold a NUL character")
            }
            Some(_) => None,
        };
        if let Some(problem) = problem {
            reader.note(&BAD_COMMAND, node.at, problem, FORM);
            return None;
        }
        Some(Self(words))
    }
}

impl Merge for Command {}

schema!(
    Command,
    json_schema!({
        "title": "command",
        "anyOf": [
            { "type": "string", "pattern": r"\S" },
            { "type": "array", "items": { "type": ["string", "number", "boolean"] }, "minItems": 1 },
        ],
    })
);

/// Splits a line as a shell would, and refuses what only a shell would understand.
fn split_line(line: &str, at: Span, reader: &mut Reader) -> Option<Vec<String>> {
    let Ok(words) = shell_words::split(line) else {
        let hint = "close it with the same kind, or write the command as a list of words";
        reader.note(
            &BAD_COMMAND,
            at,
            "a quote in this command is not closed",
            hint,
        );
        return None;
    };
    let assigns = |word: &&String| {
        word.split_once('=')
            .is_some_and(|(name, _)| is_variable(name))
    };
    let (message, hint) =
        if let Some(word) = words.iter().find(|w| SHELL_WORDS.contains(&w.as_str())) {
            let message = format!("`{word}` needs a shell, and none is involved here");
            let hint = if words.first().is_some_and(|program| program == "cd") {
                "say where it runs with `folder`, or write `sh -c '...'`"
            } else {
                "write `sh -c '...'`, or a list of words if it is meant as an argument"
            };
            (message, hint)
        } else if let Some(word) = words.first().filter(assigns) {
            let message = format!("{} sets a variable, which needs a shell", quoted(word));
            (message, "put the variable under `env`")
        } else {
            return Some(words);
        };
    reader.note(&BAD_COMMAND, at, message, hint);
    None
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The path of an artifact, relative to the project file.
#[derive(Clone, Debug)]
pub(super) struct ArtifactPath(pub(super) String);

impl Read for ArtifactPath {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        file_path(node, reader).map(|path| Self(path.to_owned()))
    }
}

impl Merge for ArtifactPath {}

schema!(
    ArtifactPath,
    json_schema!({ "title": "path", "type": "string", "pattern": r"^[^/~\\][^\\]*$" })
);

/// The path of a folder inside an artifact.
#[derive(Clone, Debug)]
pub(super) struct FolderPath(pub(super) String);

impl Read for FolderPath {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let path = file_path(node, reader)?;
        if path.split('/').any(|part| part == "..") {
            let message = format!("{} leads out of the folder it lies in", quoted(path));
            reader.note(&BAD_PATH, node.at, message, "write a path without `..`");
            return None;
        }
        Some(Self(path.to_owned()))
    }
}

impl Merge for FolderPath {}

schema!(
    FolderPath,
    json_schema!({ "title": "path", "type": "string", "pattern": r"^[^/~\\][^\\]*$" })
);

fn file_path<'n>(node: &'n Node, reader: &mut Reader) -> Option<&'n str> {
    let path = reader.text(node, "a path", "write it like `./dist`")?;
    let (message, hint) = if path.trim().is_empty() {
        ("the path is empty".to_owned(), "write it like `./dist`")
    } else if path.starts_with(['/', '~']) {
        let message = format!("{} is not relative to the project file", quoted(path));
        (
            message,
            "write it like `./dist`, so that it means the same on every machine",
        )
    } else if path.contains(|c: char| c == '\\' || c.is_control()) {
        (
            format!("{} is not a path", quoted(path)),
            "separate folders by `/`",
        )
    } else if path.len() > 1024 {
        (
            format!("{} is too long for a path", quoted(path)),
            "1024 bytes are the most",
        )
    } else {
        return Some(path);
    };
    reader.note(&BAD_PATH, node.at, message, hint);
    None
}

/// A file on the machine where the application runs, by its full path: one in `PEM` form, or one that
/// holds a token.
#[derive(Clone, Debug)]
pub(super) struct MachineFile<const PEM: bool>(pub(super) String);

impl<const PEM: bool> Read for MachineFile<PEM> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let form = if PEM {
            "write it like `/etc/shop/certificate.pem`"
        } else {
            "write it like `/etc/shop/prometheus.token`"
        };
        let path = reader.text(node, "a path", form)?;
        let usable =
            path.starts_with('/') && path.len() <= 1024 && !path.contains(|c: char| c.is_control());
        if !usable {
            let message = format!("{} is not the full path of a file", quoted(path));
            reader.note(&BAD_PATH, node.at, message, form);
        }
        usable.then(|| Self(path.to_owned()))
    }
}

impl<const PEM: bool> Merge for MachineFile<PEM> {}

schema!(
    for<const PEM: bool> MachineFile<PEM>,
    json_schema!({ "title": "full path", "type": "string", "pattern": "^/" })
);

/// The path of a probe, which may have a query.
#[derive(Clone, Debug)]
pub(super) struct ProbePath(pub(super) String);

impl Read for ProbePath {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        request_path(node, true, reader).map(|path| Self(path.to_owned()))
    }
}

impl Merge for ProbePath {}

schema!(
    ProbePath,
    json_schema!({ "title": "path of a request", "type": "string", "pattern": r"^/[^#\s]*$" })
);

/// The path of requests. What lies below `/api/` and below `/api` is the same: it does not end
/// with `/`, unless it is `/`.
#[derive(Clone, Debug)]
pub(super) struct RequestPath(pub(super) String);

impl Read for RequestPath {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let path = request_path(node, false, reader)?;
        let trimmed = path.trim_end_matches('/');
        Some(Self(
            if trimmed.is_empty() { "/" } else { trimmed }.to_owned(),
        ))
    }
}

impl Merge for RequestPath {}

schema!(
    RequestPath,
    json_schema!({ "title": "path of requests", "type": "string", "pattern": r"^/[^?#*\s]*$" })
);

fn request_path<'n>(node: &'n Node, is_probe: bool, reader: &mut Reader) -> Option<&'n str> {
    let path = reader.text(node, "a path", "write it like `/api`")?;
    let hint = if !path.starts_with('/') {
        let path = path.trim_start_matches("./");
        format!(
            "a path begins with `/`: write {}",
            quoted(&format!("/{path}"))
        )
    } else if path.contains('*') && !is_probe {
        "a path includes all that lies below it; take the `*` out".to_owned()
    } else if path.contains('#') || path.contains('?') && !is_probe {
        "a path has no query and no fragment here".to_owned()
    } else if path.chars().any(|c| !c.is_ascii_graphic()) {
        "write blanks and letters outside of ASCII with percent signs, such as `%20`".to_owned()
    } else if path.len() > 1024 {
        "1024 characters are the most".to_owned()
    } else {
        return Some(path);
    };
    reader.note(
        &BAD_PATH,
        node.at,
        format!("{} is not a path", quoted(path)),
        hint,
    );
    None
}

/// The name of a host, in lower case.
#[derive(Clone, Debug)]
pub(super) struct Host(pub(super) String);

impl Read for Host {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "the name of a host", "write it like `shop.example`")?;
        let host = text.to_lowercase();
        let part = |part: &str| {
            (1..=63).contains(&part.len())
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        };
        if host.len() <= 253 && host.split('.').all(part) {
            return Some(Self(host));
        }
        let bare = host.split_once("://").map_or(&*host, |(_, rest)| rest);
        let bare = bare.split(['/', ':']).next().unwrap_or_default();
        let hint = if bare != host && bare.split('.').all(part) {
            format!("write the name alone: {}", quoted(bare))
        } else {
            "write it like `shop.example`, or leave `host` out for every host".to_owned()
        };
        reader.note(
            &BAD_HOST,
            node.at,
            format!("{} is not a host name", quoted(text)),
            hint,
        );
        None
    }
}

impl Merge for Host {}

schema!(
    Host,
    json_schema!({ "title": "host", "type": "string", "pattern": r"^[A-Za-z0-9_.-]{1,253}$" })
);

/// A user of the operating system, by name or number.
#[derive(Clone, Debug)]
pub(super) struct User(pub(super) String);

impl Read for User {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "a user", "write its name, such as `www-data`")?;
        let usable = (1..=64).contains(&text.len())
            && !text.starts_with('-')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !usable {
            let message = format!("{} cannot be a user", quoted(text));
            reader.note(
                &BAD_WORD,
                node.at,
                message,
                "write its name, such as `www-data`",
            );
        }
        usable.then(|| Self(text.to_owned()))
    }
}

impl Merge for User {}

schema!(
    User,
    json_schema!({
        "title": "user",
        "anyOf": [
            { "type": "string", "pattern": "^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}$" },
            { "type": "integer", "minimum": 0 },
        ],
    })
);
