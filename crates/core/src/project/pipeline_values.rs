//! The values that jobs are described by: how each is written, its bounds, its JSON Schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{
    BAD_COMMAND, BAD_NAME, BAD_PATTERN, BAD_SCHEDULE, BAD_VARIABLE, BAD_WORD, OUT_OF_RANGE,
};
use super::problem::quoted;
use super::read::{Located, Merge, Read, Reader};
use super::shape::{List, MapKey};
use super::texts::{Command, FolderPath};
use super::values::{VariableKey, schema};
use super::yaml::{Key, Node, Value};
use crate::bundle::Pattern;
use crate::pipeline::is_matrix_value;
use crate::schedule::Cron;

/// One command line, or several of them.
#[derive(Clone, Debug)]
pub(super) struct CommandLines(pub(super) Vec<Vec<String>>);

impl Read for CommandLines {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::List(nodes) = &node.value else {
            return Command::read(node, reader).map(|command| Self(vec![command.0]));
        };
        if nodes.is_empty() {
            let hint = "write a command line such as `make test`, or a list of them";
            reader.note(&BAD_COMMAND, node.at, "there is no program to run", hint);
            return None;
        }
        let list = List::<Command, 100>::read(node, reader)?;
        Some(Self(
            list.items.into_iter().map(|command| command.0).collect(),
        ))
    }
}

impl Merge for CommandLines {}

schema!(
    CommandLines,
    json_schema!({
        "title": "command lines",
        "anyOf": [
            { "type": "string", "pattern": r"\S" },
            {
                "type": "array",
                "items": {
                    "anyOf": [
                        { "type": "string", "pattern": r"\S" },
                        {
                            "type": "array",
                            "items": { "type": ["string", "number", "boolean"] },
                            "minItems": 1,
                        },
                    ],
                },
                "minItems": 1,
                "maxItems": 100,
            },
        ],
    })
);

/// A text for a shell.
#[derive(Clone, Debug)]
pub(super) struct Script(pub(super) String);

impl Read for Script {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it behind `script: |`, line by line";
        let text = reader.text(node, "a text for a shell", FORM)?;
        let problem = if text.trim().is_empty() {
            "the script is empty"
        } else if text.contains('\0') {
            "a script cannot hold a NUL character"
        } else if text.len() > 64 << 10 {
            "the script has more than 64 KiB"
        } else {
            return Some(Self(text.to_owned()));
        };
        reader.note(&BAD_COMMAND, node.at, problem, FORM);
        None
    }
}

impl Merge for Script {}

schema!(
    Script,
    json_schema!({ "title": "text for /bin/sh", "type": "string", "pattern": r"\S" })
);

/// When something is due by the clock.
#[derive(Clone, Debug)]
pub(super) struct CronText(pub(super) String);

impl Read for CronText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "a schedule", "write it like `\"0 3 * * *\"`")?;
        match Cron::parse(text) {
            Ok(_) => Some(Self(text.to_owned())),
            Err(hint) => {
                let message = format!("{} is not a schedule", quoted(text));
                reader.note(&BAD_SCHEDULE, node.at, message, hint);
                None
            }
        }
    }
}

impl Merge for CronText {}

schema!(
    CronText,
    json_schema!({ "title": "five fields of cron", "type": "string" })
);

/// A pattern of files of the commit.
#[derive(Clone, Debug)]
pub(super) struct InputPattern(pub(super) Pattern);

impl Read for InputPattern {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(node, "a pattern of files", "write it like `src/**`")?;
        match Pattern::try_from(text.to_owned()) {
            Ok(pattern) => Some(Self(pattern)),
            Err(problem) => {
                let message = format!("{} is not a pattern for files", quoted(text));
                reader.note(&BAD_PATTERN, node.at, message, problem.0);
                None
            }
        }
    }
}

impl Merge for InputPattern {}

schema!(
    InputPattern,
    json_schema!({ "title": "pattern of files", "type": "string", "pattern": r"^[^\\]{1,256}$" })
);

/// The path of a report, in whose last part `*` stands for any characters.
#[derive(Clone, Debug)]
pub(super) struct ReportPath(pub(super) String);

impl Read for ReportPath {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        FolderPath::read(node, reader).map(|path| Self(path.0))
    }
}

impl Merge for ReportPath {}

schema!(
    ReportPath,
    json_schema!({ "title": "path", "type": "string", "pattern": r"^[^/~\\][^\\]*$" })
);

/// One path, or several of them.
#[derive(Clone, Debug)]
pub(super) struct Paths(pub(super) Vec<String>);

