//! Text to a small tree in which everything knows its place.
//!
//! Only what a project file needs is let through: mappings with plain text as keys, lists, and
//! scalars kept as they were written, so that `1.10` stays `1.10`. Anchors, aliases, tags and the
//! like are refused, and size, depth and number of values are bounded: no text takes long.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError};

use super::codes::{DUPLICATE_KEY, SYNTAX, TOO_LARGE, UNSUPPORTED};
use super::problem::{Finding, Span, quoted};

const LONGEST_TEXT: usize = 1 << 20;
const DEEPEST: usize = 32;
const MOST_NODES: usize = 20_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Span,
    pub(super) value: Value,
}

/// What a node can be.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing, or `null` or `~`.
    Null,
    /// Something that is refused wherever it stands; this was noted already.
    Refused,
    /// Text as it was written; `plain` where it had no quotes.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text, each key once.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) at: Span,
    pub(super) text: String,
}

impl Node {
    /// Returns what the node is, as a person would call it.
    pub(super) fn kind(&self) -> String {
        match &self.value {
            Value::Null | Value::Refused => "nothing".to_owned(),
            Value::Scalar { text, .. } => quoted(text),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// Reads the tree, as far as the text is YAML, and whatever stands in the way.
pub(super) fn tree(text: &str) -> (Option<Node>, Vec<Finding>) {
    if text.len() > LONGEST_TEXT {
        let message = format!("the file has {} bytes; 1 MiB is the most", text.len());
        let hint = "keep data out of the project file";
        return (
            None,
            vec![Finding::new(&TOO_LARGE, Span::default(), message, hint)],
        );
    }
    let mut builder = Builder {
        text,
        ..Builder::default()
    };
    let result = builder.read();
    match result {
        Ok(()) => {
            let at = Span::default();
            // An empty file is a mapping without keys: what it lacks is the better message.
            let empty = Node {
                at,
                value: Value::Map(Vec::new()),
            };
            let root = builder
                .root
                .take()
                .filter(|root| !matches!(root.value, Value::Null));
            (Some(root.unwrap_or(empty)), builder.findings)
        }
        // What was noticed before is a consequence as often as not.
        Err(finding) => (None, vec![*finding]),
    }
}

/// A collection whose end has not come yet.
enum Open {
    List {
        at: Span,
        items: Vec<Node>,
    },
    Map {
        at: Span,
        entries: Vec<(Key, Node)>,
        seen: HashMap<String, Span>,
        key: Option<Key>,
    },
}

#[derive(Default)]
struct Builder<'t> {
    text: &'t str,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    findings: Vec<Finding>,
}

impl Builder<'_> {
    fn read(&mut self) -> Result<(), Box<Finding>> {
        let options = granit_parser::options! {
            flow_nesting_limit: DEEPEST,
            block_nesting_limit: DEEPEST,
            emit_unresolved_aliases: true,
            emit_comments: false,
        };
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = event.map_err(|error| Box::new(syntax(self.text, &error)))?;
            let at = self.span(&span);
            if event.is_node() {
                self.count(at)?;
            }
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        let hint = "put everything into the first one, without `---` between";
                        let message = "a second document begins here";
                        return Err(Box::new(Finding::new(&UNSUPPORTED, at, message, hint)));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.refuse_properties(at, anchor, tag.is_some());
                    let plain = matches!(style, ScalarStyle::Plain);
                    let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                    let value = if null {
                        Value::Null
                    } else {
                        Value::Scalar {
                            text: text.into_owned(),
                            plain,
                        }
                    };
                    self.complete(Node { at, value });
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.refuse_properties(at, anchor, tag.is_some());
                    self.begin(Open::List {
                        at,
                        items: Vec::new(),
                    })?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.refuse_properties(at, anchor, tag.is_some());
                    let (entries, seen) = (Vec::new(), HashMap::new());
                    self.begin(Open::Map {
                        at,
                        entries,
                        seen,
                        key: None,
                    })?;
                }
                Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                    Some(Open::List { at, items }) => {
                        self.complete(Node {
                            at,
                            value: Value::List(items),
                        });
                    }
                    Some(Open::Map { at, entries, .. }) => {
                        self.complete(Node {
                            at,
                            value: Value::Map(entries),
                        });
                    }
                    None => {}
                },
                Event::Alias(_) | Event::UnresolvedAlias(_) => {
                    self.refuse(at, "an alias", "write the value out");
                    self.complete(Node {
                        at,
                        value: Value::Refused,
                    });
                }
                Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentEnd
                | Event::Anchor(..)
                | _ => {}
            }
        }
        Ok(())
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        let start = span.start.byte_offset().unwrap_or(0).min(self.text.len());
        let end = span
            .end
            .byte_offset()
            .unwrap_or(start)
            .clamp(start, self.text.len());
        Span {
            start,
            end: start + self.text[start..end].trim_end().len(),
        }
    }

    fn count(&mut self, at: Span) -> Result<(), Box<Finding>> {
        self.nodes += 1;
        if self.nodes <= MOST_NODES {
            return Ok(());
        }
        let message = format!("the file holds more than {MOST_NODES} values");
        Err(Box::new(Finding::new(
            &TOO_LARGE,
            at,
            message,
            "keep data out of the project file",
        )))
    }

    fn begin(&mut self, open: Open) -> Result<(), Box<Finding>> {
        if self.open.len() >= DEEPEST {
            let (Open::List { at, .. } | Open::Map { at, .. }) = open;
            return Err(Box::new(too_deep(at)));
        }
        self.open.push(open);
        Ok(())
    }

    fn refuse(&mut self, at: Span, what: &str, hint: &str) {
        let message = format!("{what} cannot be used in a project file");
        self.findings
            .push(Finding::new(&UNSUPPORTED, at, message, hint));
    }

    fn refuse_properties(&mut self, at: Span, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.refuse(at, "an anchor", "take out the `&name` before this value");
        }
        if tagged {
            self.refuse(at, "a tag", "take out the `!name` before this value");
        }
    }

    /// Puts a finished node where it belongs.
    fn complete(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map {
                entries, seen, key, ..
            }) => match key.take() {
                None => {
                    let text = match &node.value {
                        Value::Scalar { text, .. } => text.clone(),
                        // A key of the same spelling is never asked for, so it stays without effect.
                        Value::Null | Value::Refused | Value::List(_) | Value::Map(_) => {
                            String::new()
                        }
                    };
                    let usable = matches!(node.value, Value::Scalar { .. });
                    *key = Some(Key { at: node.at, text });
                    if !usable {
                        let what = format!("{} as a key", node.kind());
                        self.refuse(node.at, &what, "a key is a word, followed by `:`");
                    }
                }
                Some(key) => {
                    if let Some(first) = seen.get(&key.text).copied() {
                        let line = 1 + self.text[..first.start].matches('\n').count();
                        let message = format!("{} is given twice", quoted(&key.text));
                        let hint = format!("the first one is in line {line}; take one of them out");
                        self.findings
                            .push(Finding::new(&DUPLICATE_KEY, key.at, message, hint));
                    } else {
                        seen.insert(key.text.clone(), key.at);
                        entries.push((key, node));
                    }
                }
            },
        }
    }
}

