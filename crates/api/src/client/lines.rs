//! An answer that is read line by line while it is being written.

use std::marker::PhantomData;

use bytes::{Buf as _, BytesMut};
use serde::de::DeserializeOwned;

use super::{Answer, Error};

/// The longest line that is taken, in bytes. Instances' lines are cut far below it.
const LINE_SIZE_MAX: usize = 4 << 20;

/// The lines of an answer as they come in, each one value.
pub struct Lines<T> {
    answer: Answer,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no end of line.
    searched: usize,
    /// What the lines begin with that hold a value; others are passed over.
    mark: &'static [u8],
    values: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    pub(super) fn new(answer: Answer) -> Self {
        Self {
            answer,
            buffer: BytesMut::new(),
            searched: 0,
            mark: b"",
            values: PhantomData,
        }
    }

    /// The data of server-sent events, each of which is on one line.
    pub(super) fn of_events(answer: Answer) -> Self {
        Self {
            mark: b"data:",
            ..Self::new(answer)
        }
    }

    /// Returns the next line; `None` behind the last one. May be dropped while it waits without
    /// losing a line.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        loop {
            while let Some(line) = self.take_line() {
                match line.strip_prefix(self.mark) {
                    None | Some([]) => {}
                    Some(value) => return self.decode(value).map(Some),
                }
            }
            if self.buffer.len() > LINE_SIZE_MAX {
                return Err(self.not_understood("a line has more than 4 MiB".into()));
            }
            match self.answer.chunk().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(self.not_understood("the last line has no end".into())),
            }
        }
    }

    /// Takes the first whole line from the buffer, without its end.
    fn take_line(&mut self) -> Option<BytesMut> {
        let rest = self.buffer.get(self.searched..).unwrap_or(&[]);
        match rest.iter().position(|&byte| byte == b'\n') {
            Some(offset) => {
                let line = self.buffer.split_to(self.searched + offset);
                self.buffer.advance(1);
                self.searched = 0;
                Some(line)
            }
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }

    fn decode(&self, line: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(line).map_err(|source| self.not_understood(Box::new(source)))
    }

    fn not_understood(&self, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::NotUnderstood {
            request: self.answer.request(),
            source,
        }
    }
}
