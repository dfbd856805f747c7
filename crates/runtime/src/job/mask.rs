//! Keeping secrets out of output.
//!
//! A secret is hidden as it is, and in the spellings that programs print it in without meaning any
//! harm: base64 (of either alphabet, at any place of a longer text), percent signs, hexadecimal
//! digits, and quoted for JSON. Output comes in pieces, so whatever could be the beginning of a
//! secret is held back until more is known. Who transforms a secret in other ways can print it: this
//! is against accidents, not against the job's own author.

use std::collections::BTreeSet;

/// What stands in the place of a secret.
const HIDDEN: &[u8] = b"***";

/// A shorter secret would hide parts of ordinary words, and be guessed from what is missing.
pub(super) const SECRET_BYTES_MIN: usize = 6;

/// A longer line of a secret is hidden by this much of its beginning and all of its parts.
const PATTERN_BYTES_MAX: usize = 16 << 10;

/// All that must not be printed.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    /// By first byte.
    by_first: Vec<Vec<Vec<u8>>>,
    longest: usize,
}

impl Patterns {
    /// Returns the patterns of `secrets` in all their spellings.
    pub(super) fn of<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Self {
        let mut all = BTreeSet::new();
        for secret in secrets {
            // A secret of several lines, such as a key, may be printed line by line, indented.
            let lines = secret
                .split(|byte| *byte == b'\n')
                .map(|line| line.trim_ascii());
            for part in lines.chain([secret.trim_ascii()]) {
                if part.len() >= SECRET_BYTES_MIN {
                    spellings(&part[..part.len().min(PATTERN_BYTES_MAX)], &mut all);
                }
            }
        }
        let mut patterns = Self {
            by_first: vec![Vec::new(); 256],
            longest: all.iter().map(Vec::len).max().unwrap_or(0),
        };
        for pattern in all {
            if let Some(first) = pattern.first() {
                patterns.by_first[usize::from(*first)].push(pattern);
            }
        }
        patterns
    }

    /// Returns how far the longest pattern reaches that `bytes` begin with, and whether they could be
    /// the beginning of one that is longer than they are.
    fn at(&self, bytes: &[u8]) -> (usize, bool) {
        let (mut longest, mut open) = (0, false);
        let Some(patterns) = bytes
            .first()
            .and_then(|first| self.by_first.get(usize::from(*first)))
        else {
            return (0, false);
        };
        for pattern in patterns {
            if bytes.starts_with(pattern) {
                longest = longest.max(pattern.len());
            } else if pattern.starts_with(bytes) {
                open = true;
            }
        }
        (longest, open)
    }
}

