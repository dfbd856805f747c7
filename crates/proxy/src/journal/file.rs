//! A file that lines are appended to, and that is exchanged for a new one when it is full.
//!
//! Two processes may write into the same file while one succeeds the other, and somebody else may
//! move it away. So lines are written whole, at the end wherever that is; before each time it is
//! looked whether the name still leads to the file that is open; and whoever exchanges it holds a
//! lock on it meanwhile.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Appends lines to a file, and begins a new one when it is full.
#[derive(Debug)]
pub(super) struct Rotating {
    path: PathBuf,
    bytes_max: u64,
    kept: usize,
    open: Option<File>,
}

impl Rotating {
    pub(super) fn new(path: &Path, bytes_max: u64, kept: usize) -> Self {
        Self {
            path: path.to_owned(),
            bytes_max,
            kept,
            open: None,
        }
    }

    /// Appends whole lines.
    ///
    /// # Errors
    /// They are not written, or not all of them.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.try_append(lines);
        if written.is_err() {
            // What is wrong with it may be mended by opening it anew.
            self.open = None;
        }
        written
    }

    fn try_append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut file = self.current()?;
        let length = file.metadata()?.len();
        if length > 0 && length.saturating_add(lines.len() as u64) > self.bytes_max {
            self.exchange(&file)?;
            self.open = None;
            file = self.current()?;
        }
        file.write_all(lines)?;
        self.open = Some(file);
        Ok(())
    }

    /// Returns the file that has the name.
    fn current(&mut self) -> io::Result<File> {
        if let Some(open) = self.open.take()
            && has_name(&open, &self.path)
        {
            return Ok(open);
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        // What users ask for is nobody else's to read.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
    }

    /// Moves the files out of the way: the last one goes.
    fn exchange(&self, full: &File) -> io::Result<()> {
        full.lock()?;
        // Another process may have been first.
        if !has_name(full, &self.path) {
            return Ok(());
        }
        for number in (1..self.kept).rev() {
            match fs::rename(self.earlier(number), self.earlier(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        match self.kept {
            0 => fs::remove_file(&self.path),
            _ => fs::rename(&self.path, self.earlier(1)),
        }
    }

    fn earlier(&self, number: usize) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

fn has_name(file: &File, path: &Path) -> bool {
    let identity = |of: fs::Metadata| (of.dev(), of.ino());
    let (Ok(open), Ok(named)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    identity(open) == identity(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    fn named(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        files.iter().map(owned).collect()
    }

    #[test]
    fn a_full_file_is_exchanged_and_only_some_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Rotating::new(&folder.path().join("log"), 8, 2);
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "six\n"] {
            file.append(line.as_bytes()).unwrap();
        }
        // The first one is gone.
        let kept = [("log", "six\n"), ("log.1", "five\n"), ("log.2", "four\n")];
        assert_eq!(read(folder.path()), named(&kept));
        // What is longer than a file may be is written all the same, into one of its own.
        file.append(b"a very long line\n").unwrap();
        assert_eq!(read(folder.path())[0].1, "a very long line\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below").join("log");
        let mut file = Rotating::new(&path, 1000, 2);
        file.append(b"one\n").unwrap();
        fs::rename(&path, folder.path().join("below/moved")).unwrap();
        file.append(b"two\n").unwrap();
        fs::remove_dir_all(folder.path().join("below")).unwrap();
        file.append(b"three\n").unwrap();
        assert_eq!(
            read(&folder.path().join("below")),
            named(&[("log", "three\n")])
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn two_writers_lose_no_line_and_keep_to_the_same_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let writer = |name: &'static str| {
            let mut file = Rotating::new(&path, 400, 1000);
            std::thread::spawn(move || {
                for number in 0..200 {
                    file.append(format!("{name}{number}\n").as_bytes()).unwrap();
                }
            })
        };
        for writer in [writer("a"), writer("b")] {
            writer.join().unwrap();
        }
        let files = read(folder.path());
        let mut lines: Vec<&str> = files.iter().flat_map(|(_, text)| text.lines()).collect();
        lines.sort_unstable();
        let mut expected: Vec<String> = (0..200)
            .flat_map(|number| [format!("a{number}"), format!("b{number}")])
            .collect();
        expected.sort_unstable();
        assert_eq!(lines, expected);
    }

    #[test]
    fn without_earlier_ones_a_full_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Rotating::new(&folder.path().join("log"), 4, 0);
        file.append(b"one\n").unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(read(folder.path()), named(&[("log", "two\n")]));
    }
}
