//! What is wrong with a project file: where, why, and how to mend it.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;

use super::codes::{Code, Severity};

/// How many problems are told at once. More would scroll the first one off every screen.
const SHOWN: usize = 100;
/// How many characters of a source line are shown.
const LINE: usize = 120;
/// How many characters of what somebody wrote are repeated in a message.
const QUOTED: usize = 60;

/// A part of the text, in bytes. The end is exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Where something stands in a project file. Lines and columns count from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The line.
    pub line: usize,
    /// The column of the first character.
    pub column: usize,
    /// How many characters of that line are meant; at least 1.
    pub length: usize,
}

/// One thing that is wrong with a project file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind of problem, such as `P003`: a key for [`explain`](super::explain).
    pub code: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// What is wrong, in lower case and without full stop.
    pub message: String,
    /// Where.
    pub location: Location,
    /// The line it stands in, made safe for a terminal; of a very long one the part that matters.
    pub source_line: String,
    /// How to mend it.
    pub hint: String,
    /// How many characters of `source_line` stand before the location.
    #[serde(skip)]
    indent: usize,
}

/// What is wrong with a project file, in the order of the text. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problems {
    file_name: String,
    problems: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    /// Returns the name of the file, as it was given.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns the problems, at most 100 of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.problems.iter()
    }

    /// Returns how many there are, those included that [`iter`](Self::iter) leaves out.
    pub fn count(&self) -> usize {
        self.problems.len() + self.omitted
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            let Problem {
                code,
                severity,
                message,
                location,
                source_line,
                hint,
                indent,
            } = problem;
            let Location {
                line,
                column,
                length,
            } = location;
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            let caret = " ".repeat(*indent) + &"^".repeat(shown_length(*length, *indent));
            writeln!(f, "{}[{code}]: {message}", severity.as_str())?;
            writeln!(
                f,
                "{margin}--> {}:{line}:{column}",
                safe(&self.file_name, usize::MAX)
            )?;
            writeln!(f, "{margin} |")?;
            writeln!(f, "{}", format!("{number} | {source_line}").trim_end())?;
            writeln!(f, "{margin} | {caret}")?;
            write!(f, "hint: {hint}")?;
        }
        if self.omitted > 0 {
            write!(f, "\n\n... and {} more", self.omitted)?;
        }
        Ok(())
    }
}

/// A problem as it was found, before lines and columns are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Finding {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) at: Span,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Finding {
    pub(super) fn new(
        code: &'static Code,
        at: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            code: code.code,
            severity: code.severity,
            at,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// Puts the findings in the order of the text, each once, with lines and columns.
pub(super) fn located(text: &str, file_name: &str, mut findings: Vec<Finding>) -> Problems {
    let mut seen = HashSet::new();
    findings.retain(|finding| seen.insert(finding.clone()));
    findings.sort_by_key(|finding| (finding.at, finding.code));
    let omitted = findings.len().saturating_sub(SHOWN);
    findings.truncate(SHOWN);
    let lines = LineIndex::new(text);
    let problems = findings
        .into_iter()
        .map(|finding| lines.locate(finding))
        .collect();
    Problems {
        file_name: file_name.to_owned(),
        problems,
        omitted,
    }
}

/// The lines of a text, each with the byte it begins at.
struct LineIndex<'t> {
    lines: Vec<(usize, &'t str)>,
}

impl<'t> LineIndex<'t> {
    fn new(text: &'t str) -> Self {
        let mut start = 0;
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            lines.push((start, line.trim_end_matches(['\n', '\r'])));
            start += line.len();
        }
        if lines.is_empty() {
            lines.push((0, ""));
        }
        Self { lines }
    }

    fn locate(&self, finding: Finding) -> Problem {
        let Finding {
            code,
            severity,
            at,
            message,
            hint,
        } = finding;
        let index = self
            .lines
            .partition_point(|(start, _)| *start <= at.start)
            .saturating_sub(1);
        let (line_start, line) = self.lines.get(index).copied().unwrap_or_default();
        let from = boundary(line, at.start - line_start);
        let to = boundary(line, at.end.saturating_sub(line_start)).max(from);
        let before = line[..from].chars().count();
        let length = line[from..to].chars().count().max(1);
        // Of a long line, what is shown begins a little before the place that is meant.
        let skipped = if before + length <= LINE {
            0
        } else {
            before - LINE / 4
        };
        let shown: String = line.chars().skip(skipped).take(LINE).collect();
        Problem {
            code,
            severity,
            message,
            location: Location {
                line: index + 1,
                column: before + 1,
                length,
            },
            source_line: safe(&shown, LINE),
            hint,
            indent: before - skipped,
        }
    }
}

/// Returns the last beginning of a character that is not behind `at`.
fn boundary(line: &str, at: usize) -> usize {
    (0..=at.min(line.len()))
        .rev()
        .find(|at| line.is_char_boundary(*at))
        .unwrap_or(0)
}

/// Returns how many carets fit below a shown line.
fn shown_length(length: usize, indent: usize) -> usize {
    length.min(LINE.saturating_sub(indent)).max(1)
}

/// Returns `text` without what could command a terminal: one harmless character for each.
fn safe(text: &str, most: usize) -> String {
    text.chars()
        .take(most)
        .map(|c| match c {
            '\t' => ' ',
            c if is_unsafe(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Whether a character commands a terminal or turns the direction of writing.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns what somebody wrote, in backticks, short and safe to print.
pub(super) fn quoted(text: &str) -> String {
    let ellipsis = if text.chars().nth(QUOTED).is_some() {
        "..."
    } else {
        ""
    };
    format!("`{}{ellipsis}`", safe(text, QUOTED))
}
