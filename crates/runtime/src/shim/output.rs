//! Capturing output: whole lines, into a file that is rotated, never at the service's expense.
//!
//! A part that was rotated away is called `output.<begin>.log`, where `<begin>` counts the bytes
//! that were written before it. Any byte ever written so has one number for good, which is all that
//! a reader must remember to go on.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use super::OutputSpec;
use crate::files::{At as _, FileError, create_private_folder};
use crate::logs::{ACTIVE, Parts};

/// A longer line is cut in pieces: a service that never ends one must not fill the memory.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// How much is taken from one pipe before others get their turn.
const TURN_BYTES: usize = 64 * 1024;
/// How many of the last lines are remembered, and how much of each.
const LAST_LINES: usize = 3;
const LAST_LINE_CHARS: usize = 300;

/// The end of a pipe that a process writes its output to.
#[derive(Debug)]
pub(super) struct Source {
    pipe: File,
    partial: Vec<u8>,
}

impl Source {
    pub(super) fn new(pipe: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Self {
            pipe: pipe.into(),
            partial: Vec::new(),
        })
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// Writes captured output.
#[derive(Debug)]
pub(crate) struct Output {
    spec: OutputSpec,
    file: Option<File>,
    /// How many bytes were written before the active part, and to it.
    begin: u64,
    length: u64,
    last_lines: VecDeque<String>,
    dropped_lines: u64,
    /// Of these, how many no line in the file tells of yet.
    untold_lines: u64,
}

impl Output {
    pub(crate) fn open(spec: OutputSpec) -> Result<Self, FileError> {
        create_private_folder(&spec.folder)?;
        let begin = Parts::of(&spec.folder)
            .at("read", &spec.folder)?
            .active_begin();
        let mut output = Self {
            spec,
            file: None,
            begin,
            length: 0,
            last_lines: VecDeque::new(),
            dropped_lines: 0,
            untold_lines: 0,
        };
        let path = output.spec.folder.join(ACTIVE);
        output.reopen().at("open", &path)?;
        Ok(output)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.spec.folder.join(ACTIVE))?;
        self.length = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// How many lines could not be written.
    pub(super) fn dropped_lines(&self) -> u64 {
        self.dropped_lines
    }

    /// Begins to remember the last lines anew: another process writes from now on.
    pub(crate) fn forget_last_lines(&mut self) {
        self.last_lines.clear();
    }

    /// Returns the last lines, without control characters and cut to a readable length.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        self.last_lines.iter().cloned().collect()
    }

