//! Errors as one line of words.

use std::error::Error;
use std::fmt::Write as _;

/// Returns what `error` says and what caused it, joined with `: `.
pub fn words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").expect("writing to a string cannot fail");
        source = cause.source();
    }
    text
}
