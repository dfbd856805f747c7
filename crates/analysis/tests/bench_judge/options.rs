use crate::judge::options::Options;

fn parse(text: &str) -> Result<Options, String> {
    Options::parse(text.split_whitespace().map(str::to_owned))
}

#[test]
fn options_are_read() {
    let found = parse("--only same,p95-2 --rules ours --rate 1,50 --replicates 7 --seed 9");
    let found = found.unwrap();
    assert_eq!(found.only, ["same", "p95-2"]);
    assert_eq!(found.rules, ["ours"]);
    assert_eq!(found.rates, [1.0, 50.0]);
    assert_eq!(found.replicates, [7, 7]);
    assert_eq!(found.seed, 9);
    assert!((parse("--quick --last 90").unwrap().last - 0.9).abs() < 1e-12);
    // Cargo says that it is a benchmark.
    let quick = parse("--quick --bench --seed 1").unwrap();
    assert!(quick.only.len() < parse("").unwrap().only.len());
}

#[test]
fn what_is_wrong_is_said() {
    for (text, wrong) in [
        ("--only nothing", "there is no scenario `nothing`"),
        ("--rules nobody", "there is no rule `nobody`"),
        ("--rate fast", "`--rate` is one or more numbers"),
        ("--replicates few", "`--replicates` is a number, not `few`"),
        ("--last 100", "`--last` is a number between 0 and 100"),
        ("--seed", "`--seed` wants a value"),
        ("--slow 1", "unknown option `--slow`"),
    ] {
        let found = parse(text).unwrap_err();
        assert!(found.starts_with(wrong), "{text}: {found}");
    }
}

#[test]
fn each_run_has_a_seed_of_its_own() {
    assert_ne!(parse("").unwrap().seed, parse("").unwrap().seed);
}