impl Read for Paths {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if matches!(node.value, Value::List(_)) {
            let list = List::<ReportPath, 50>::read(node, reader)?;
            return Some(Self(list.items.into_iter().map(|path| path.0).collect()));
        }
        ReportPath::read(node, reader).map(|path| Self(vec![path.0]))
    }
}

impl Merge for Paths {}

impl JsonSchema for Paths {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Paths".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let path = ReportPath::json_schema(generator);
        json_schema!({
            "title": "paths",
            "anyOf": [path, { "type": "array", "items": path, "maxItems": 50 }],
        })
    }
}

/// One value of a matrix: it becomes a part of the job's name.
#[derive(Clone, Debug)]
pub(super) struct MatrixText(pub(super) Located<String>);

impl Read for MatrixText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "use 1 to 40 of letters, digits, `.`, `_`, `+` and `-`, beginning with a \
                            letter or a digit";
        let text = reader.scalar(node, "a value", FORM)?;
        if !is_matrix_value(text) || text.ends_with('.') {
            let message = format!("{} cannot be a value of a matrix", quoted(text));
            reader.note(&BAD_WORD, node.at, message, FORM);
            return None;
        }
        Some(Self(Located {
            value: text.to_owned(),
            at: node.at,
        }))
    }
}

impl Merge for MatrixText {}

schema!(
    MatrixText,
    json_schema!({ "title": "value", "type": ["string", "number", "boolean"] })
);

/// The keys of `secrets` are environment variables.
#[derive(Clone, Debug)]
pub(super) struct SecretKey;

impl MapKey for SecretKey {
    const WHAT: &'static str = "a mapping of secrets";
    const TAKEN: &'static [&'static str] = VariableKey::TAKEN;
    const PATTERN: &'static str = VariableKey::PATTERN;

    fn check(key: &Key, reader: &mut Reader) -> bool {
        VariableKey::check(key, reader)
    }
}

/// The name of an environment variable, as a value.
#[derive(Clone, Debug)]
pub(super) struct VariableName(pub(super) String);

impl Read for VariableName {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write its name without `$`, such as `DEPLOY_TOKEN`";
        let text = reader.text(node, "the name of a variable", FORM)?;
        let usable = (1..=200).contains(&text.len())
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !usable {
            let message = format!("{} cannot be an environment variable", quoted(text));
            reader.note(&BAD_VARIABLE, node.at, message, FORM);
        }
        usable.then(|| Self(text.to_owned()))
    }
}

impl Merge for VariableName {}

schema!(
    VariableName,
    json_schema!({ "title": "name of a variable", "type": "string", "pattern": VariableKey::PATTERN })
);

/// The keys of `tools` are programs.
#[derive(Clone, Debug)]
pub(super) struct ToolKey;

impl MapKey for ToolKey {
    const WHAT: &'static str = "a mapping of tools";
    const PATTERN: &'static str = "^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$";

    fn check(key: &Key, reader: &mut Reader) -> bool {
        let text = key.text.as_str();
        let usable = (1..=64).contains(&text.len())
            && !text.starts_with(['.', '+', '-'])
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '-'));
        if !usable {
            let message = format!("{} cannot be a program", quoted(text));
            let hint = "write its name as it is found in PATH, such as `cargo`";
            reader.note(&BAD_NAME, key.at, message, hint);
        }
        usable
    }
}

/// The version that a tool has to name.
#[derive(Clone, Debug)]
pub(super) struct ToolText(pub(super) String);

impl Read for ToolText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `1.95` or `1.95.0`";
        let text = reader.scalar(node, "a version", FORM)?;
        let usable = (1..=40).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
        if !usable {
            let message = format!("{} is not a version", quoted(text));
            reader.note(&OUT_OF_RANGE, node.at, message, FORM);
        }
        usable.then(|| Self(text.to_owned()))
    }
}

impl Merge for ToolText {}

schema!(
    ToolText,
    json_schema!({ "title": "version", "type": ["string", "number"] })
);

/// The keys of `numbers`.
#[derive(Clone, Debug)]
pub(super) struct NumberKey;

impl MapKey for NumberKey {
    const WHAT: &'static str = "a mapping of numbers";
    const PATTERN: &'static str = "^[a-z][a-z0-9_]{0,39}$";

    fn check(key: &Key, reader: &mut Reader) -> bool {
        let text = key.text.as_str();
        let usable = (1..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !usable {
            let message = format!("{} is not usable as the name of a number", quoted(text));
            let hint = "use 1 to 40 of a-z, 0-9 and _, beginning with a letter";
            reader.note(&BAD_NAME, key.at, message, hint);
        }
        usable
    }
}
