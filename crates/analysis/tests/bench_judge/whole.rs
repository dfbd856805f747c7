use crate::judge::options::Options;
use crate::judge::{list, rules, simulate};

fn options(text: &str) -> Options {
    Options::parse(text.split_whitespace().map(str::to_owned)).expect("the options are known")
}

#[test]
fn the_same_seed_gives_the_same_tables() {
    let run = |seed| {
        let options = options(&format!(
            "--only errors-5,all-fail --rules flagger-1,no-margin --rate 20 --replicates 3 \
             --seed {seed}"
        ));
        simulate(&options, &|_| {})
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn every_rule_takes_back_what_fails_altogether() {
    let names: Vec<_> = rules::ALL.iter().map(|it| it.name).collect();
    let options = options(&format!(
        "--only all-fail --rules {} --rate 10 --replicates 1 --seed 1",
        names.join(",")
    ));
    let tables = simulate(&options, &|_| {});
    let row = tables
        .lines()
        .find(|line| line.starts_with("| all fail | 1 |"));
    let row = row.expect("the scenario has a row");
    assert!(!row.contains('%') && !row.contains('-'), "{row}");
}

#[test]
fn what_can_be_asked_for_is_listed() {
    let list = list();
    for name in ["--only", "bursts-2", "kayenta-5m"] {
        assert!(list.contains(name), "{name}");
    }
}
