//! The few styles that are used, by what they mean.

use anstyle::{AnsiColor, Style};

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const CARE: Style = AnsiColor::Yellow.on_default();
const STRONG: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Something that went wrong.
pub(crate) fn bad(text: &str) -> String {
    styled(BAD, text)
}

/// Something that is as it should be.
pub(crate) fn good(text: &str) -> String {
    styled(GOOD, text)
}

/// Something to look at.
pub(crate) fn care(text: &str) -> String {
    styled(CARE, text)
}

/// What the eye should find first.
pub(crate) fn strong(text: &str) -> String {
    styled(STRONG, text)
}

/// What the eye may skip.
pub(crate) fn dim(text: &str) -> String {
    styled(DIM, text)
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
