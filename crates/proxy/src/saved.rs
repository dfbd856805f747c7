//! The last table on disk, with what was cut off of it, so that a restart serves at once and without
//! control.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::control::Tripped;
use crate::proxy::Error;
use crate::table::Table;

/// The newest format of the file that this program knows. It is raised whenever an older program
/// would take something in it for something else; a field that may be passed over needs no new one.
const FORMAT: u64 = 1;

/// The sides that were cut off, by name.
pub(crate) type Cuts = BTreeMap<String, Tripped>;

/// What is written: the table as it was sent, and beside it what was cut off since.
#[derive(Serialize)]
struct Written<'a> {
    format: u64,
    /// The version of the program that wrote it.
    program: &'static str,
    #[serde(flatten)]
    table: &'a Table,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tripped: &'a Cuts,
}

/// What every format says of itself. The first one said nothing.
#[derive(Deserialize)]
struct Stamp {
    #[serde(default)]
    format: u64,
    #[serde(default)]
    program: String,
}

/// Where the last table is kept.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    folder: PathBuf,
}

impl Saved {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("table.json")
    }

    /// Writes `table` so that after a crash at any instant either it or the one before is there;
    /// `tripped` with it.
    ///
    /// # Errors
    /// The disk is full, the folder is gone, and the like.
    pub(crate) fn write(&self, table: &Table, tripped: &Cuts) -> io::Result<()> {
        let scratch = self.folder.join("table.json.new");
        let mut file = File::create(&scratch)?;
        file.write_all(&serde_json::to_vec(&Written {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION"),
            table,
            tripped,
        })?)?;
        file.sync_all()?;
        fs::rename(&scratch, self.path())?;
        File::open(&self.folder)?.sync_all()
    }

    /// Refuses a table that this program would misread. It stays as it is, and whoever comes next
    /// may know it: going on without it would cost more than to say so.
    ///
    /// # Errors
    /// The table was written by a newer program.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let path = self.path();
        // What cannot be read, or is none, is dealt with when it is read.
        let stamp = fs::read(&path).ok();
        let stamp = stamp.and_then(|text| serde_json::from_slice::<Stamp>(&text).ok());
        match stamp {
            Some(Stamp { format, program }) if format > FORMAT => Err(Error::Newer {
                path,
                program,
                found: format,
                known: FORMAT,
            }),
            _ => Ok(()),
        }
    }

    /// Reads the last table. Whatever is wrong with it is said in the log and costs as little as
    /// possible: a bad entry only itself, and a file that is no table is moved aside, so that
    /// somebody can look at it.
    pub(crate) fn read(&self) -> (Table, Cuts) {
        let path = self.path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Default::default(),
            Err(error) => {
                let path = path.display();
                tracing::error!(%path, %error, "cannot read the last table: starting without");
                return Default::default();
            }
        };
        match Table::salvage(&text) {
            Ok((table, tripped, lost)) => {
                if !lost.is_empty() {
                    self.set_aside("left out parts of the last table", &lost.join("; "));
                }
                (table, tripped)
            }
            Err(error) => {
                self.set_aside(
                    "the last table is damaged: starting without",
                    &error.to_string(),
                );
                Default::default()
            }
        }
    }

    fn set_aside(&self, what: &str, why: &str) {
        let aside = self.folder.join("table.json.damaged");
        match fs::copy(self.path(), &aside) {
            Ok(_) => tracing::error!(why, kept_as = %aside.display(), "{what}"),
            Err(error) => tracing::error!(why, %error, "{what}; it cannot be kept either"),
        }
    }
}

#[cfg(test)]
mod tests {
    use leadsman_analysis::tripwire::Trip;

    use super::*;

    #[test]
    fn reads_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let saved = Saved::new(folder.path());
        assert_eq!(saved.read(), Default::default());
        let table = Table {
            generation: 3,
            ..Table::default()
        };
        let cut = Tripped {
            at_ms: 12,
            seen: Trip::default(),
            sentence: "3 of 3 answers failed".to_owned(),
            round: 1,
        };
        let cuts = Cuts::from([("web@2".to_owned(), cut)]);
        for cuts in [Cuts::new(), cuts] {
            saved.write(&table, &cuts).unwrap();
            assert_eq!(saved.read(), (table.clone(), cuts));
        }
    }

    #[test]
    fn what_was_written_before_there_were_tripwires_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("table.json");
        fs::write(file, b"{\"generation\": 5, \"listeners\": []}").unwrap();
        let (table, cuts) = Saved::new(folder.path()).read();
        assert_eq!((table.generation, cuts.len()), (5, 0));
    }

    #[test]
    fn a_newer_format_is_refused_with_both_and_the_program_that_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let saved = Saved::new(folder.path());
        assert!(saved.check().is_ok(), "there is none");
        let file = folder.path().join("table.json");
        for (text, newer) in [
            ("{\"generation\": 5, \"listeners\": []}", false),
            (
                "{\"generation\": 5, \"listeners\": [], \"format\": 1}",
                false,
            ),
            ("{\"generation\": 5, \"lis", false),
            (
                "{\"format\": 2, \"program\": \"7.1.0\", \"doors\": {}}",
                true,
            ),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(saved.check().is_err(), newer, "{text}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        let error = saved.check().unwrap_err().to_string();
        for word in [
            "by Leadsman 7.1.0 in format 2",
            "this is Leadsman",
            "up to 1",
        ] {
            assert!(error.contains(word), "{error}");
        }
        saved.write(&Table::default(), &Cuts::new()).unwrap();
        assert!(saved.check().is_ok());
    }

    #[test]
    fn a_damaged_file_is_kept_aside() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("table.json"),
            b"{\"generation\": 5, \"lis",
        )
        .unwrap();
        assert_eq!(Saved::new(folder.path()).read(), Default::default());
        let kept = fs::read(folder.path().join("table.json.damaged")).unwrap();
        assert!(kept.starts_with(b"{\"generation\""));
    }
}
