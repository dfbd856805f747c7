//! The page of one release: what is in it, how it fared where, and how it differs from what runs.

use askama::Template;
use leadsman_api::words::plain;
use leadsman_api::{
    Approval, Change, Deployment, Diff, GateOutcome, GateStatus, ItemAnswer, Moment, ReleaseIn,
    ReleaseStatus, Request, Standing,
};

use crate::checklist::list_words;
use crate::page::{Page, Part, Visitor};
use crate::path;
use crate::words::{Said, Shown, Tone, phase, said, shown};

/// How many digits of a digest are shown where all of them would be too long.
const DIGITS: usize = 12;

/// How many differences are shown: the command line has all.
const CHANGES: usize = 200;

/// How many differences are shown without being asked for: a first release differs in everything.
const SHORT: usize = 20;

/// How a release differs from what runs in an environment.
#[derive(Clone, Debug)]
pub struct Against {
    /// The environment.
    pub environment: String,
    /// How it differs.
    pub diff: Diff,
}

#[derive(Template)]
#[template(path = "release_head.html")]
struct Head {
    name: String,
    number: u64,
    shipped: Shown,
    by: String,
    note: Option<Said>,
    commit: Option<String>,
    built_from: Option<Said>,
    authors: String,
    runs: Vec<(u64, String)>,
}

#[derive(Template)]
#[template(path = "release_services.html")]
struct Services {
    rows: Vec<(String, Option<Artifact>)>,
}

struct Artifact {
    whole: String,
    short: String,
}

#[derive(Template)]
#[template(path = "release_in.html")]
struct In {
    environment: String,
    address: String,
    tone: Tone,
    state: &'static str,
    cause: Option<Said>,
    digest: Option<Artifact>,
    wait: Option<Wait>,
    entered: Option<Said>,
    approvals: Vec<Consent>,
    gates: Vec<Gate>,
    answers: Vec<Answered>,
    deployments: Vec<Deployed>,
}

struct Wait {
    since: Shown,
    until: Shown,
    by: String,
    missing: Vec<Said>,
}

struct Consent {
    by: String,
    at: Shown,
    note: Option<Said>,
}

struct Gate {
    tone: Tone,
    state: &'static str,
    name: String,
    sentence: Said,
}

struct Answered {
    tone: Tone,
    state: &'static str,
    when: &'static str,
    item: String,
    asks: Said,
    said: Said,
    by: String,
    at: Shown,
}

struct Deployed {
    number: u64,
    began: Shown,
    tone: Tone,
    came_to: &'static str,
    cause: Said,
}

#[derive(Template)]
#[template(path = "release_reports.html")]
struct Reports {
    reports: Vec<Report>,
}

struct Report {
    kind: String,
    from: Said,
    lines: Vec<String>,
}

#[derive(Template)]
#[template(path = "release_diff.html")]
struct Differs {
    environment: String,
    rows: Vec<Row>,
    more: usize,
    is_short: bool,
}

struct Row {
    path: String,
    before: Option<String>,
    after: Option<String>,
    tone: Tone,
    what: &'static str,
}

/// Returns the page of a release. `against` is how it differs from what runs where it could go.
pub fn release(visitor: &Visitor, release: &ReleaseStatus, against: &[Against]) -> String {
    let title = format!("{} release {}", release.application, release.number);
    let mut parts = vec![head(release), services(release)];
    let environments = release.environments.iter();
    parts.extend(environments.map(|it| in_environment(release, it)));
    if !release.reports.is_empty() {
        parts.push(reports(release));
    }
    parts.extend(against.iter().map(differs));
    Page {
        title: &title,
        visitor: Some(visitor),
        live: None,
        above: &[],
        parts: &parts,
    }
    .whole()
}

fn head(release: &ReleaseStatus) -> Part {
    let now = release.at;
    let authors: Vec<String> = release.authors.iter().map(|it| plain(it)).collect();
    let runs = release.runs.iter().map(|number| {
        let address = path::fill(path::RUN, &[&release.application, &number.to_string()]);
        (*number, address)
    });
    let head = Head {
        name: format!("{} release {}", release.application, release.number),
        number: release.number,
        shipped: shown(release.shipped_at, now),
        by: plain(&release.actor),
        note: release.note.as_deref().map(said),
        commit: release.commit.as_deref().map(plain),
        built_from: release.built_from.as_deref().map(said),
        authors: authors.join(", "),
        runs: runs.collect(),
    };
    Part::of("release", &head)
}

