//! The machine, the service and the users of the tests, which play the same in less time.
#![expect(
    dead_code,
    unused_imports,
    reason = "the tests do more with them than is done here"
)]

#[path = "../../tests/it/live/certificate.rs"]
mod certificate;
#[path = "../../tests/it/live/client.rs"]
mod client;
#[path = "../../tests/it/live/machine.rs"]
mod machine;
#[path = "../../tests/it/live/processes.rs"]
mod processes;
#[path = "../../tests/it/live/service.rs"]
mod service;
#[path = "../../tests/it/live/story.rs"]
mod story;
#[path = "../../tests/it/live/users.rs"]
mod users;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use story::{Act, Story};
use users::Outcome;

/// What is promised of the time from `kill -9` of the data plane to the next answer.
const BACK_WITHIN: Duration = Duration::from_millis(300);

/// How long users are watched before and after each kill.
const AROUND_A_KILL: Duration = Duration::from_secs(1);

/// How much is played.
pub(crate) struct Scale {
    pub(crate) users: usize,
    pub(crate) duration: Duration,
    pub(crate) kills: usize,
}

/// Is the service from here on, if that is what this process was started for.
pub(crate) fn serve_if_told() {
    service::serve_if_told();
}

/// Plays everything, prints what users met, and says whether it was what is promised.
pub(crate) fn play(scale: &Scale, is_encrypted: bool) -> bool {
    let mut acts = vec![
        Act::Rolling,
        Act::BlueGreen,
        Act::CanaryAndKill,
        Act::Rollback,
        Act::Upgrade,
        Act::SetUp,
    ];
    if is_encrypted {
        acts.push(Act::Certificate);
    }
    let mut story = Story::new(scale.users, is_encrypted);
    let begun = Instant::now();
    let each = scale.duration / u32::try_from(acts.len()).unwrap();
    let told = story.play(&acts, each, Duration::from_millis(500));
    let over = begun.elapsed().as_secs_f64();
    let how = if is_encrypted {
        "encrypted"
    } else {
        "in the clear"
    };
    println!("{} users for {over:.0} s, {how}", scale.users);
    println!();
    println!("| | took | requests | asked again | failed | p50 | p99 | slowest |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for (index, played) in told.acts.iter().enumerate() {
        let took = format!("{:.1} s", played.took.as_secs_f64());
        row(played.act.name(), &took, &told.of(index));
    }
    row("all", &format!("{over:.1} s"), &told.outcome);
    let mut is_good = told.outcome.failed().is_empty();
    causes(&told.outcome);

    let mut backs = Vec::new();
    let mut of_kills = Outcome::default();
    let mut unexplained = 0;
    for _ in 0..scale.kills {
        let mut killed = story.kill_the_data_plane(AROUND_A_KILL);
        unexplained += killed.unexplained().len();
        backs.push(killed.back_after);
        of_kills.visits.append(&mut killed.outcome.visits);
    }
    story.end();
    row("`kill -9` of the data plane", "", &of_kills);
    causes(&of_kills);
    println!();
    backs.sort_unstable();
    if let (Some(median), Some(slowest)) = (backs.get(backs.len() / 2), backs.last()) {
        println!(
            "`kill -9` of the data plane, {} times: the next answer after {} (median), {} (slowest); \
             {unexplained} requests were lost that were not in flight",
            backs.len(),
            millis(*median),
            millis(*slowest),
        );
        is_good &= unexplained == 0 && *slowest < BACK_WITHIN;
    }
    println!();
    is_good
}

fn row(name: &str, took: &str, outcome: &Outcome) {
    let visits = outcome.visits.iter();
    let mut times: Vec<Duration> = visits.map(|visit| visit.over_at - visit.asked_at).collect();
    times.sort_unstable();
    let of = |percent: usize| {
        let at = times.len() * percent / 100;
        let time = times.get(at.min(times.len().saturating_sub(1)));
        time.map_or_else(String::new, |time| millis(*time))
    };
    println!(
        "| {name} | {took} | {} | {} | {} | {} | {} | {} |",
        times.len(),
        outcome.asked_again(),
        outcome.failed().len(),
        of(50),
        of(99),
        of(100)
    );
}

/// Prints what failed, by cause.
fn causes(outcome: &Outcome) {
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for visit in outcome.failed() {
        let why = visit.came.as_ref().err().map_or("", |why| why.as_str());
        *causes
            .entry(why.lines().next().unwrap_or_default())
            .or_default() += 1;
    }
    for (why, count) in causes {
        println!("| failed: {why} | | {count} | | | | | |");
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
