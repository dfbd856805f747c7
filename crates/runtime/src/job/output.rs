//! What a job writes: masked, line by line, into one log.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::mask::{Mask, Patterns};
use crate::shim::Output;

/// A longer line is cut in pieces: a job that never ends one must not fill the memory.
const LINE_BYTES_MAX: usize = 64 << 10;
/// How much is taken from one pipe before others get their turn.
const TURN_BYTES: usize = 64 << 10;

/// The end of a pipe that a process writes its output to.
#[derive(Debug)]
pub(super) struct Source {
    pipe: File,
    /// What its lines begin with.
    prefix: String,
    mask: Mask,
    partial: Vec<u8>,
}

impl Source {
    pub(super) fn new(pipe: OwnedFd, prefix: &str) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Self {
            pipe: pipe.into(),
            prefix: prefix.to_owned(),
            mask: Mask::default(),
            partial: Vec::new(),
        })
    }

    /// Takes what there is, up to a fair share, and writes it to `output`. Returns whether there may
    /// be more to come.
    pub(super) fn take(&mut self, patterns: &Patterns, output: &mut Output) -> bool {
        let mut buffer = [0; TURN_BYTES];
        match self.pipe.read(&mut buffer) {
            Ok(0) => {
                self.finish(patterns, output);
                false
            }
            Ok(count) => {
                let shown = self.mask.take(patterns, &buffer[..count]);
                self.add(&shown, output);
                true
            }
            Err(error) => {
                let again = matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                );
                if !again {
                    self.finish(patterns, output);
                }
                again
            }
        }
    }

    /// Writes what is left, whether or not the pipe is still open.
    pub(super) fn finish(&mut self, patterns: &Patterns, output: &mut Output) {
        let shown = self.mask.finish(patterns);
        self.add(&shown, output);
        let rest = std::mem::take(&mut self.partial);
        if !rest.is_empty() {
            self.write(&rest, output);
        }
    }

    fn add(&mut self, shown: &[u8], output: &mut Output) {
        self.partial.extend_from_slice(shown);
        let end = match self.partial.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => newline + 1,
            None if self.partial.len() >= LINE_BYTES_MAX => self.partial.len(),
            None => return,
        };
        let rest = self.partial.split_off(end);
        let lines = std::mem::replace(&mut self.partial, rest);
        self.write(&lines, output);
    }

    fn write(&self, lines: &[u8], output: &mut Output) {
        if self.prefix.is_empty() {
            output.write(lines.to_vec());
            return;
        }
        let mut prefixed = Vec::with_capacity(lines.len() + 64);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            prefixed.extend_from_slice(self.prefix.as_bytes());
            prefixed.extend_from_slice(line);
        }
        output.write(prefixed);
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
