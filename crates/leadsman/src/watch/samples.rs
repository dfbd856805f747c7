//! What is shown in tests: several environments, what can be done to one, and its past.

use jiff::tz::TimeZone;
use leadsman_api::{
    Choice, Choices, Command, Counted, EnvironmentStatus, Event, Overview, Phase, Point, Reason,
    Refused, Request, Scope, Series, ServiceSeries, Wanted, Who,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::draw;
use super::model::{Known, Model, Shown};
use crate::render::samples::{NOW, ago, deployment, rolled_back, serving, soaking};

/// Returns the text of what was drawn, without spaces at the ends of lines.
pub(super) fn text_of(buffer: &Buffer) -> String {
    let columns = usize::from(buffer.area.width).max(1);
    let mut text = String::new();
    for row in buffer.content().chunks(columns) {
        let mut line = String::new();
        let mut skip = 0;
        for cell in row {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            skip = crate::render::words::width(cell.symbol()).saturating_sub(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Returns what a terminal of a size would show.
pub(super) fn drawn(model: &mut Model, columns: u16, rows: u16, is_coloured: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let mut deepest = 0;
    terminal
        .draw(|frame| {
            let area = frame.area();
            deepest = draw::whole(model, is_coloured, area, frame.buffer_mut());
        })
        .unwrap();
    model.drawn(deepest);
    terminal.backend().buffer().clone()
}

/// Returns a model that was told of environments just now.
pub(super) fn model(environments: Vec<EnvironmentStatus>) -> Model {
    let shown = Shown {
        named: None,
        server: None,
        reason: String::new(),
        zone: TimeZone::UTC,
    };
    let overview = Overview {
        version: 1,
        at: NOW,
        environments,
    };
    Model::new(shown, NOW, overview).0
}

/// Returns a model in which everything is known of what is selected.
pub(super) fn knowing(environments: Vec<EnvironmentStatus>) -> Model {
    let mut model = model(environments);
    model.known = Some(Known {
        target: model.target().unwrap(),
        choices: Some(Ok(choices())),
        events: Some(Ok(events())),
        series: Some(series()),
        series_at: Some(NOW),
    });
    model.asked = None;
    model
}

fn named(application: &str, environment: &str, status: EnvironmentStatus) -> EnvironmentStatus {
    EnvironmentStatus {
        application: application.to_owned(),
        environment: environment.to_owned(),
        ..status
    }
}

/// Returns four environments: one that moves, one that waits, one that went back, one frozen.
pub(super) fn several() -> Vec<EnvironmentStatus> {
    let mut waiting = named("shop", "staging", serving());
    waiting.requests = vec![Request {
        release: 5,
        digest: "sha256:00".to_owned(),
        commit: None,
        built_from: Some("branch main".to_owned()),
        authors: vec!["ben".to_owned()],
        actor: "ben".to_owned(),
        expedited: None,
        since: ago(7200),
        until: ago(0),
        approvals: Vec::new(),
        gates: Vec::new(),
        missing: vec!["1 more approval".to_owned()],
    }];
    waiting.reasons = vec![Reason {
        kind: "entry".to_owned(),
        service: None,
        sentence: "release 5 waits to enter: 1 more approval, of somebody who did not write it"
            .to_owned(),
        since: ago(7200),
        until: None,
        who: Who::Person,
        commands: vec!["leadsman approve 5".to_owned()],
    }];
    let mut frozen = named("blog", "production", serving());
    frozen.deployment = Some(leadsman_api::Deployment {
        cause: Some("`web` of release 3 cannot be started: exit code 1".to_owned()),
        ..deployment(Phase::Frozen)
    });
    frozen.reasons = vec![Reason {
        kind: "frozen".to_owned(),
        service: None,
        sentence: "the way back is blocked: a person has to decide".to_owned(),
        since: ago(60),
        until: None,
        who: Who::Person,
        commands: vec!["leadsman retry".to_owned(), "leadsman abort".to_owned()],
    }];
    vec![
        frozen,
        named("blog", "staging", rolled_back()),
        soaking(),
        waiting,
    ]
}

/// Returns what can be done while something soaks.
pub(super) fn choices() -> Choices {
    let choice = |name: &str, command: Command, can: Result<&str, (&str, &str)>| Choice {
        name: name.to_owned(),
        command,
        reason: Wanted::No,
        follows: can.ok().map(str::to_owned),
        refused: can.err().map(|(code, message)| Refused {
            code: code.to_owned(),
            message: message.to_owned(),
        }),
    };
    let rollback = Command::Rollback {
        to: None,
        scope: Scope::All,
        migrate_back: false,
    };
    Choices {
        version: 12,
        choices: vec![
            choice(
                "promote",
                Command::Promote { all: false },
                Ok("step 2 of `web` is passed by hand"),
            ),
            choice(
                "promote-all",
                Command::Promote { all: true },
                Ok("all steps that are left are passed by hand"),
            ),
            choice("pause", Command::Pause {}, Ok("release 4 is paused")),
            choice(
                "resume",
                Command::Resume {},
                Err(("R006", "release 4 is not paused")),
            ),
            choice(
                "abort",
                Command::Abort {},
                Ok("release 4 goes back, and can be shipped again"),
            ),
            choice("rollback", rollback, Ok("release 4 goes back")),
            choice(
                "retry",
                Command::Retry {},
                Err(("R009", "no release has failed")),
            ),
        ],
    }
}

/// Returns what happened to the deployment that soaks.
fn events() -> Vec<Event> {
    let event = |seconds: u64, actor: &str, sentence: &str| Event {
        position: 40,
        at: ago(seconds),
        actor: actor.to_owned(),
        kind: "weight_shifted".to_owned(),
        deployment: Some(4),
        sentence: sentence.to_owned(),
        output: Vec::new(),
    };
    vec![
        event(780, "mia", "release 4 is on its way"),
        event(775, "leadsman", "the weight of `web` is 5 %"),
        event(
            255,
            "leadsman",
            "step 1 of `web` is passed: errors 0.1 % of 310 requests",
        ),
        event(252, "leadsman", "the weight of `web` is 25 %"),
    ]
}

/// Returns the past of the deployment that soaks.
fn series() -> Series {
    let counted = |requests: u64, errors: u64, p95_ms: f64| Counted {
        requests,
        errors,
        p95_ms: (requests > 0).then_some(p95_ms),
    };
    let points = (0..60_u64).map(|n| {
        let of_canary = if n < 40 { 24 } else { 120 };
        Point {
            at: ago((60 - n) * 10),
            span_ms: 10_000,
            weight_percent: if n < 40 { 5.0 } else { 25.0 },
            canary: counted(
                of_canary + n % 7,
                u64::from(n % 13 == 5),
                70.0 + (n % 9) as f64,
            ),
            stable: (n != 20).then(|| counted(480 - of_canary, n % 3, 78.0)),
        }
    });
    Series {
        deployment: 4,
        services: vec![ServiceSeries {
            service: "web".to_owned(),
            error_limit: Some(0.05),
            p95_limit_ms: Some(1000.0),
            points: points.collect(),
        }],
    }
}