fn services(release: &ReleaseStatus) -> Part {
    let services = release.services.iter();
    let rows = services.map(|it| (it.name.clone(), it.artifact.as_deref().map(artifact)));
    let rows = rows.collect();
    Part::of("services", &Services { rows })
}

fn artifact(digest: &str) -> Artifact {
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    Artifact {
        whole: digest.to_owned(),
        short: digits.chars().take(DIGITS).collect(),
    }
}

fn in_environment(release: &ReleaseStatus, it: &ReleaseIn) -> Part {
    let now = release.at;
    let (tone, state) = state(it);
    let of = In {
        environment: it.environment.clone(),
        address: path::fill(path::ENVIRONMENT, &[&release.application, &it.environment]),
        tone,
        state,
        cause: it.cause.as_deref().map(said),
        digest: it.digest.as_deref().map(artifact),
        wait: it.request.as_ref().map(|request| wait(request, now)),
        entered: it.entered.as_deref().map(said),
        approvals: it.approvals.iter().map(|it| consent(it, now)).collect(),
        gates: it.gates.iter().map(gate).collect(),
        answers: it.answers.iter().map(|it| answered(it, now)).collect(),
        deployments: it.deployments.iter().map(|it| deployed(it, now)).collect(),
    };
    Part::of(format!("in-{}", it.environment), &of)
}

/// Says how a release stands in an environment.
fn state(it: &ReleaseIn) -> (Tone, &'static str) {
    let newest = it.deployments.first();
    let moves = newest.filter(|it| !it.phase.is_over() && !it.phase.is_promoted());
    match (&it.request, it.standing) {
        (Some(_), _) => (Tone::Busy, "waits to enter"),
        (None, _) if it.serves => (Tone::Good, "serves"),
        (None, _) if moves.is_some() => (Tone::Busy, "is on its way"),
        (None, Some(Standing::Rejected)) => (Tone::Bad, "was rejected"),
        (None, Some(Standing::Promoted)) => (Tone::Plain, "has served"),
        (None, Some(Standing::Candidate)) => (Tone::Plain, "was taken off its way"),
        (None, None) => (Tone::Plain, "did not enter"),
    }
}

fn wait(request: &Request, now: Moment) -> Wait {
    Wait {
        since: shown(request.since, now),
        until: shown(request.until, now),
        by: plain(&request.actor),
        missing: request.missing.iter().map(|it| said(it)).collect(),
    }
}

fn consent(approval: &Approval, now: Moment) -> Consent {
    Consent {
        by: plain(&approval.actor),
        at: shown(approval.at, now),
        note: approval.note.as_deref().map(said),
    }
}

fn gate(gate: &GateStatus) -> Gate {
    let (tone, state) = match gate.outcome {
        GateOutcome::Open => (Tone::Good, "open"),
        GateOutcome::Closed => (Tone::Bad, "closed"),
        GateOutcome::Unknown => (Tone::Care, "unknown"),
    };
    Gate {
        tone,
        state,
        name: plain(&gate.name),
        sentence: said(&gate.sentence),
    }
}

fn answered(answer: &ItemAnswer, now: Moment) -> Answered {
    let (tone, state) = match answer.passed {
        true => (Tone::Good, "holds"),
        false => (Tone::Bad, "does not hold"),
    };
    Answered {
        tone,
        state,
        when: list_words(&answer.when),
        item: answer.item.clone(),
        asks: said(&answer.asks),
        said: said(&answer.said),
        by: plain(&answer.actor),
        at: shown(answer.at, now),
    }
}

fn deployed(deployment: &Deployment, now: Moment) -> Deployed {
    let (came_to, tone) = phase(deployment.phase);
    Deployed {
        number: deployment.number,
        began: shown(deployment.started_at, now),
        tone,
        came_to,
        cause: said(deployment.cause.as_deref().unwrap_or_default()),
    }
}

fn reports(release: &ReleaseStatus) -> Part {
    let reports = release.reports.iter().map(|report| Report {
        kind: plain(&report.kind),
        from: said(&report.from),
        lines: report.lines.iter().map(|line| plain(line)).collect(),
    });
    let reports = reports.collect();
    Part::of("reports", &Reports { reports })
}

