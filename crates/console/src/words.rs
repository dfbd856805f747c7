//! Words that only pages have; what they share with the terminal is in the API.

use std::fmt;

use jiff::tz::TimeZone;
use leadsman_api::words::{self, plain};
use leadsman_api::{Moment, Outcome, Phase};

/// A moment as a page shows it. The script writes it by the clock of whoever looks; without one it
/// is in UTC.
pub(crate) struct Shown {
    /// As machines read it.
    pub(crate) exact: String,
    /// As people do.
    pub(crate) text: String,
}

/// Returns a moment as it is shown at the moment `now`.
pub(crate) fn shown(moment: Moment, now: Moment) -> Shown {
    let utc = |moment: Moment| {
        let millis = i64::try_from(moment.0).unwrap_or(i64::MAX);
        let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        moment.to_zoned(TimeZone::UTC)
    };
    let (at, now) = (utc(moment), utc(now));
    let format = if at.date() == now.date() {
        "%H:%M:%S UTC"
    } else {
        "%F %H:%M UTC"
    };
    Shown {
        exact: at.timestamp().to_string(),
        text: at.strftime(format).to_string(),
    }
}

/// Somebody's text on a page: escaped, on one line, and what stands in backticks as code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said(String);

/// Returns a text as a page shows it.
pub(crate) fn said(text: &str) -> Said {
    Said(plain(text))
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pieces = self.0.split('`').peekable();
        let mut in_code = false;
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            match (in_code, is_last) {
                (true, false) => write!(f, "<code>{}</code>", Escaped(piece))?,
                // A backtick without another one stands for itself.
                (true, true) => write!(f, "`{}", Escaped(piece))?,
                (false, _) => Escaped(piece).fmt(f)?,
            }
            in_code = !in_code;
        }
        Ok(())
    }
}

/// It has escaped everything that is not its own.
impl askama::filters::HtmlSafe for Said {}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match askama::filters::escape(self.0, askama::filters::Html) {
            Ok(escaped) => escaped.fmt(f),
            Err(never) => match never {},
        }
    }
}

/// How something stands, for the eye: a word, a shape and a colour that say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Care,
    Busy,
    Plain,
}

impl Tone {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Care => "care",
            Self::Busy => "busy",
            Self::Plain => "plain",
        }
    }

    /// Returns its shape, for who does not tell colours apart.
    pub(crate) const fn shape(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✕",
            Self::Care => "!",
            Self::Busy => "▶",
            Self::Plain => "·",
        }
    }
}

/// Returns where a deployment is, and how that is shown.
pub(crate) const fn phase(phase: Phase) -> (&'static str, Tone) {
    let tone = match phase {
        Phase::Moving => Tone::Busy,
        Phase::Paused | Phase::Returning => Tone::Care,
        Phase::Frozen | Phase::RolledBack | Phase::Abandoned => Tone::Bad,
        Phase::Settling | Phase::Settled => Tone::Good,
        Phase::Superseded => Tone::Plain,
    };
    (words::phase(phase), tone)
}

pub(crate) const fn outcome(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Pass => Tone::Good,
        Outcome::Fail => Tone::Bad,
        Outcome::Inconclusive => Tone::Busy,
        Outcome::NoData | Outcome::SourceError => Tone::Care,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_are_shown_and_never_do_anything() {
        for (text, shown) in [
            ("`web` holds 5 %", "<code>web</code> holds 5 %"),
            ("a `b` c `d`", "a <code>b</code> c <code>d</code>"),
            ("one ` alone", "one ` alone"),
            (
                "<script>`</b>`",
                "&#60;script&#62;<code>&#60;/b&#62;</code>",
            ),
            ("a & \"b\" 'c'", "a &#38; &#34;b&#34; &#39;c&#39;"),
            ("turned \u{202e}round\u{1b}[31m", "turned round[31m"),
        ] {
            assert_eq!(said(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_moment_of_another_day_has_its_date() {
        let now = Moment(1_790_000_000_000);
        let today = shown(Moment(now.0 - 60_000), now);
        assert_eq!(today.text, "14:12:20 UTC");
        assert_eq!(today.exact, "2026-09-21T14:12:20Z");
        let before = shown(Moment(now.0 - 86_400_000), now);
        assert_eq!(before.text, "2026-09-20 14:13 UTC");
    }
}
