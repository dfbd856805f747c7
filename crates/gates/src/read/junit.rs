//! Tests, as JUnit XML. There is no standard, only what tools write: pytest, cargo-nextest, Surefire,
//! Gradle, Jest and go-junit-report among them.
//!
//! Cases are counted, and what suites say of themselves is only looked at for what no case shows: a
//! suite that could not start, for example, says that it failed and has no case that did.

use super::error::{ReadError, Wrong};
use super::limits::Limits;
use super::xml::{Element, Part, Parts};
use crate::facts::{Failure, Says, Tests, bounded};

/// How much text of a failure is looked at.
const TEXT_MOST: usize = 10_000;

/// What a suite, or all of them, says of itself.
#[derive(Clone, Copy, Default)]
struct Declared {
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
}

impl Declared {
    /// Returns what an element says; `None` if it says nothing.
    fn by(element: &Element<'_>) -> Option<Self> {
        let count = |name| element.count(name);
        let (failures, errors) = (count("failures"), count("errors"));
        let skipped = count("skipped").or_else(|| count("disabled"));
        (failures.is_some() || errors.is_some()).then(|| Self {
            tests: count("tests").unwrap_or_default(),
            failures: failures.unwrap_or_default(),
            errors: errors.unwrap_or_default(),
            skipped: skipped.unwrap_or_default(),
        })
    }

    fn and(self, other: Self) -> Self {
        Self {
            tests: self.tests.saturating_add(other.tests),
            failures: self.failures.saturating_add(other.failures),
            errors: self.errors.saturating_add(other.errors),
            skipped: self.skipped.saturating_add(other.skipped),
        }
    }
}

/// What became of a case; the graver counts where there are several.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Passed,
    Skipped,
    Failed,
    Error,
}

/// A case whose end has not come yet.
struct Case {
    depth: usize,
    name: String,
    fate: Fate,
    flaky: bool,
    message: String,
    /// How deep the element is whose text is the message.
    speaks: Option<usize>,
}

impl Case {
    fn of(element: &Element<'_>, depth: usize) -> Self {
        let part = |name| element.attribute(name).filter(|text| !text.is_empty());
        let name = part("name").unwrap_or_else(|| "(no name)".to_owned());
        let within = part("classname")
            .or_else(|| part("class"))
            .or_else(|| part("file"));
        let name = match within {
            Some(within) if !name.starts_with(&within) => format!("{within}::{name}"),
            Some(_) | None => name,
        };
        // Tools of other families say it here.
        let fate = match part("status").or_else(|| part("result")).as_deref() {
            Some("failed" | "failure" | "fail") => Fate::Failed,
            Some("error" | "broken") => Fate::Error,
            Some("skipped" | "disabled" | "notrun" | "suppressed" | "pending") => Fate::Skipped,
            Some(_) | None => Fate::Passed,
        };
        Self {
            depth,
            name: bounded(&name, 300),
            fate,
            flaky: false,
            message: String::new(),
            speaks: None,
        }
    }

    fn learn(&mut self, element: &Element<'_>, depth: usize) {
        let fate = match element.name.as_str() {
            "failure" => Fate::Failed,
            "error" => Fate::Error,
            "skipped" | "disabled" => Fate::Skipped,
            // It failed first and passed when it was run again.
            "flakyFailure" | "flakyError" => {
                self.flaky = true;
                return;
            }
            _ => return,
        };
        if fate > self.fate {
            self.fate = fate;
        }
        if fate >= Fate::Failed && self.message.is_empty() {
            // Tools of Go write the same word for every failure, and what it is in the text.
            let says_something = |said: &str| !matches!(said.trim(), "" | "Failed" | "Build error");
            let said = element.attribute("message");
            let said = said.filter(|said| says_something(said));
            self.message = said.unwrap_or_default();
            self.speaks = self.message.is_empty().then_some(depth);
        }
    }

    fn hear(&mut self, text: &str) {
        if self.speaks.is_some() && self.message.len() < TEXT_MOST {
            self.message.extend(text.chars().take(TEXT_MOST));
        }
    }

    fn count(self, tests: &mut Tests) {
        match self.fate {
            Fate::Passed => {
                tests.passed += 1;
                tests.flaky += u64::from(self.flaky);
                return;
            }
            Fate::Skipped => {
                tests.skipped += 1;
                return;
            }
            Fate::Failed => tests.failed += 1,
            Fate::Error => tests.errors += 1,
        }
        tests.keep(Failure {
            name: self.name,
            message: bounded(&self.message, 300),
        });
    }
}

pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let mut parts = Parts::of(text, limits);
    let mut tests = Tests::default();
    // What the outermost elements say that say anything.
    let (mut declared, mut declared_at) = (Declared::default(), None);
    let mut case: Option<Case> = None;
    let mut depth = 0;
    while let Some(part) = parts.next()? {
        match part {
            Part::Open(element) => {
                if depth == 0 && !matches!(&*element.name, "testsuites" | "testsuite") {
                    let what = format!("`<{}>` as its outermost element", element.name);
                    return Err(parts.error(Wrong::OtherKind(what)));
                }
                match (&mut case, element.name.as_str()) {
                    (Some(case), _) => case.learn(&element, depth),
                    (none, "testcase") => *none = Some(Case::of(&element, depth)),
                    (None, "testsuites" | "testsuite") if declared_at.is_none() => {
                        if let Some(by) = Declared::by(&element) {
                            declared = declared.and(by);
                            declared_at = Some(depth);
                        }
                    }
                    (None, _) => {}
                }
                depth += 1;
            }
            Part::Text(text) => {
                if let Some(case) = &mut case {
                    case.hear(&text);
                }
            }
            Part::Close => {
                depth -= 1;
                if declared_at == Some(depth) {
                    declared_at = None;
                }
                if let Some(open) = &mut case
                    && open.speaks == Some(depth)
                {
                    open.speaks = None;
                }
                if let Some(done) = case.take_if(|case| case.depth == depth) {
                    done.count(&mut tests);
                }
            }
        }
    }
    add_what_no_case_shows(&mut tests, declared);
    Ok(Says {
        tests: Some(tests),
        ..Says::default()
    })
}

fn add_what_no_case_shows(tests: &mut Tests, declared: Declared) {
    let bad = tests.failed.saturating_add(tests.errors);
    let said = declared.failures.saturating_add(declared.errors);
    if tests.ran() == 0 && tests.skipped == 0 {
        let others = said.saturating_add(declared.skipped);
        tests.passed = declared.tests.saturating_sub(others);
        tests.skipped = declared.skipped;
    }
    // What one tool calls an error is a failure to another: only what both are together is compared.
    let hidden = said.saturating_sub(bad);
    if hidden > 0 {
        let errors = declared.errors.saturating_sub(tests.errors).min(hidden);
        tests.errors = tests.errors.saturating_add(errors);
        tests.failed = tests.failed.saturating_add(hidden - errors);
        tests.keep(Failure {
            name: "(no case)".to_owned(),
            message: format!("a suite says that {said} failed, and its cases show {bad}"),
        });
    }
}
