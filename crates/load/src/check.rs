//! Looks for a text in a body that comes in pieces.

/// What is looked for, and the end of what came last: the text may lie across two pieces.
pub(crate) struct Search<'t> {
    text: &'t [u8],
    tail: Vec<u8>,
    found: bool,
}

impl<'t> Search<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            tail: Vec::new(),
            found: text.is_empty(),
        }
    }

    /// Looks at the next piece.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        if self.found {
            return;
        }
        let keep = self.text.len() - 1;
        // The end of what came and the beginning of what comes, and then what comes.
        self.tail
            .extend_from_slice(piece.get(..keep).unwrap_or(piece));
        self.found = holds(&self.tail, self.text) || holds(piece, self.text);
        if piece.len() >= keep {
            self.tail.clear();
            self.tail.extend_from_slice(&piece[piece.len() - keep..]);
        } else if self.tail.len() > keep {
            self.tail.drain(..self.tail.len() - keep);
        }
    }

    pub(crate) fn found(&self) -> bool {
        self.found
    }
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_however_the_body_is_cut() {
        let body = b"one two three";
        for text in [&b"two"[..], b"one", b"three", b"one two three", b"e", b""] {
            for size in 1..=body.len() {
                let mut search = Search::new(text);
                body.chunks(size).for_each(|piece| search.add(piece));
                assert!(search.found(), "{text:?} in pieces of {size}");
            }
        }
        for text in [&b"twoo"[..], b"one two three four", b"x"] {
            for size in 1..=body.len() {
                let mut search = Search::new(text);
                body.chunks(size).for_each(|piece| search.add(piece));
                assert!(!search.found(), "{text:?} in pieces of {size}");
            }
        }
    }
}
