//! What was deployed and what happened.

use leadsman_api::{Deployment, Event, History, Origin, Phase};

use super::paint;
use super::table::Table;
use super::words::{Clock, clean, duration, whole_seconds, wrapped};

/// Returns the deployments, the newest first.
pub(crate) fn deployments(history: &History, clock: &Clock) -> String {
    let name = paint::strong(&format!("{}/{}", history.application, history.environment));
    if history.deployments.is_empty() {
        return format!("{name}  nothing has been shipped yet\n");
    }
    let mut table = Table::default();
    for deployment in &history.deployments {
        let took = deployment.since.millis_since(deployment.started_at);
        let took = if is_pending(deployment.phase) {
            format!("for {}", clock.since(deployment.started_at))
        } else {
            format!("took {}", duration(whole_seconds(took)))
        };
        table.row([
            clock.long(deployment.started_at),
            format!("release {}", deployment.release),
            outcome(deployment.phase),
            took,
            asked(deployment),
        ]);
    }
    let mut text = format!("{name}\n");
    for (deployment, line) in history.deployments.iter().zip(table.to_lines(2)) {
        text.push_str(&line);
        text.push('\n');
        for more in [&deployment.cause, &deployment.note].into_iter().flatten() {
            text.push_str(&wrapped(&" ".repeat(23), &clean(more)));
        }
    }
    text
}

/// Returns the recorded events, the oldest first, so that they read as a story.
pub(crate) fn events(history: &History, clock: &Clock) -> String {
    let name = paint::strong(&format!("{}/{}", history.application, history.environment));
    if history.events.is_empty() {
        return format!("{name}  nothing is recorded\n");
    }
    let mut text = format!("{name}\n");
    for event in history.events.iter().rev() {
        let first = format!("  {:>5}  {}  ", event.position, clock.long(event.at));
        text.push_str(&wrapped(&first, &happened(event)));
        text.push_str(&output(event));
    }
    text
}

/// Returns the lines that a command wrote last whose end an event is.
pub(super) fn output(event: &Event) -> String {
    let lines = event.output.iter();
    lines
        .map(|line| format!("         | {}\n", clean(line)))
        .collect()
}

/// Returns what happened, and who caused it if it was a person.
pub(crate) fn happened(event: &Event) -> String {
    let sentence = clean(&event.sentence);
    if event.actor == "leadsman" {
        sentence
    } else {
        format!("{sentence} ({})", clean(&event.actor))
    }
}

/// Whether the traffic has yet to find its place.
const fn is_pending(phase: Phase) -> bool {
    !phase.is_over() && !phase.is_promoted()
}

fn outcome(phase: Phase) -> String {
    match phase {
        Phase::Moving => "on its way".to_owned(),
        Phase::Paused => paint::care("paused"),
        Phase::Returning => paint::care("goes back"),
        Phase::Frozen => paint::bad("frozen"),
        Phase::Settling | Phase::Settled => paint::good("promoted"),
        Phase::RolledBack => paint::bad("went back"),
        Phase::Superseded => "superseded".to_owned(),
        Phase::Abandoned => paint::bad("given up"),
    }
}

fn asked(deployment: &Deployment) -> String {
    let actor = clean(&deployment.actor);
    match deployment.origin {
        Origin::Ship => format!("by {actor}"),
        Origin::Retry => format!("again, by {actor}"),
        Origin::Rollback => format!("back, by {actor}"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::samples::{ago, clock, deployment, plain};
    use super::*;

    fn history() -> History {
        History {
            application: "shop".to_owned(),
            environment: "production".to_owned(),
            releases: Vec::new(),
            next: None,
            deployments: vec![
                Deployment {
                    note: Some("the new basket".to_owned()),
                    ..deployment(Phase::Moving)
                },
                Deployment {
                    number: 3,
                    release: 3,
                    started_at: ago(90_000),
                    since: ago(89_000),
                    origin: Origin::Retry,
                    cause: Some(
                        "`web` at 5 %: errors 5.1 % of 2140 requests (limit 5 %)".to_owned(),
                    ),
                    ..deployment(Phase::RolledBack)
                },
            ],
            events: vec![
                Event {
                    position: 17,
                    at: ago(3),
                    actor: "leadsman".to_owned(),
                    kind: "weight_shifted".to_owned(),
                    deployment: Some(4),
                    sentence: "the weight of `web` is 25 %".to_owned(),
                    output: Vec::new(),
                },
                Event {
                    position: 9,
                    at: ago(780),
                    actor: "mia".to_owned(),
                    kind: "deployment_started".to_owned(),
                    deployment: Some(4),
                    sentence: "release 4 is on its way".to_owned(),
                    output: Vec::new(),
                },
            ],
        }
    }

    #[test]
    fn deployments_are_listed_with_what_became_of_them() {
        expect![[r#"
            shop/production
              2026-09-21 14:00:20  release 4  on its way  for 13m      by mia
                                   the new basket
              2026-09-20 13:13:20  release 3  went back   took 16m40s  again, by mia
                                   `web` at 5 %: errors 5.1 % of 2140 requests (limit 5 %)
        "#]]
        .assert_eq(&plain(&deployments(&history(), &clock())));
    }

    #[test]
    fn events_read_as_a_story() {
        expect![[r#"
            shop/production
                  9  2026-09-21 14:00:20  release 4 is on its way (mia)
                 17  2026-09-21 14:13:17  the weight of `web` is 25 %
        "#]]
        .assert_eq(&plain(&events(&history(), &clock())));
    }

    #[test]
    fn an_empty_history_says_so() {
        let empty = History {
            deployments: Vec::new(),
            events: Vec::new(),
            ..history()
        };
        expect![[r#"
            shop/production  nothing has been shipped yet
        "#]]
        .assert_eq(&plain(&deployments(&empty, &clock())));
        expect![[r#"
            shop/production  nothing is recorded
        "#]]
        .assert_eq(&plain(&events(&empty, &clock())));
    }
}
