//! Worlds that follow from a seed: a share of those that `./dev sim` plays, fresh ones every time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use leadsman_testkit::sim::{
    Act, Nature, Script, Setting, Shipped, What, minimise, play, play_many,
};

/// How many worlds are played, and for how long at the most on a slow machine.
const WORLDS: u64 = 400;
const WITHIN: Duration = Duration::from_secs(60);

#[test]
fn whatever_happens_and_breaks_nothing_is_lost() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = now.as_secs() << 24;
    println!("{WORLDS} worlds from seed {seed} on");
    let many = play_many(seed, WORLDS, WITHIN, 3, |_| {});
    let broken = many.violations.iter();
    let broken: Vec<String> = broken
        .map(|(seed, violation)| format!("./dev sim --seed {seed} --minimise\n{violation:?}"))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(many.runs > 0 && many.events > many.runs);
    println!("{} were played in {:?}", many.runs, many.took);
}

#[test]
fn the_same_seed_is_the_same_world_to_the_last_line() {
    for seed in 0..8 {
        let script = Script::new(seed);
        let (once, again) = (play(&script, true), play(&script, true));
        assert_eq!(once.timeline, again.timeline, "seed {seed}");
        assert!(once.timeline.len() > 5, "{:?}", once.timeline);
    }
}

/// A release an hour, one in four of them bad, and thirty requests a second.
#[test]
fn a_day_of_deployments_comes_to_rest() {
    let hour = Duration::from_secs(3_600);
    let release = |version: u64| Shipped {
        version,
        nature: if version.is_multiple_of(4) {
            Nature::Fails
        } else {
            Nature::Good
        },
        strategy: "canary: { steps: [5%, 25%, 50%], soak: 5m }, keep_warm: 10m".to_owned(),
        instances: 3,
        chained: false,
        steady: true,
        path: "/",
        limits: None,
        rules: None,
        migrates: None,
    };
    let acts = (0..24).map(|index: u32| Act {
        at: Duration::from_secs(1) + hour * index,
        what: What::Ship(release(u64::from(index) + 1)),
    });
    let script = Script {
        seed: 7,
        setting: Setting {
            services: 1,
            requests: 30,
            window: Duration::from_secs(10),
            length: hour * 24,
        },
        acts: acts.collect(),
    };
    let begun = Instant::now();
    let played = play(&script, true);
    println!("a day took {:?}", begun.elapsed());
    assert_eq!(played.violations, []);
    let ends = |how: &str| {
        let ended = format!("deployment_ended: {how}");
        let lines = played.timeline.iter();
        lines.filter(|line| line.contains(&ended)).count()
    };
    assert_eq!((ends("Settled"), ends("RolledBack")), (18, 6));
}

#[test]
fn a_world_is_made_as_short_as_it_can_be() {
    let script = Script::new(11);
    let moments: Vec<Duration> = script.acts.iter().map(|act| act.at).collect();
    let (first, last) = (moments[1], moments[moments.len() - 2]);
    let has = |script: &Script, at| script.acts.iter().any(|act| act.at == at);
    let (shortest, tried) = minimise(&script, |it| has(it, first) && has(it, last));
    let left: Vec<Duration> = shortest.acts.iter().map(|act| act.at).collect();
    assert_eq!(left, [first, last], "of {moments:?}");
    assert!(tried < 5 * moments.len(), "{tried}");
}
