//! What people read: one paragraph per act, a line while they wait, and a table at the end.

use std::fmt::Write as _;

use super::act::Act;
use super::record::{ActRecord, Record};
use super::scene::{Look, waits_for};
use crate::failure::Failure;
use crate::output::{Output, Screen};
use crate::render::paint;
use crate::render::words::{clean, width, wrapped};

/// Says what happens. To a script everything but the result is talk.
#[derive(Debug)]
pub(crate) struct Teller {
    output: Output,
    /// How many lines of waiting are on the terminal.
    drawn: usize,
}

impl Teller {
    pub(crate) fn new(output: Output) -> Self {
        Self { output, drawn: 0 }
    }

    /// Says where everything is.
    pub(super) fn opening(&self, users: usize, url: &str, folder: &str) {
        let text = format!(
            "A Leadsman of its own in {folder}, {users} virtual users at {url}, and a real \
             service. Lines with a bar are Leadsman's own words."
        );
        self.say(&format!("{}\n", wrapped("", &text)));
    }

    /// Says which act comes next, where no line of waiting will.
    pub(super) fn begins(&self, number: usize, of: usize, act: Act) {
        if !self.output.can_redraw(Screen::Talk) {
            self.output
                .talk(&format!("act {number} of {of}: {}", act.name()));
        }
    }

    /// Shows what is waited for.
    pub(super) fn live(&mut self, look: &Look) {
        if !self.output.can_redraw(Screen::Talk) {
            return;
        }
        let release = look.status.deployment.as_ref().map(|d| d.release);
        let release = release.map_or_else(String::new, |number| format!("release {number}: "));
        let waits = if look.status.reasons.is_empty() {
            "waits for nothing, and serves".to_owned()
        } else {
            clean(&waits_for(&look.status))
        };
        let line = format!("  {release}{waits} · {} requests", look.tally.requests());
        self.drawn = self.output.redraw(Screen::Talk, self.drawn, &line);
    }

    /// Takes the line of waiting away.
    pub(super) fn quiet(&mut self) {
        if self.drawn > 0 {
            self.drawn = self.output.redraw(Screen::Talk, self.drawn, "");
        }
    }

    /// Tells an act that was played.
    pub(super) fn tell(&self, number: usize, act: Act, record: &ActRecord) {
        self.say(&paragraph(number, act, record));
    }

    fn say(&self, text: &str) {
        if self.output.is_json() {
            self.output.talk(text.trim_end_matches('\n'));
        } else {
            // A reader that went away does not end the story: what was started has to be ended.
            let said: Result<(), Failure> = self.output.data(text);
            drop(said);
        }
    }
}

fn paragraph(number: usize, act: Act, record: &ActRecord) -> String {
    let title = format!("{number}  {}", act.title());
    let verdict = if record.ok {
        paint::good(record.outcome.words())
    } else {
        paint::bad(&format!("{}, NOT as expected", record.outcome.words()))
    };
    let gap = crate::render::words::PAGE
        .saturating_sub(width(&title) + width(&verdict))
        .max(2);
    let mut text = format!("{}{}{verdict}\n", paint::strong(&title), " ".repeat(gap));
    if let Some(reason) = &record.reason {
        text.push_str(&wrapped("   | ", &clean(reason)));
    }
    // The story tells of what should have happened.
    if record.outcome == record.expected {
        text.push_str(&wrapped("   ", &record.story));
    }
    for unmet in &record.unmet {
        text.push_str(&wrapped("   ! ", &clean(unmet)));
    }
    text.push('\n');
    text
}