fn differs(against: &Against) -> Part {
    let changes = &against.diff.changes;
    let differs = Differs {
        environment: against.environment.clone(),
        rows: changes.iter().take(CHANGES).map(row).collect(),
        more: changes.len().saturating_sub(CHANGES),
        is_short: changes.len() <= SHORT,
    };
    Part::of(format!("diff-{}", against.environment), &differs)
}

fn row(change: &Change) -> Row {
    let (tone, what) = match (&change.before, &change.after) {
        (None, _) => (Tone::Good, "new"),
        (Some(_), None) => (Tone::Bad, "gone"),
        (Some(_), Some(_)) => (Tone::Care, "changed"),
    };
    Row {
        path: plain(&change.path),
        before: change.before.as_deref().map(plain),
        after: change.after.as_deref().map(plain),
        tone,
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(standing: Option<Standing>) -> ReleaseIn {
        ReleaseIn {
            environment: "production".to_owned(),
            digest: Some("sha256:0123456789abcdef".to_owned()),
            serves: false,
            standing,
            cause: None,
            request: None,
            entered: Some("release 3 may enter".to_owned()),
            approvals: vec![Approval {
                actor: "ann".to_owned(),
                at: Moment(1_790_000_000_000),
                note: Some("<tried>".to_owned()),
            }],
            gates: vec![GateStatus {
                name: "tests".to_owned(),
                outcome: GateOutcome::Closed,
                sentence: "2 of 40 tests failed".to_owned(),
            }],
            answers: vec![ItemAnswer {
                when: "before".to_owned(),
                item: "told".to_owned(),
                asks: "support knows".to_owned(),
                passed: true,
                said: "by mail".to_owned(),
                actor: "ben".to_owned(),
                at: Moment(1_790_000_000_000),
            }],
            deployments: Vec::new(),
        }
    }

    fn status(environments: Vec<ReleaseIn>) -> ReleaseStatus {
        ReleaseStatus {
            application: "shop".to_owned(),
            number: 3,
            at: Moment(1_790_000_060_000),
            shipped_at: Moment(1_790_000_000_000),
            actor: "mia".to_owned(),
            note: Some("a `note` & more".to_owned()),
            commit: Some("5f1d7a84db00".to_owned()),
            built_from: Some("branch `main`".to_owned()),
            authors: vec!["ben".to_owned()],
            runs: vec![12],
            services: vec![leadsman_api::ReleaseService {
                name: "web".to_owned(),
                artifact: Some("sha256:0123456789abcdef".to_owned()),
            }],
            reports: vec![leadsman_api::ReleaseReport {
                kind: "junit".to_owned(),
                from: "`out.xml` of `unit`".to_owned(),
                lines: vec!["40 tests passed".to_owned()],
            }],
            environments,
        }
    }

    #[test]
    fn everything_that_is_known_of_a_release_stands_on_its_page() {
        let visitor = Visitor {
            name: "mia".to_owned(),
            seal: "s".to_owned(),
        };
        let change = |before: Option<&str>, after: Option<&str>| Change {
            path: "services.web.env.LEVEL".to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let against = Against {
            environment: "production".to_owned(),
            diff: Diff {
                from: "what runs".to_owned(),
                to: "3".to_owned(),
                changes: vec![change(Some("1"), Some("<2>")), change(None, Some("3"))],
            },
        };
        let status = status(vec![seen(Some(Standing::Promoted))]);
        let page = release(&visitor, &status, &[against]);
        for there in [
            "shop release 3",
            "a <code>note</code> &#38; more",
            "5f1d7a84db00",
            "href=\"/runs/shop/12\"",
            "0123456789ab<",
            "has served",
            "2 of 40 tests failed",
            "&#60;tried&#62;",
            "by mail",
            "40 tests passed",
            "&#60;2&#62;",
            "release 3 may enter",
        ] {
            assert!(page.contains(there), "{there}: {page}");
        }
    }

    #[test]
    fn how_a_release_stands_is_said_in_a_word() {
        let mut serves = seen(Some(Standing::Promoted));
        serves.serves = true;
        for (it, word) in [
            (serves, "serves"),
            (seen(Some(Standing::Promoted)), "has served"),
            (seen(Some(Standing::Rejected)), "was rejected"),
            (seen(Some(Standing::Candidate)), "was taken off its way"),
            (seen(None), "did not enter"),
        ] {
            assert_eq!(state(&it).1, word);
        }
    }
}
