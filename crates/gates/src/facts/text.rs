//! Text out of reports, made fit to be kept and shown.

/// Returns the first line that says something, with at most `most` characters and none that a
/// terminal would obey.
pub(crate) fn bounded(text: &str, most: usize) -> String {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let mut kept = String::new();
    for (count, c) in line.chars().enumerate() {
        if count == most {
            kept.push('…');
            break;
        }
        kept.push(if is_plain(c) { c } else { '\u{fffd}' });
    }
    kept
}

/// Says whether a character is only itself: what turns the direction of text is taken for worse.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_line_that_no_terminal_obeys() {
        for (text, kept) in [
            ("", ""),
            ("\n\n  a == b  \nmore", "a == b"),
            ("\u{1b}[31mred", "\u{fffd}[31mred"),
            ("a\tb\u{202e}c", "a\u{fffd}b\u{fffd}c"),
            ("0123456789", "0123456789"),
            ("01234567890", "0123456789…"),
            ("ääääääääääää", "ääääääääää…"),
        ] {
            assert_eq!(bounded(text, 10), kept, "{text:?}");
        }
    }
}
