//! Why requests failed: each by something that was done at just that time to what it was on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::axe::{Struck, Target, What};
use super::books::{AccessLog, History, release_of};
use crate::live::users::{Outcome, Visit};

/// For how long at most a user's connection is idle between two requests, on a busy machine.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// What came of the requests of a watch.
#[derive(Default)]
pub(super) struct Told {
    /// How many failed, by why they had to.
    pub(super) failed: BTreeMap<String, u64>,
    /// Those that did not have to fail, in words.
    pub(super) unexplained: Vec<String>,
    /// How many were asked again on a new connection.
    pub(super) asked_again: u64,
    /// The longest time for which nobody was answered after the proxy or its shim was killed.
    pub(super) longest_gap: Duration,
}

/// How a request failed.
#[derive(Debug, PartialEq, Eq)]
enum Failed<'a> {
    /// The connection was refused, or closed before all of the answer had come.
    Cut,
    /// The data plane answered itself, and this is why.
    Refused(&'a str),
    /// The service answered so.
    Status(&'a str),
}

/// Everything that a cause is looked for in.
struct Case<'a> {
    struck: Vec<Struck>,
    log: &'a AccessLog,
    history: &'a History,
}

/// Finds out why requests failed.
pub(super) fn told(
    outcome: &Outcome,
    struck: &[Struck],
    log: &AccessLog,
    history: &History,
) -> Told {
    let mut told = Told::default();
    let mut good: Vec<&Visit> = outcome.visits.iter().filter(|it| it.came.is_ok()).collect();
    good.sort_by_key(|visit| begun(visit));
    let struck = struck.iter().map(|one| {
        let mut one = one.clone();
        if ends_the_proxy(one.what) {
            // Who comes as soon as it is gone, and is answered, ends the gap.
            let first = good.partition_point(|visit| begun(visit) <= one.to);
            let back = good.get(first).map(|visit| visit.over_at);
            let gap = back.map_or(Duration::MAX, |back| {
                back.saturating_duration_since(one.from)
            });
            told.longest_gap = told.longest_gap.max(gap);
            // Without its shim nobody keeps the sockets.
            if one.what != What::Kill(Target::Proxy) {
                one.to = back.unwrap_or(one.to);
            }
        }
        one
    });
    let case = Case {
        struck: struck.collect(),
        log,
        history,
    };
    for visit in &outcome.visits {
        if let Some(at) = visit.asked_again_at {
            told.asked_again += 1;
            if !case.lost_its_connection(visit.asked_at, at) {
                told.unexplained.push(case.words(visit, "asked again"));
            }
        }
        if let Err(why) = &visit.came {
            match case.cause(visit, &failed(why)) {
                Some(cause) => *told.failed.entry(cause).or_default() += 1,
                None => told.unexplained.push(case.words(visit, why)),
            }
        }
    }
    told
}

/// Returns when the attempt of a visit that counts began.
fn begun(visit: &Visit) -> Instant {
    visit.asked_again_at.unwrap_or(visit.asked_at)
}

fn failed(why: &str) -> Failed<'_> {
    let Some(rest) = why.strip_prefix("HTTP/1.1 ") else {
        return Failed::Cut;
    };
    let reason = why
        .lines()
        .find_map(|line| line.strip_prefix("x-leadsman-reason: "));
    match reason {
        Some(reason) => Failed::Refused(reason.trim()),
        None => Failed::Status(rest.split(' ').next().unwrap_or_default()),
    }
}

impl Case<'_> {
    /// Whether a connection that was idle before `from` was lost until `to` by what was done.
    fn lost_its_connection(&self, from: Instant, to: Instant) -> bool {
        self.struck.iter().any(|struck| {
            let is_then = struck.from <= to && struck.to + IDLE_MAX >= from;
            ends_the_proxy(struck.what) && is_then
        })
    }

    /// Returns why a request had to fail, if it had to.
    fn cause(&self, visit: &Visit, failed: &Failed<'_>) -> Option<String> {
        let line = visit.name.as_ref().and_then(|name| self.log.line(name));
        let mut at_that_time = self
            .struck
            .iter()
            .filter(|struck| struck.from <= visit.over_at && begun(visit) <= struck.to);
        let on_instance = |struck: &Struck| {
            let is_hit = matches!(
                struck.what,
                What::Kill(Target::Instance | Target::Shim) | What::Hoard
            );
            // What a killed proxy had not written down yet is known by its time alone.
            let is_same = line.is_none_or(|line| Some(&line.instance) == struck.instance.as_ref());
            is_hit && is_same || struck.what == What::KillAll
        };
        let is_cause = |struck: &&Struck| match failed {
            Failed::Cut if ends_the_proxy(struck.what) => true,
            Failed::Cut => {
                let is_in_two = line.is_none_or(|line| line.ended == "broke-off");
                is_in_two && on_instance(struck)
            }
            Failed::Refused("broke-off") => on_instance(struck),
            Failed::Refused("exhausted") => struck.what == What::FewFiles(Target::Proxy),
            Failed::Refused(_) | Failed::Status(_) => false,
        };
        if let Failed::Status("500") = failed {
            let release = line.and_then(|line| release_of(&line.instance));
            let is_bad = match release {
                Some(release) => self
                    .history
                    .releases
                    .get(&release)
                    .is_some_and(|it| is_bad(it)),
                None => self.history.releases.values().any(|it| is_bad(it)),
            };
            return is_bad.then(|| "a bad release answered 500".to_owned());
        }
        at_that_time
            .find(is_cause)
            .map(|struck| words_of(struck.what))
    }

    /// Says what a request met, and what was done around that time.
    fn words(&self, visit: &Visit, why: &str) -> String {
        let from = begun(visit);
        let took = visit.over_at - from;
        let mut words = format!("{:?} after {took:?}: {why:?}", visit.name);
        if let Some(line) = visit.name.as_ref().and_then(|name| self.log.line(name)) {
            words.push_str(&format!("; {line:?}"));
        }
        for struck in &self.struck {
            let near = Duration::from_secs(3);
            if struck.from < visit.over_at + near && from < struck.to + near {
                let since = |at: Instant| match at.checked_duration_since(from) {
                    Some(after) => format!("+{after:?}"),
                    None => format!("-{:?}", from - at),
                };
                let (what, instance) = (struck.what, &struck.instance);
                let (begin, end) = (since(struck.from), since(struck.to));
                words.push_str(&format!(
                    "\n    {what:?} {instance:?} from {begin} to {end}"
                ));
            }
        }
        words
    }
}

fn ends_the_proxy(what: What) -> bool {
    matches!(
        what,
        What::Kill(Target::Proxy | Target::ProxyShim) | What::KillAll
    )
}

fn is_bad(note: &str) -> bool {
    note.ends_with(" errors")
}

fn words_of(what: What) -> String {
    match what {
        What::Kill(target) => format!("{} was killed", target.name()),
        What::KillAll => "everything was killed".to_owned(),
        What::Stop(target) => format!("{} was stopped", target.name()),
        What::FewFiles(target) => format!("{} had few files", target.name()),
        What::FullDisk => "the disk was full".to_owned(),
        What::BusyDisk => "the disk was busy".to_owned(),
        What::Hoard => "an instance exceeded its memory".to_owned(),
    }
}