/// Adds every spelling of `secret`.
fn spellings(secret: &[u8], all: &mut BTreeSet<Vec<u8>>) {
    all.insert(secret.to_vec());
    for alphabet in [BASE64, BASE64_URL] {
        for before in 0..3 {
            let pattern = base64_inside(secret, before, alphabet);
            if pattern.len() >= SECRET_BYTES_MIN {
                all.insert(pattern);
            }
        }
    }
    for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
        let hex = |byte: u8| {
            [
                digits[usize::from(byte >> 4)],
                digits[usize::from(byte & 15)],
            ]
        };
        all.insert(secret.iter().flat_map(|byte| hex(*byte)).collect());
        for keep in [&b"-._~"[..], b"-._~!*'()", b"-._~/:@", b"-._*"] {
            let mut percent = Vec::new();
            let mut form = Vec::new();
            for byte in secret {
                if byte.is_ascii_alphanumeric() || keep.contains(byte) {
                    percent.push(*byte);
                    form.push(*byte);
                } else {
                    percent.push(b'%');
                    percent.extend(hex(*byte));
                    if *byte == b' ' {
                        form.push(b'+');
                    } else {
                        form.push(b'%');
                        form.extend(hex(*byte));
                    }
                }
            }
            all.insert(percent);
            all.insert(form);
        }
    }
    if let Ok(text) = std::str::from_utf8(secret)
        && let Ok(json) = serde_json::to_string(text)
    {
        all.insert(json.trim_matches('"').as_bytes().to_vec());
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Returns what of the base64 of a text is the same wherever `secret` stands in it behind `before`
/// bytes (modulo 3): characters that also depend on its neighbours are left out.
fn base64_inside(secret: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let bits = |index: usize| -> Option<u8> {
        // The index of a bit of the text, counted from the first byte before the secret.
        let byte = secret.get((index / 8).checked_sub(before)?)?;
        Some(byte >> (7 - index % 8) & 1)
    };
    let first = (before * 8).div_ceil(6);
    let last = (before + secret.len()) * 8 / 6;
    (first..last)
        .filter_map(|character| {
            let mut value = 0;
            for bit in 0..6 {
                value = value << 1 | bits(character * 6 + bit)?;
            }
            alphabet.get(usize::from(value)).copied()
        })
        .collect()
}

/// Hides what must not be printed in one stream of bytes.
#[derive(Debug, Default)]
pub(super) struct Mask {
    held: Vec<u8>,
}

impl Mask {
    /// Takes the next bytes of the stream, and returns those that may be shown by now.
    pub(super) fn take(&mut self, patterns: &Patterns, bytes: &[u8]) -> Vec<u8> {
        if patterns.longest == 0 {
            return bytes.to_vec();
        }
        self.held.extend_from_slice(bytes);
        self.pass(patterns, false)
    }

    /// Returns what is left at the end of the stream.
    pub(super) fn finish(&mut self, patterns: &Patterns) -> Vec<u8> {
        self.pass(patterns, true)
    }

    fn pass(&mut self, patterns: &Patterns, is_end: bool) -> Vec<u8> {
        let held = &self.held;
        // From where on it has to wait: nothing that begins before could still become a secret.
        let mut wait = held.len();
        let mut hidden = vec![false; held.len()];
        let mut covered = 0;
        // Where the stretch begins that is hidden up to `covered`.
        let mut stretch = 0;
        for at in 0..held.len() {
            let (length, open) = patterns.at(&held[at..]);
            if open && !is_end {
                // What overlaps with it must not be told apart from it.
                wait = wait.min(if at < covered { stretch } else { at });
                // Secrets that go on without an end are hidden piece by piece.
                if held.len() - wait <= 2 * patterns.longest + (64 << 10) {
                    break;
                }
                wait = held.len();
            }
            if length > 0 {
                if at >= covered {
                    stretch = at;
                }
                let end = at + length;
                hidden[at.max(covered).min(end)..end].fill(true);
                covered = covered.max(end);
            }
        }
        if covered > wait {
            wait = wait.min(stretch);
        }
        let mut shown = Vec::with_capacity(wait);
        let mut within = false;
        for (byte, hide) in held.iter().zip(&hidden).take(wait) {
            match (hide, within) {
                (true, false) => shown.extend_from_slice(HIDDEN),
                (true, true) => {}
                (false, _) => shown.push(*byte),
            }
            within = *hide;
        }
        self.held.drain(..wait);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(secrets: &[&str], pieces: &[&str]) -> String {
        let patterns = Patterns::of(secrets.iter().map(|secret| secret.as_bytes()));
        let mut mask = Mask::default();
        let mut shown = Vec::new();
        for piece in pieces {
            shown.extend(mask.take(&patterns, piece.as_bytes()));
        }
        shown.extend(mask.finish(&patterns));
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn a_secret_is_hidden_in_whatever_pieces_it_comes() {
        let text = "begin hunter2-hunter2 middle hunter2-hunter2";
        for size in 1..text.len() {
            let pieces: Vec<&str> = (0..text.len())
                .step_by(size)
                .map(|at| &text[at..text.len().min(at + size)])
                .collect();
            let shown = masked(&["hunter2-hunter2"], &pieces);
            assert_eq!(shown, "begin *** middle ***", "{size}");
        }
    }

    #[test]
    fn what_only_looks_like_the_beginning_is_shown() {
        assert_eq!(
            masked(&["hunter2!"], &["hunt", "er", "2 hun"]),
            "hunter2 hun"
        );
    }

    #[test]
    fn secrets_that_overlap_or_contain_each_other_are_hidden_whole() {
        assert_eq!(masked(&["abcdefg", "efghijk"], &["-abcdefghijk-"]), "-***-");
        assert_eq!(
            masked(&["abcdefg", "efghijk"], &["-abcdefg", "hijk-"]),
            "-***-"
        );
        assert_eq!(
            masked(&["abcdef", "abcdefghij"], &["abcdef", "ghij"]),
            "***"
        );
        assert_eq!(
            masked(&["abcdef", "abcdefghij"], &["abcdef", "gh."]),
            "***gh."
        );
    }

    #[test]
    fn every_spelling_is_hidden() {
        let secret = "p@ss wörd/+\"1";
        for (spelled, expected) in [
            (secret.to_owned(), "<***>"),
            ("p%40ss%20w%C3%B6rd%2F%2B%221".to_owned(), "<***>"),
            ("p%40ss%20w%c3%b6rd%2f%2b%221".to_owned(), "<***>"),
            ("p%40ss+w%C3%B6rd%2F%2B%221".to_owned(), "<***>"),
            ("p@ss wörd/+\\\"1".to_owned(), "<***>"),
            ("70407373 2077".to_owned(), "<70407373 2077>"),
            ("704073732077c3b672642f2b2231".to_owned(), "<***>"),
        ] {
            assert_eq!(
                masked(&[secret], &[&format!("<{spelled}>")]),
                expected,
                "{spelled}"
            );
        }
    }

    #[test]
    fn base64_is_hidden_wherever_the_secret_stands_in_it() {
        let secret = b"swordfish-9000";
        for before in 0..4 {
            for behind in 0..4 {
                let mut text = vec![b'x'; before];
                text.extend_from_slice(secret);
                text.extend(std::iter::repeat_n(b'y', behind));
                let spelled = encoded(&text);
                let shown = masked(&["swordfish-9000"], &[&spelled]);
                // At most one character on either side depends on the neighbours as well.
                assert!(
                    shown.contains("***"),
                    "{before} {behind}: {spelled} {shown}"
                );
                let told = shown.replace("***", "").replace('=', "").len();
                assert!(told <= (before + behind) * 4 / 3 + 3, "{shown}");
            }
        }
    }

    fn encoded(text: &[u8]) -> String {
        let mut encoded = String::new();
        for chunk in text.chunks(3) {
            let number = chunk
                .iter()
                .chain([0, 0].iter())
                .take(3)
                .fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
            for place in 0..4 {
                if place <= chunk.len() {
                    encoded.push(char::from(BASE64[number >> (18 - 6 * place) & 63]));
                } else {
                    encoded.push('=');
                }
            }
        }
        encoded
    }

    #[test]
    fn the_lines_of_a_key_are_hidden_one_by_one() {
        let key = "-----BEGIN KEY-----\nQUJDREVGR0g=\nSUpLTE1OT1A=\n-----END KEY-----\n";
        let shown = masked(&[key], &["  QUJDREVGR0g=\n  SUpLTE1OT1A=\n"]);
        assert_eq!(shown, "  ***\n  ***\n");
    }

    #[test]
    fn without_secrets_nothing_is_held_back() {
        let mut mask = Mask::default();
        assert_eq!(mask.take(&Patterns::of([]), b"half"), b"half");
    }

    #[test]
    fn a_secret_that_repeats_itself_does_not_fill_the_memory() {
        let secret = "aaaaaaaa";
        let patterns = Patterns::of([secret.as_bytes()]);
        let mut mask = Mask::default();
        for _ in 0..100 {
            mask.take(&patterns, &[b'a'; 4096]);
        }
        assert!(mask.held.len() < 200_000, "{}", mask.held.len());
    }
}
