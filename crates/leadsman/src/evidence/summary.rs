//! Evidence as a person reads it: in Markdown, with moments in UTC.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use leadsman_api::Moment;
use leadsman_core::Event;
use leadsman_core::checklist::Answer;
use leadsman_core::entry::Approval;
use leadsman_core::run::Run;
use leadsman_core::time::Timestamp;
use leadsman_gates::GateResult;
use leadsman_store::Recorded;

use super::gather::Gathered;
use crate::render::words::Clock;

/// Returns the summary.
pub(super) fn text(gathered: &Gathered, at_ms: u64, missing: &[String]) -> String {
    let clock = Clock {
        now: Moment(at_ms),
        zone: TimeZone::UTC,
    };
    let mut summary = Summary {
        clock,
        text: String::new(),
    };
    summary.head(gathered);
    if let Some(run) = &gathered.run {
        summary.run(run);
    }
    summary.reports(gathered, missing);
    for (environment, happened) in &gathered.happened {
        summary.environment(environment.as_str(), happened);
    }
    summary.text
}

struct Summary {
    clock: Clock,
    text: String,
}

/// Returns a text of somebody's as it may stand in a table or a list.
fn plain(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}

impl Summary {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        let _infallible = write!(self.text, "\n## {title}\n\n");
    }

    fn table(&mut self, columns: &[&str]) {
        self.line(&format!("| {} |", columns.join(" | ")));
        self.line(&format!("|{}", " --- |".repeat(columns.len())));
    }

    fn row(&mut self, cells: &[&str]) {
        let cells: Vec<String> = cells.iter().map(|cell| plain(cell)).collect();
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    fn at(&self, moment: Timestamp) -> String {
        format!("{} UTC", self.clock.long(Moment(moment.as_millis())))
    }

    fn head(&mut self, gathered: &Gathered) {
        let Gathered {
            application,
            release,
            created,
            head,
            ..
        } = gathered;
        let now = self.at(Timestamp::from_millis(self.clock.now.0));
        self.line(&format!("# Evidence of {release} of `{application}`\n"));
        self.line(&format!(
            "Made at {now} of a log of {} events; the hash of the last one is `{}`.\n",
            head.0, head.1
        ));
        self.table(&["", ""]);
        let at = self.at(created.at);
        self.row(&["recorded", &format!("{at} by {}", created.by)]);
        let source = &created.source;
        if let Some(commit) = &source.commit {
            self.row(&["commit", commit]);
        }
        if let Some(reference) = &source.reference {
            self.row(&["built from", &reference.to_string()]);
        }
        if !source.authors.is_empty() {
            let authors: Vec<&str> = source.authors.iter().map(String::as_str).collect();
            self.row(&["authors", &authors.join(", ")]);
        }
        if let Some(note) = &created.note {
            self.row(&["note", note]);
        }
        for (service, digest) in &created.artifacts {
            self.row(&[&format!("artifact of {service}"), digest.as_str()]);
        }
    }

    fn run(&mut self, run: &Run) {
        self.section(&format!("Pipeline: {}", run.id.number));
        self.table(&["job", "came to", "attempts", "took"]);
        for (name, job) in &run.jobs {
            let came_to = match job.sentence() {
                why if why.is_empty() => job.phase.as_str().to_owned(),
                why => format!("{}: {why}", job.phase.as_str()),
            };
            let took = leadsman_core::project::units::duration(job.took);
            self.row(&[name.as_str(), &came_to, &job.attempts.to_string(), &took]);
        }
    }

    fn reports(&mut self, gathered: &Gathered, missing: &[String]) {
        if !gathered.facts.is_empty() {
            self.section("Reports");
        }
        for report in &gathered.facts.reports {
            let (kind, words) = (report.source.kind.as_str(), report.source.words());
            self.line(&format!("- {kind}, {}", plain(&words)));
            for line in report.says.lines() {
                self.line(&format!("  - {}", plain(line.trim_start())));
            }
        }
        if !missing.is_empty() {
            self.section("Not kept any more");
        }
        for one in missing {
            self.line(&format!("- {}", plain(one)));
        }
    }

    fn environment(&mut self, name: &str, happened: &[(Recorded, Event)]) {
        self.section(&format!("Environment `{name}`"));
        let admitted = happened.iter().rev().find_map(|(_, event)| match event {
            Event::EntryAdmitted {
                approvals,
                gates,
                checks,
                ..
            } => Some((approvals, gates, checks)),
            _ => None,
        });
        if let Some((approvals, gates, checks)) = admitted {
            self.let_in(approvals, gates, checks);
        }
        self.table(&["event", "when", "who", "what"]);
        for (recorded, event) in happened {
            let position = recorded.position.to_string();
            let at = self.at(recorded.at);
            self.row(&[&position, &at, &recorded.actor, &event.to_string()]);
        }
    }

    /// Says what counted when the release entered last.
    fn let_in(&mut self, approvals: &[Approval], gates: &[GateResult], checks: &[Answer]) {
        for approval in approvals {
            let at = self.at(approval.at);
            let note = approval.note.as_ref();
            let note = note.map_or(String::new(), |note| format!(": {}", plain(note)));
            self.line(&format!(
                "- approved by {} at {at}{note}",
                plain(&approval.by)
            ));
        }
        for gate in gates {
            self.line(&format!(
                "- gate `{}`: {}",
                gate.name,
                plain(&gate.sentence)
            ));
        }
        for answer in checks {
            let (at, asked) = (self.at(answer.at), plain(&answer.asked.to_string()));
            let (said, by) = (plain(&answer.said), plain(&answer.by));
            let item = &answer.item;
            self.line(&format!("- `{item}`, {asked}: {said} ({by}, {at})"));
        }
        if !approvals.is_empty() || !gates.is_empty() || !checks.is_empty() {
            self.line("");
        }
    }
}
