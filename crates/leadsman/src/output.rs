//! The one door through which everything is said: data to standard output, talk to standard
//! error.

use std::io::{self, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use crate::codes::Code;
use crate::failure::{Exit, Failure};
use crate::render::words;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    // On a terminal, unless `NO_COLOR` is set. No doc comments here: they would fill every help.
    Auto,
    Always,
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// A failure as a script reads it.
#[derive(Serialize)]
struct Reported<'f> {
    error: &'f Failure,
}

/// Where text is replaced by newer text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    /// Standard output.
    Data,
    /// Standard error.
    Talk,
}

/// Where everything is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    color: ColorChoice,
    quiet: bool,
    json: bool,
}

impl Output {
    pub(crate) fn new(color: Color, quiet: bool, json: bool) -> Self {
        Self {
            color: color.into(),
            quiet,
            json,
        }
    }

    /// Whether a script reads the data.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether data is coloured: on a terminal unless `NO_COLOR` is set, if nothing else was said.
    pub(crate) fn is_coloured(self) -> bool {
        match self.color {
            ColorChoice::Auto => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            ColorChoice::Always | ColorChoice::AlwaysAnsi => true,
            ColorChoice::Never => false,
        }
    }

    /// Prints data: `text`, which ends with a line end, if it is not empty.
    pub(crate) fn data(self, text: &str) -> Result<(), Failure> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.color);
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(output_failure)
    }

    /// Prints data for a script, in one line if more such documents will follow.
    pub(crate) fn json(self, value: &impl Serialize, more_follow: bool) -> Result<(), Failure> {
        let mut text = if more_follow {
            serde_json::to_string(value)
        } else {
            serde_json::to_string_pretty(value)
        }
        .expect("what is printed has only text as keys");
        text.push('\n');
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(output_failure)
    }

    /// Prints `value` to a script, or what `text` makes of it to a person.
    pub(crate) fn either<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            self.json(value, false)
        } else {
            self.data(&text(value))
        }
    }

    /// Says something about what is being done; not with `--quiet`.
    pub(crate) fn talk(self, text: &str) {
        if !self.quiet {
            self.error_text(&format!("{text}\n"));
        }
    }

    /// Says that something did not work; also with `--quiet`.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            let object = serde_json::to_string(&Reported { error: failure });
            self.error_text(&format!("{}\n", object.expect("it has only text as keys")));
        } else {
            self.error_text(&failure.to_text());
        }
    }

    /// Whether text on `screen` can be replaced by newer text.
    pub(crate) fn can_redraw(self, screen: Screen) -> bool {
        match screen {
            Screen::Data => !self.json && io::stdout().is_terminal(),
            Screen::Talk => !self.quiet && !self.json && io::stderr().is_terminal(),
        }
    }

    /// Writes `text` in place of the `lines` lines above it, and returns how many lines it has.
    /// No line is longer than the terminal is wide, so that none takes two.
    pub(crate) fn redraw(self, screen: Screen, lines: usize, text: &str) -> usize {
        let width = terminal_width();
        let mut drawn = String::new();
        for line in text.lines() {
            drawn.push_str(&words::cut(line, width));
            drawn.push('\n');
        }
        // Up to the first of them, and everything below is erased.
        let back = if lines > 0 {
            format!("\x1b[{lines}A\x1b[J")
        } else {
            String::new()
        };
        // The terminal may go away; what is watched goes on without it.
        match screen {
            Screen::Data => {
                let mut stdout = io::stdout().lock();
                drop(stdout.write_all(back.as_bytes()));
                drop(AutoStream::new(stdout, self.color).write_all(drawn.as_bytes()));
            }
            Screen::Talk => {
                let mut stderr = io::stderr().lock();
                drop(stderr.write_all(back.as_bytes()));
                drop(AutoStream::new(stderr, self.color).write_all(drawn.as_bytes()));
            }
        }
        text.lines().count()
    }

    fn error_text(self, text: &str) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        // Nobody is left to be told that standard error does not work.
        drop(stderr.write_all(text.as_bytes()));
    }
}

/// Returns how many columns the terminal of standard error has.
fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns >= 20)
        .unwrap_or(80)
}

/// Turns an error of standard output into a failure. A reader that went away is none: it has
/// what it wanted, so the program ends in silence.
pub(crate) fn output_failure(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::silent(Exit::Done);
    }
    Failure::new(Code::NotWritten, "failed to write to standard output").because(&error)
}