/// Returns the table of all acts and what is to be said about the whole.
pub(crate) fn summary(record: &Record) -> String {
    let mut text = format!(
        "{:<18}{:<13}{:>12}{:>12}{:>11}{:>11}\n",
        "act", "outcome", "bad answers", "found after", "cut after", "requests"
    );
    let optional = |millis: Option<u64>| millis.map_or_else(|| "-".to_owned(), duration);
    for act in &record.acts {
        let mark = if act.ok { "" } else { " !" };
        writeln!(
            text,
            "{:<18}{:<13}{:>12}{:>12}{:>11}{:>11}{mark}",
            act.name,
            act.outcome.words(),
            act.bad_responses,
            optional(act.detected_ms),
            optional(act.cut_ms),
            act.requests,
        )
        .expect("writing to a string cannot fail");
    }
    text.push('\n');
    let mut whole = format!(
        "{} requests of {} users, {} of them failed by the platform.",
        record.requests, record.users, record.failed_by_platform
    );
    if let Some(millis) = record.up_to_first_request_ms {
        let _infallible = write!(
            whole,
            " From `leadsman up` to the first answer: {}.",
            duration(millis)
        );
    }
    if let Some(processes) = record.processes {
        let _infallible = write!(
            whole,
            " Of {processes} processes {} are left.",
            record.processes_left.unwrap_or_default()
        );
    }
    text.push_str(&wrapped("", &whole));
    for unmet in &record.unmet {
        text.push_str(&wrapped("! ", &clean(unmet)));
    }
    let verdict = if record.ok {
        paint::good("Every expectation held.")
    } else {
        paint::bad("Not every expectation held.")
    };
    writeln!(text, "{verdict}").expect("writing to a string cannot fail");
    text
}

/// Returns a measured duration: milliseconds below a second, tenths of seconds above.
pub(super) fn duration(millis: u64) -> String {
    if millis < 1000 {
        format!("{millis} ms")
    } else {
        format!("{}.{} s", millis / 1000, millis % 1000 / 100)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::record::Fate;
    use super::*;

    fn caught() -> ActRecord {
        ActRecord {
            name: "errors",
            release: 3,
            outcome: Fate::RolledBack,
            expected: Fate::RolledBack,
            ok: true,
            requests: 6213,
            answers: 301,
            bad_responses: 15,
            detected_ms: Some(4012),
            cut_ms: Some(7),
            reason: Some("`tide` at 5 %: errors 5 % (limit 1 %) after 280 requests".to_owned()),
            story: "Release 3 is found out after 4.0 s and goes back; 15 of its 301 answers were \
                    errors."
                .to_owned(),
            ..ActRecord::default()
        }
    }

    fn missed() -> ActRecord {
        ActRecord {
            name: "slow",
            release: 4,
            outcome: Fate::Promoted,
            expected: Fate::RolledBack,
            unmet: vec!["the release is promoted, not rolled back".to_owned()],
            reason: Some("`tide` is promoted: every limit is kept".to_owned()),
            story: "Release 4 is found out after no time and goes back.".to_owned(),
            requests: 12_345,
            ..ActRecord::default()
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn an_act_is_a_paragraph_that_fits_a_page() {
        let text = plain(&paragraph(3, Act::Errors, &caught()));
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
        expect![[r#"
            3  A release whose every twentieth answer is an error                rolled back
               | `tide` at 5 %: errors 5 % (limit 1 %) after 280 requests
               Release 3 is found out after 4.0 s and goes back; 15 of its 301 answers were
               errors.

        "#]]
        .assert_eq(&text);
        expect![[r#"
            4  A release that is twice as slow                     promoted, NOT as expected
               | `tide` is promoted: every limit is kept
               ! the release is promoted, not rolled back

        "#]]
        .assert_eq(&plain(&paragraph(4, Act::Slow, &missed())));
    }

    #[test]
    fn the_whole_is_a_table_and_a_verdict() {
        let record = Record {
            ok: false,
            users: 150,
            requests: 18_558,
            failed_by_platform: 0,
            up_to_first_request_ms: Some(412),
            processes: Some(9),
            processes_left: Some(0),
            acts: vec![caught(), missed()],
            ..Record::default()
        };
        let text = plain(&summary(&record));
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
        expect![[r#"
            act               outcome       bad answers found after  cut after   requests
            errors            rolled back            15       4.0 s       7 ms       6213
            slow              promoted                0           -          -      12345 !

            18558 requests of 150 users, 0 of them failed by the platform. From `leadsman
            up` to the first answer: 412 ms. Of 9 processes 0 are left.
            Not every expectation held.
        "#]]
        .assert_eq(&text);
    }
}
