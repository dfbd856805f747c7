//! Coverage, as lcov writes it: one record for each source file and test, ended by `end_of_record`.
//!
//! A file that several tests ran through has several records: their lines are united.

use std::collections::BTreeMap;

use super::error::{ReadError, Wrong};
use super::limits::Limits;
use crate::facts::{Count, Coverage, Says};

/// What is known of one source file.
#[derive(Default)]
struct File {
    lines: BTreeMap<u64, bool>,
    branches: BTreeMap<(u64, String), bool>,
    /// What a record says that does not list its lines.
    sums: Coverage,
}

impl File {
    fn coverage(&self) -> Coverage {
        let count = |taken: &mut dyn Iterator<Item = bool>| {
            let mut count = Count::default();
            for taken in taken {
                count.total += 1;
                count.covered += u64::from(taken);
            }
            count
        };
        let lines = if self.lines.is_empty() {
            self.sums.lines
        } else {
            count(&mut self.lines.values().copied())
        };
        let branches = if self.branches.is_empty() {
            self.sums.branches
        } else {
            Some(count(&mut self.branches.values().copied()))
        };
        Coverage { lines, branches }
    }
}

pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let mut files: BTreeMap<&str, File> = BTreeMap::new();
    let mut current: Option<&str> = None;
    let mut values = 0;
    let mut last = 1;
    for (line, number) in text.lines().zip(1..) {
        let error = |wrong| ReadError::in_line(wrong, number);
        let line = line.trim();
        last = number;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        values += 1;
        if values > limits.values {
            let (what, most) = ("lines", limits.values);
            return Err(error(Wrong::TooMany { what, most }));
        }
        if line == "end_of_record" {
            current = None;
            continue;
        }
        let Some((word, rest)) = line.split_once(':') else {
            return Err(error(Wrong::OtherKind(no_record())));
        };
        let is_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        if word.is_empty() || word.len() > 5 || !word.chars().all(is_word) {
            return Err(error(Wrong::OtherKind(no_record())));
        }
        if word == "SF" {
            current = Some(rest);
            files.entry(rest).or_default();
            continue;
        }
        let Some(file) = current.and_then(|name| files.get_mut(name)) else {
            // A test's name and the version stand before the file.
            continue;
        };
        if learn(file, word, rest).is_none() {
            let what = format!("`{word}` is followed by something else than its numbers");
            return Err(error(Wrong::Syntax(what)));
        }
    }
    if current.is_some() {
        let wrong = Wrong::CutOff("inside of a record, before its `end_of_record`".to_owned());
        return Err(ReadError::in_line(wrong, last));
    }
    if files.is_empty() {
        return Err(ReadError::new(Wrong::OtherKind(no_record())));
    }
    let all = files.values().map(File::coverage);
    let coverage = all.reduce(Coverage::and).unwrap_or_default();
    plausible(coverage)
}

fn no_record() -> String {
    "no record such as `SF:src/main.rs`".to_owned()
}

/// Takes what one line says; `None` if it is not what such a line says.
fn learn(file: &mut File, word: &str, rest: &str) -> Option<()> {
    match word {
        "DA" => {
            let mut parts = rest.split(',');
            let line = parts.next()?.trim().parse().ok()?;
            let hit = is_hit(parts.next()?)?;
            *file.lines.entry(line).or_default() |= hit;
        }
        "BRDA" => {
            let (line, branch) = rest.split_once(',')?;
            let (branch, taken) = branch.rsplit_once(',')?;
            let line = line.trim().parse().ok()?;
            let taken = taken.trim() != "-" && is_hit(taken)?;
            *file.branches.entry((line, branch.to_owned())).or_default() |= taken;
        }
        "LF" => file.sums.lines.total = whole(rest)?,
        "LH" => file.sums.lines.covered = whole(rest)?,
        "BRF" => {
            // A file without a branch has none to cover.
            file.sums.branches.get_or_insert_default().total = whole(rest)?;
        }
        "BRH" => file.sums.branches.get_or_insert_default().covered = whole(rest)?,
        // Functions, checksums and whatever is new.
        _ => {}
    }
    Some(())
}

fn whole(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Says whether a number of hits is more than none. Some tools count below zero by mistake.
fn is_hit(text: &str) -> Option<bool> {
    text.trim().parse::<f64>().ok().map(|hits| hits > 0.0)
}

/// Returns coverage as a fact, if no more is covered than there is.
pub(super) fn plausible(coverage: Coverage) -> Result<Says, ReadError> {
    let counts = [Some(coverage.lines), coverage.branches];
    if let Some(Count { covered, total }) = counts
        .into_iter()
        .flatten()
        .find(|count| count.covered > count.total)
    {
        let wrong = format!("it says that {covered} of {total} are covered");
        return Err(ReadError::new(Wrong::Implausible(wrong)));
    }
    Ok(Says {
        coverage: Some(Coverage {
            // Where no file has a branch, nothing is known of branches.
            branches: coverage.branches.filter(|branches| branches.total > 0),
            ..coverage
        }),
        ..Says::default()
    })
}