fn too_deep(at: Span) -> Finding {
    let message = format!("more than {DEEPEST} levels");
    Finding::new(
        &TOO_LARGE,
        at,
        message,
        "nothing in a project file is nested that deeply",
    )
}

/// Says in plain words what the parser did not understand.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser has many more kinds of error, each with a message of its own"
)]
fn syntax(text: &str, error: &ScanError) -> Finding {
    let start = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let at = Span { start, end: start };
    let (message, hint) = match error.kind() {
        ErrorKind::RecursionLimitExceeded => return too_deep(at),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar
        | ErrorKind::InvalidBlockEntryWhitespace
        | ErrorKind::InvalidMappingValueWhitespace => (
            "a tab stands here".to_owned(),
            "indent with spaces, two for each level",
        ),
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::DocumentIndicatorInQuotedScalar
        | ErrorKind::InvalidQuotedScalarIndent => (
            "a quote is not closed".to_owned(),
            "close it with the same kind of quote",
        ),
        ErrorKind::UnclosedFlowCollection { open } => (
            format!("`{open}` is not closed"),
            "close it; mind the commas between entries",
        ),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => (
            format!("`{open}` is closed by `{close}`"),
            "close it with its own kind of bracket",
        ),
        ErrorKind::MisplacedFlowCollectionEnd => (
            "a bracket is closed that was never opened".to_owned(),
            "take it out",
        ),
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => (
            "a comma or a closing bracket is missing".to_owned(),
            "separate entries by `,` and close with the bracket's partner",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (
            "a key without `:`".to_owned(),
            "write `key: value`, with a space behind the colon",
        ),
        ErrorKind::MappingValueNotAllowed => (
            "a `:` where none can be".to_owned(),
            "put text in quotes that contains `: `, or see whether the line above lacks its own",
        ),
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::MappingKeyNotAllowed
        | ErrorKind::BlockSequenceEntryNotAllowed => (
            "the indentation does not fit".to_owned(),
            "keys of one level begin in the same column, those below two spaces further right",
        ),
        ErrorKind::UnexpectedCharacter { character } => (
            format!("{} cannot stand here", quoted(&character.to_string())),
            "put the text in quotes",
        ),
        other => (
            other.to_string(),
            "compare the place with the example in the guide",
        ),
    };
    Finding::new(&SYNTAX, at, message, hint)
}
