//! Reading captured output.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use leadsman_core::id::InstanceId;

use crate::files::{At as _, FileError, remove_folder};

/// The part of an output that is being written.
pub(crate) const ACTIVE: &str = "output.log";
/// How much one call reads.
const READ_BYTES: u64 = 1 << 20;

/// Where to begin reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// This many of the last lines.
    Last(usize),
    /// Where an earlier call ended: its [`Output::next`]. 0 is the oldest that is still kept.
    Offset(u64),
}

/// A stretch of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Whole lines; what is not UTF-8 is replaced. Empty where there is nothing new.
    pub text: String,
    /// Where to go on.
    pub next: u64,
}

/// The output of all instances, those that are gone included.
#[derive(Clone, Debug)]
pub struct Logs {
    folder: PathBuf,
}

impl Logs {
    /// Returns the logs below the state folder `state`.
    pub fn new(state: &Path) -> Self {
        Self {
            folder: state.join("logs"),
        }
    }

    /// Returns the folder of one instance's output.
    pub(crate) fn folder_of(&self, instance: &InstanceId) -> PathBuf {
        self.folder.join(instance.as_str())
    }

    /// Reads the output of `instance`; at most 1 MiB of it at a time.
    ///
    /// # Errors
    /// When there is no output of such an instance, or it cannot be read.
    pub fn read(&self, instance: &InstanceId, from: ReadFrom) -> Result<Output, FileError> {
        read(&self.folder_of(instance), from)
    }

    /// Removes the oldest outputs of instances that `is_kept` does not speak for, until all
    /// together take no more than `bytes_max`.
    pub(crate) fn prune(
        &self,
        bytes_max: u64,
        is_kept: impl Fn(&str) -> bool,
    ) -> Result<(), FileError> {
        let Ok(folders) = fs::read_dir(&self.folder) else {
            return Ok(());
        };
        let mut outputs: Vec<_> = folders
            .flatten()
            .filter_map(|folder| {
                let mut size = 0;
                let mut newest = None;
                for file in fs::read_dir(folder.path()).ok()?.flatten() {
                    let metadata = file.metadata().ok()?;
                    size += metadata.len();
                    newest = newest.max(metadata.modified().ok());
                }
                Some((newest, size, folder.path()))
            })
            .collect();
        outputs.sort();
        let mut sum: u64 = outputs.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in outputs {
            if sum <= bytes_max {
                break;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !is_kept(&name) {
                remove_folder(&path)?;
                sum -= size;
            }
        }
        Ok(())
    }
}

/// Reads the output that lies in `folder`.
pub(crate) fn read(folder: &Path, from: ReadFrom) -> Result<Output, FileError> {
    let parts = Parts::of(folder).at("read", folder)?;
    match from {
        ReadFrom::Offset(offset) => parts.read(offset),
        ReadFrom::Last(lines) => parts.last(lines),
    }
    .at("read", folder)
}

/// One part of an output that was rotated away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    /// How many bytes were written before it.
    begin: u64,
    length: u64,
    pub(crate) path: PathBuf,
}

/// The parts of one output.
#[derive(Debug)]
pub(crate) struct Parts {
    older: Vec<Part>,
    active: Option<File>,
}

impl Parts {
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        // Rotation may happen between looking for the older parts and opening the active one: then
        // the list has changed, and it is looked for again.
        let mut older = older_parts(folder)?;
        loop {
            let active = match File::open(folder.join(ACTIVE)) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let now = older_parts(folder)?;
            if now == older {
                return Ok(Self { older, active });
            }
            older = now;
        }
    }

    pub(crate) fn older(&self) -> &[Part] {
        &self.older
    }

    /// How many bytes were written before the active part.
    pub(crate) fn active_begin(&self) -> u64 {
        self.older.last().map_or(0, |part| part.begin + part.length)
    }

    fn end(&self) -> io::Result<u64> {
        let active = match &self.active {
            Some(file) => file.metadata()?.len(),
            None => 0,
        };
        Ok(self.active_begin() + active)
    }

    /// Reads from `offset` on, or from the oldest that is kept where that is later. An offset that
    /// was never reached belongs to an output that was removed: it is read from its end on.
    fn read(&self, offset: u64) -> io::Result<Output> {
        let oldest = self.older.first().map_or(0, |part| part.begin);
        let mut next = offset.clamp(oldest, self.end()?);
        let mut bytes = Vec::new();
        for part in &self.older {
            if (part.begin..part.begin + part.length).contains(&next) {
                let file = File::open(&part.path)?;
                next += read_some(&file, next - part.begin, &mut bytes)?;
            }
        }
        if next >= self.active_begin()
            && let Some(file) = &self.active
        {
            next += read_some(file, next - self.active_begin(), &mut bytes)?;
        }
        // A line that is cut by the limit, or just being written, is left for the next call.
        if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') {
            next -= (bytes.len() - end - 1) as u64;
            bytes.truncate(end + 1);
        }
        Ok(Output {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            next,
        })
    }

    fn last(&self, lines: usize) -> io::Result<Output> {
        let end = self.end()?;
        let mut output = self.read(end.saturating_sub(READ_BYTES))?;
        // What begins in the middle of a line shows that line not at all.
        if end > READ_BYTES
            && let Some(newline) = output.text.find('\n')
        {
            output.text.drain(..=newline);
        }
        let begins = output
            .text
            .rmatch_indices('\n')
            .nth(lines)
            .map(|(index, _)| index + 1);
        if let Some(begin) = begins {
            output.text.drain(..begin);
        }
        Ok(output)
    }
}