    /// Takes what `source` has, up to a fair share. Returns whether there may be more to come.
    pub(super) fn take(&mut self, source: &mut Source) -> bool {
        let mut buffer = [0; TURN_BYTES];
        match source.pipe.read(&mut buffer) {
            Ok(0) => {
                self.finish(source);
                false
            }
            Ok(count) => {
                source.partial.extend_from_slice(&buffer[..count]);
                let end = match source.partial.iter().rposition(|byte| *byte == b'\n') {
                    Some(newline) => newline + 1,
                    None if source.partial.len() >= LINE_BYTES_MAX => source.partial.len(),
                    None => 0,
                };
                if end > 0 {
                    let rest = source.partial.split_off(end);
                    let lines = std::mem::replace(&mut source.partial, rest);
                    self.write(lines);
                }
                true
            }
            Err(error) => {
                let again = matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                );
                if !again {
                    self.finish(source);
                }
                again
            }
        }
    }

    /// Takes what is left in a pipe whose writers are gone.
    pub(super) fn drain(&mut self, source: &mut Source) {
        // All writers were killed, so this comes to an end. Should one have escaped, it is not
        // waited for.
        for _ in 0..64 {
            if !self.take(source) {
                return;
            }
        }
        self.finish(source);
    }

    fn finish(&mut self, source: &mut Source) {
        let partial = std::mem::take(&mut source.partial);
        if !partial.is_empty() {
            self.write(partial);
        }
    }

    /// Writes whole lines; a missing end of the last one is added.
    pub(crate) fn write(&mut self, mut lines: Vec<u8>) {
        if lines.last() != Some(&b'\n') {
            lines.push(b'\n');
        }
        self.remember(&lines);
        if self.untold_lines > 0 {
            let note = format!(
                "[leadsman: {} lines of output could not be written]\n",
                self.untold_lines
            );
            if self.append(note.as_bytes()) {
                self.untold_lines = 0;
            }
        }
        if !self.append(&lines) {
            let count = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.dropped_lines += count;
            self.untold_lines += count;
        }
        if self.length >= self.spec.rotate_bytes {
            self.rotate();
        }
    }

    /// Appends all of `bytes` or, where that is not possible, nothing.
    fn append(&mut self, bytes: &[u8]) -> bool {
        if self.file.is_none() && self.reopen().is_err() {
            return false;
        }
        let Some(file) = &mut self.file else {
            return false;
        };
        if file.write_all(bytes).is_ok() {
            self.length += bytes.len() as u64;
            return true;
        }
        // A part of it may be there: a line is kept whole or not at all.
        let _unchanged = file.set_len(self.length);
        false
    }

    fn rotate(&mut self) {
        let name = format!("output.{:020}.log", self.begin);
        if fs::rename(self.spec.folder.join(ACTIVE), self.spec.folder.join(name)).is_err() {
            return;
        }
        self.file = None;
        self.begin += std::mem::take(&mut self.length);
        if let Ok(parts) = Parts::of(&self.spec.folder) {
            let keep = self.spec.keep.max(1) as usize;
            for part in parts.older().iter().rev().skip(keep) {
                // What cannot be removed now is tried again at the next rotation.
                let _later = fs::remove_file(&part.path);
            }
        }
        // Where it fails it is tried again with the next line.
        let _later = self.reopen();
    }

    fn remember(&mut self, lines: &[u8]) {
        let all = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let mut last: Vec<&[u8]> = all.rev().take(LAST_LINES).collect();
        last.reverse();
        for line in last {
            let line = &line[..line.len().min(4 * LAST_LINE_CHARS)];
            let readable: String = String::from_utf8_lossy(line)
                .chars()
                .map(|c| if c == '\t' { ' ' } else { c })
                .filter(|c| !c.is_control())
                .take(LAST_LINE_CHARS)
                .collect();
            if !readable.trim().is_empty() {
                self.last_lines.push_back(readable);
            }
        }
        while self.last_lines.len() > LAST_LINES {
            self.last_lines.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(folder: &std::path::Path, rotate_bytes: u64) -> Output {
        Output::open(OutputSpec {
            folder: folder.to_owned(),
            rotate_bytes,
            keep: 2,
        })
        .unwrap()
    }

    #[test]
    fn rotates_and_keeps_the_last_parts() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = output(folder.path(), 100);
        for number in 0..50 {
            output.write(format!("line {number:04}\n").into_bytes());
        }
        let parts = Parts::of(folder.path()).unwrap();
        assert_eq!(parts.older().len(), 2);
        assert_eq!(parts.active_begin(), 500);
        assert_eq!(output.last_lines(), ["line 0047", "line 0048", "line 0049"]);
        // Another shim goes on where this one ended.
        drop(output);
        assert_eq!(super::tests::output(folder.path(), 100).begin, 500);
    }

    #[test]
    fn a_full_disk_drops_lines_and_tells_of_it_once_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join(ACTIVE)).unwrap();
        let mut output = output(folder.path(), 1 << 20);
        output.write(b"one\ntwo\n".to_vec());
        assert_eq!(output.dropped_lines(), 2);
        fs::remove_file(folder.path().join(ACTIVE)).unwrap();
        output.reopen().unwrap();
        output.write(b"three\n".to_vec());
        let text = fs::read_to_string(folder.path().join(ACTIVE)).unwrap();
        assert_eq!(
            text,
            "[leadsman: 2 lines of output could not be written]\nthree\n"
        );
        assert_eq!(output.dropped_lines(), 2);
    }

    #[test]
    fn lines_of_two_sources_do_not_mix_and_endless_ones_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = output(folder.path(), 1 << 20);
        let (read_one, write_one) = io::pipe().unwrap();
        let (read_two, write_two) = io::pipe().unwrap();
        let mut one = Source::new(read_one.into()).unwrap();
        let mut two = Source::new(read_two.into()).unwrap();
        rustix::io::write(&write_one, b"half").unwrap();
        assert!(output.take(&mut one));
        rustix::io::write(&write_two, b"other\n").unwrap();
        assert!(output.take(&mut two));
        rustix::io::write(&write_one, b" and half\nrest").unwrap();
        drop(write_one);
        output.drain(&mut one);
        let text = fs::read_to_string(folder.path().join(ACTIVE)).unwrap();
        assert_eq!(text, "other\nhalf and half\nrest\n");
        for _ in 0..2 {
            rustix::io::write(&write_two, &vec![b'x'; LINE_BYTES_MAX / 2]).unwrap();
            assert!(output.take(&mut two));
        }
        let length = fs::metadata(folder.path().join(ACTIVE)).unwrap().len();
        assert_eq!(length, text.len() as u64 + LINE_BYTES_MAX as u64 + 1);
    }

    #[test]
    fn remembered_lines_hold_no_control_characters() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = output(folder.path(), 1 << 20);
        output.write(b"\x1b[31mred\x1b[0m\ttext\r\n\n\x07\n".to_vec());
        output.write(vec![b'y'; 5_000]);
        let lines = output.last_lines();
        assert_eq!(lines[0], "[31mred[0m text");
        assert_eq!(lines[1].len(), LAST_LINE_CHARS);
    }
}
