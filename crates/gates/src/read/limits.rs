//! What a report may be.

use super::error::{ReadError, Wrong};

/// How large, how deep and how full a report may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes it may have.
    pub bytes: usize,
    /// How deep it may be nested.
    pub depth: usize,
    /// How many elements, objects, lists or lines that mean something it may have.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            depth: 100,
            values: 1_000_000,
        }
    }
}

impl Limits {
    /// Returns the bytes as text, if they are few enough and UTF-8.
    pub(super) fn text<'b>(&self, bytes: &'b [u8]) -> Result<&'b str, ReadError> {
        if bytes.len() > self.bytes {
            return Err(ReadError::new(Wrong::TooLarge {
                bytes: bytes.len(),
                most: self.bytes,
            }));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| ReadError::at(Wrong::NotText, bytes, error.valid_up_to()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(ReadError::new(Wrong::Empty));
        }
        Ok(text)
    }
}
