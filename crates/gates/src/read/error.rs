//! Why a report says nothing.

use std::fmt;

use super::looks;
use crate::facts::bounded;
use crate::kind::ReportKind;

/// A place in a report, from 1. A column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column in it.
    pub column: usize,
}

impl Place {
    /// Returns the place of a byte. One behind the end is the end.
    pub(super) fn of(bytes: &[u8], at: usize) -> Self {
        let before = bytes.get(..at).unwrap_or(bytes);
        let start = before
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let lines = before.iter().filter(|&&byte| byte == b'\n').count();
        let line = String::from_utf8_lossy(before.get(start..).unwrap_or_default());
        Self {
            line: lines + 1,
            column: line.chars().count() + 1,
        }
    }
}

/// What is wrong with a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is larger than it may be.
    #[error("it has {bytes} bytes, and {most} are the most")]
    TooLarge {
        /// How many bytes it has.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
    /// It has more parts than it may have.
    #[error("it has more than {most} {what}")]
    TooMany {
        /// What there is too much of, such as "elements".
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// It is nested deeper than it may be.
    #[error("it is nested more than {most} levels deep")]
    TooDeep {
        /// How many levels there may be.
        most: usize,
    },
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is not UTF-8.
    #[error("it is not text in UTF-8")]
    NotText,
    /// It ends too early.
    #[error("it ends {0}: it was cut off")]
    CutOff(String),
    /// It breaks a rule of the format.
    #[error("{0}")]
    Syntax(String),
    /// It holds what only an attack would.
    #[error("{0}, which is refused: nothing that a tool reports needs it")]
    Hostile(&'static str),
    /// It is something else.
    #[error("it has {0}")]
    OtherKind(String),
    /// What it says cannot be.
    #[error("{0}")]
    Implausible(String),
}

/// Why a report could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// What it was to be; `None` until the reader is done with it.
    kind: Option<ReportKind>,
    /// What is wrong.
    pub wrong: Wrong,
    /// Where; `None` if that is no place in it.
    pub place: Option<Place>,
    /// What it looks like instead.
    pub looks_like: Option<ReportKind>,
}

impl ReadError {
    pub(super) fn new(wrong: Wrong) -> Self {
        Self {
            kind: None,
            wrong,
            place: None,
            looks_like: None,
        }
    }

    pub(super) fn at(wrong: Wrong, bytes: &[u8], at: usize) -> Self {
        Self {
            place: Some(Place::of(bytes, at)),
            ..Self::new(wrong)
        }
    }

    pub(super) fn in_line(wrong: Wrong, line: usize) -> Self {
        Self {
            place: Some(Place { line, column: 1 }),
            ..Self::new(wrong)
        }
    }

    /// Adds what the report was to be, and looks at what it is instead.
    pub(super) fn of(self, kind: ReportKind, bytes: &[u8]) -> Self {
        let looks_like = match self.wrong {
            Wrong::Syntax(_) | Wrong::OtherKind(_) => looks::guess(bytes),
            Wrong::TooLarge { .. }
            | Wrong::TooMany { .. }
            | Wrong::TooDeep { .. }
            | Wrong::Empty
            | Wrong::NotText
            | Wrong::CutOff(_)
            | Wrong::Hostile(_)
            | Wrong::Implausible(_) => None,
        };
        Self {
            kind: Some(kind),
            looks_like: looks_like.filter(|looks_like| *looks_like != kind),
            ..self
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed to read the report")?;
        if let Some(kind) = self.kind {
            write!(f, " as {}", kind.title())?;
        }
        // It may repeat what the report has, which is somebody else's.
        write!(f, ": {}", bounded(&self.wrong.to_string(), 300))?;
        if let Some(Place { line, column }) = self.place {
            write!(f, " (line {line}, column {column})")?;
        }
        if let Some(kind) = self.looks_like {
            write!(f, "; it looks like {} (`{}`)", kind.title(), kind.as_str())?;
        }
        Ok(())
    }
}

impl std::error::Error for ReadError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        for (at, line, column) in [(0, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 1), (99, 2, 2)] {
            let place = Place::of("äb\nc".as_bytes(), at);
            assert_eq!((place.line, place.column), (line, column), "{at}");
        }
    }
}
