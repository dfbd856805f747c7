//! Tables of what came out.

use std::fmt::Write as _;

use super::rollout::{Plan, STEPS};
use super::rules::Kind;
use super::scenario::{LAST, Scenario, Truth};
use super::tally::{Reached, Tally, upper_limit};
use super::wald::{self, Chances};

/// One scenario at one rate.
pub(crate) struct Cell {
    pub(crate) scenario: &'static Scenario,
    pub(crate) plan: Plan,
    /// One per rule, in their order.
    pub(crate) tallies: Vec<Tally>,
}

/// Returns the tables as Markdown.
pub(crate) fn tables(rules: &[&Kind], cells: &[Cell]) -> String {
    let mut text = String::new();
    let mut rates: Vec<f64> = cells.iter().map(|cell| cell.plan.rate).collect();
    rates.dedup();
    for (title, good, entry) in [
        (
            "False rollbacks, % of rollouts (at most, with 95 % confidence)",
            true,
            false_rollbacks as fn(&Tally) -> String,
        ),
        (
            "Regressions: share found, median / 90th percentile of the time from onset; mean \
             number of bad answers",
            false,
            regression,
        ),
    ] {
        for rate in &rates {
            let chosen = cells.iter().filter(|cell| {
                cell.plan.rate.total_cmp(rate).is_eq()
                    && (cell.scenario.truth == Truth::Good) == good
            });
            let rows: Vec<Vec<String>> = chosen
                .map(|cell| {
                    let first = [cell.scenario.title.to_owned(), rollouts(cell)];
                    first
                        .into_iter()
                        .chain(cell.tallies.iter().map(entry))
                        .collect()
                })
                .collect();
            let columns = rules.iter().map(|rule| rule.title);
            let head: Vec<&str> = ["scenario", "n"].into_iter().chain(columns).collect();
            table(
                &mut text,
                &format!("{title}, {rate} requests/s"),
                &head,
                &rows,
            );
        }
    }
    for (number, rule) in rules.iter().enumerate() {
        bound(&mut text, rule, number, cells);
        passing(&mut text, rule, number, cells);
    }
    text
}

fn rollouts(cell: &Cell) -> String {
    cell.tallies.first().map_or(0, Tally::rollouts).to_string()
}

fn table(text: &mut String, title: &str, head: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let _ = writeln!(text, "\n**{title}**\n");
    text.push_str(&line(&mut head.iter().copied()));
    text.push_str(&line(&mut head.iter().map(|_| "---")));
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
}

fn false_rollbacks(tally: &Tally) -> String {
    let (events, trials) = (tally.false_rollbacks(), tally.rollouts());
    let share = 100.0 * events as f64 / trials.max(1) as f64;
    let limit = 100.0 * upper_limit(events, trials);
    match events {
        0 => format!("0 ({limit:.1})"),
        _ => format!("{share:.1} ({limit:.1})"),
    }
}

fn regression(tally: &Tally) -> String {
    let mut text = String::new();
    let early = tally.false_rollbacks();
    if early == tally.rollouts() {
        return "all early".to_owned();
    }
    let detected = tally.detected();
    if detected < 1.0 {
        let _ = write!(text, "{:.0} %: ", 100.0 * detected);
    }
    let (median, most) = (time(tally.time(0.5)), time(tally.time(0.9)));
    let _ = write!(text, "{median} / {most}; {}", amount(tally.bad()));
    if early > 0 {
        let share = 100.0 * early as f64 / tally.rollouts() as f64;
        let _ = write!(text, " (early {share:.0} %)");
    }
    text
}

/// Says how long something took, to three digits.
fn time(reached: Reached) -> String {
    match reached {
        None => "-".to_owned(),
        Some(seconds @ 0..600) => format!("{seconds} s"),
        Some(seconds) => format!("{:.0} min", f64::from(seconds) / 60.0),
    }
}

/// Says how many, to three digits.
fn amount(count: f64) -> String {
    if count < 99.95 {
        format!("{count:.1}")
    } else if count < 9_999.5 {
        format!("{count:.0}")
    } else {
        format!("{:.0}k", count / 1000.0)
    }
}

/// Adds how many requests a rule needed as a multiple of Wald's bound, for a rule whose chances of
/// being wrong are known.
fn bound(text: &mut String, rule: &Kind, number: usize, cells: &[Cell]) {
    let Some(chances) = rule.chances else {
        return;
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for cell in cells {
        let share = cell.plan.steps[0];
        let Some(information) = wald::information(cell.scenario, (1.0 - share) / share) else {
            continue;
        };
        // Information that comes and goes has no such bound, and the last step another split.
        let last = cell.scenario.truth == (Truth::Bad { onset: LAST });
        if last || cell.scenario.name == "crash-loop" {
            continue;
        }
        let rate = cell.plan.rate * share;
        let usual = Chances {
            beyond: 0.01,
            at_all: 0.01,
        };
        let bounds =
            [usual, chances].map(|it| wald::requests(cell.scenario, information, it, rate));
        let needed = cell.tallies[number].requests();
        let dash = || "-".to_owned();
        let ratio = |bound: f64| needed.map_or_else(dash, |it| format!("{:.2}", it / bound));
        rows.push(vec![
            cell.scenario.title.to_owned(),
            cell.plan.rate.to_string(),
            format!("{:.4}", information.beyond),
            needed.map_or_else(dash, amount),
            amount(bounds[0]),
            ratio(bounds[0]),
            amount(bounds[1]),
            ratio(bounds[1]),
        ]);
    }
    let head = [
        "scenario",
        "requests/s",
        "nats per canary request",
        "canary requests",
        "bound at 1 %",
        "ratio",
        "bound at its chances",
        "ratio",
    ];
    let title = format!(
        "Requests on the canary from onset to rollback, and Wald's bound, {}",
        rule.title
    );
    table(text, &title, &head, &rows);
}

/// Adds how long it took to pass, for a rule that says so.
fn passing(text: &mut String, rule: &Kind, number: usize, cells: &[Cell]) {
    if rule.chances.is_none() {
        return;
    }
    let good = cells
        .iter()
        .filter(|cell| cell.scenario.truth == Truth::Good);
    let rows: Vec<Vec<String>> = good
        .map(|cell| {
            let tally = &cell.tallies[number];
            let steps = (0..STEPS).map(|step| {
                let (median, most) = (tally.passed(step, 0.5), tally.passed(step, 0.9));
                format!("{} / {}", time(median), time(most))
            });
            let first = [cell.scenario.title.to_owned(), cell.plan.rate.to_string()];
            first.into_iter().chain(steps).collect()
        })
        .collect();
    let Some(cell) = cells.first() else { return };
    let steps = cell
        .plan
        .steps
        .map(|share| format!("{} %", (share * 100.0).round()));
    let head = ["scenario", "requests/s"].into_iter();
    let head: Vec<&str> = head.chain(steps.iter().map(String::as_str)).collect();
    let title = format!("Time to pass, median / 90th percentile, {}", rule.title);
    table(text, &title, &head, &rows);
}