fn read_some(mut file: &File, offset: u64, bytes: &mut Vec<u8>) -> io::Result<u64> {
    let room = READ_BYTES.saturating_sub(bytes.len() as u64);
    file.seek(SeekFrom::Start(offset))?;
    file.take(room).read_to_end(bytes).map(|count| count as u64)
}

fn older_parts(folder: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| {
            name.strip_prefix("output.")?
                .strip_suffix(".log")?
                .parse::<u64>()
                .ok()
        });
        if let (Some(begin), Ok(metadata)) = (number, entry.metadata()) {
            parts.push(Part {
                begin,
                length: metadata.len(),
                path: entry.path(),
            });
        }
    }
    parts.sort();
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, parts: &[(&str, &str)]) {
        for (name, text) in parts {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn goes_on_across_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[(ACTIVE, "one\ntwo\n")]);
        let first = Parts::of(folder.path()).unwrap().read(0).unwrap();
        assert_eq!(
            first,
            Output {
                text: "one\ntwo\n".to_owned(),
                next: 8
            }
        );
        write(
            folder.path(),
            &[("output.00.log", "one\ntwo\nthree\n"), (ACTIVE, "four\nfi")],
        );
        let second = Parts::of(folder.path()).unwrap().read(first.next).unwrap();
        assert_eq!(
            second,
            Output {
                text: "three\nfour\n".to_owned(),
                next: 19
            }
        );
        write(folder.path(), &[(ACTIVE, "four\nfive\n")]);
        let third = Parts::of(folder.path()).unwrap().read(second.next).unwrap();
        assert_eq!(
            third,
            Output {
                text: "five\n".to_owned(),
                next: 24
            }
        );
        let nothing = Parts::of(folder.path()).unwrap().read(third.next).unwrap();
        assert_eq!(
            nothing,
            Output {
                text: String::new(),
                next: 24
            }
        );
    }

    #[test]
    fn begins_with_the_oldest_where_more_is_gone_and_at_the_end_where_less_is_there() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[("output.100.log", "old\n"), (ACTIVE, "new\n")],
        );
        let parts = Parts::of(folder.path()).unwrap();
        assert_eq!(parts.read(0).unwrap().text, "old\nnew\n");
        assert_eq!(
            parts.read(5_000).unwrap(),
            Output {
                text: String::new(),
                next: 108
            }
        );
    }

    #[test]
    fn shows_the_last_lines_of_all_parts() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[("output.0.log", "a\nb\n"), (ACTIVE, "c\n")],
        );
        let parts = Parts::of(folder.path()).unwrap();
        for (lines, text) in [
            (0, ""),
            (1, "c\n"),
            (2, "b\nc\n"),
            (3, "a\nb\nc\n"),
            (9, "a\nb\nc\n"),
        ] {
            assert_eq!(
                parts.last(lines).unwrap(),
                Output {
                    text: text.to_owned(),
                    next: 6
                }
            );
        }
    }

    #[test]
    fn removes_the_oldest_outputs_but_none_that_is_kept() {
        let state = tempfile::tempdir().unwrap();
        let logs = Logs::new(state.path());
        for (age, name) in ["running", "middle", "newest"].into_iter().enumerate() {
            let folder = state.path().join("logs").join(name);
            fs::create_dir_all(&folder).unwrap();
            let file = File::create(folder.join(ACTIVE)).unwrap();
            file.set_len(100).unwrap();
            let day = std::time::Duration::from_secs(86_400);
            let moment = std::time::SystemTime::UNIX_EPOCH + day * u32::try_from(age).unwrap();
            file.set_modified(moment).unwrap();
        }
        logs.prune(200, |name| name == "running").unwrap();
        let mut left: Vec<_> = fs::read_dir(state.path().join("logs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["newest", "running"]);
    }
}
