//! Known answers: values that an independent implementation of the same equations computed.

use std::time::Duration;

use serde_json::Value;

use super::config::{Config, Needed};
use super::*;
use crate::evidence::bernoulli::{
    Alternatives, Margin, Tally, growth, growth_beside, odds_times, projections,
};
use crate::evidence::capital::Capitals;
use crate::{Histogram, interval};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/vectors.json")).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// What is meant by "the same": one part in 1e9.
fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
}

#[test]
fn units() {
    for unit in list(&vectors()["unit"]) {
        let args: Vec<f64> = list(&unit["args"]).iter().map(number).collect();
        let out = number(&unit["out"]);
        let tally = |of, hits| Tally { hits, of };
        let found = match unit["fn"].as_str().unwrap() {
            "log_s2" => {
                let seen = Arms {
                    canary: tally(args[0], args[1]),
                    baseline: tally(args[2], args[3]),
                };
                let (canary, baseline) = ([args[4]], args[5]);
                let (ratio, points) = (args[6], args[7]);
                let alternatives = Alternatives { canary, baseline };
                let margin = Margin { ratio, points };
                let of = Arms {
                    canary: args[0],
                    baseline: args[2],
                };
                let [theta] = projections(of, &alternatives, margin).baseline;
                let expected = number(&unit["theta_b"]);
                assert!(
                    (theta - expected).abs() <= 1e-12 * expected,
                    "{unit}: {theta}"
                );
                growth_beside(seen, &alternatives, margin)[0]
            }
            "log_s1" => growth(tally(args[0], args[1]), [args[3]], [args[2]])[0],
            "odds_mult" => odds_times(args[0], args[1]),
            "bucket_of" => Histogram::bucket(Duration::from_secs_f64(args[0] / 1e3)) as f64,
            "logaddexp" => {
                let parts = [grown_to(args[0]), grown_to(args[1])];
                Capital::sum(parts.map(|part| (part, 1.0))).ln()
            }
            "release" => prior::between(0.0, args[0]),
            "cs_radius" => interval::radius(args[0], args[1], args[2]),
            other => panic!("{other} is not known"),
        };
        assert!(close(found, out), "{unit}: {found}");
    }
}

fn grown_to(ln: f64) -> Capital {
    let mut capitals = Capitals::<1>::new(1.0);
    capitals.grow([ln]);
    capitals.sum(&[1.0], Capital::NONE)
}

fn figures(arm: &Value) -> Figures {
    let pairs = list(&arm[4]).iter();
    let pairs = pairs.map(|pair| (u16::try_from(whole(&pair[0])).unwrap(), whole(&pair[1])));
    Figures {
        requests: whole(&arm[0]),
        errors: whole(&arm[1]),
        latency: Histogram::from(pairs.collect::<Vec<_>>()),
        over: Some([whole(&arm[2]), whole(&arm[3])]),
    }
}

fn config(given: &Value) -> Config {
    let defaults = &vectors()["default_cfg"];
    let key = |key: &str| {
        given
            .get(key)
            .map_or_else(|| number(&defaults[key]), number)
    };
    let alpha = key("alpha");
    Config {
        margin: Some(Margin {
            ratio: key("rho"),
            points: key("delta"),
        }),
        longer: ["m1", "m2"].map(|m| Some(key(m) as usize)),
        shares: ["err_abs", "p95_tail", "p99_tail"].map(|share| Some(key(share))),
        thresholds: [None; 2],
        warm_up: key("warm"),
        temper: key("deff") > 0.0,
        attribute: key("attr") > 0.0,
        needed: Needed {
            beyond: -key("alpha1").max(alpha).ln(),
            at_all: -alpha.ln(),
            alone: -alpha.ln(),
            pass: -key("beta").ln(),
        },
    }
}

#[test]
fn sequences() {
    let vectors = vectors();
    let arms: Vec<Figures> = list(&vectors["arms"]).iter().map(figures).collect();
    let arm = |index: &Value| arms[usize::try_from(whole(index)).unwrap()].clone();
    for sequence in list(&vectors["sequences"]) {
        let name = sequence["name"].as_str().unwrap();
        let config = config(&sequence["cfg"]);
        let needed = config.needed;
        let mut comparison = Comparison::new(config);
        for row in list(&sequence["history"]) {
            let history = History {
                seconds: number(&row[0]),
                baseline: arm(&row[1]),
                reference: Some(arm(&row[2])),
            };
            for _ in 0..whole(&row[3]) {
                comparison.history(&history);
            }
        }
        let mut expected = list(&sequence["expect"]).iter().peekable();
        let (mut windows, mut warned, mut failed) = (0, false, None);
        let mut passed = None;
        for event in list(&sequence["events"]) {
            if event[0] == "step" {
                comparison.begin_step(Split {
                    canary: number(&event[1]),
                    baseline: number(&event[2]),
                });
                continue;
            }
            let window = Window {
                seconds: number(&event[1]),
                canary: arm(&event[2]),
                baseline: Some(arm(&event[3])),
                reference: Some(arm(&event[4])),
                restarts: 0,
            };
            for _ in 0..whole(&event[5]) {
                comparison.observe(&window);
                windows += 1;
                warned |= comparison.warns();
                if comparison.fails() {
                    failed.get_or_insert(windows);
                }
                let gates = comparison.gates();
                let open = gates.iter().flatten().all(|gate| *gate >= needed.pass);
                let passes = open && !comparison.is_suspicious();
                if passes {
                    passed.get_or_insert(windows);
                }
                if expected
                    .peek()
                    .is_some_and(|e| whole(&e["window"]) == windows)
                {
                    let expected = expected.next().unwrap();
                    let flags = (warned, failed.is_some(), passes);
                    check(name, expected, &comparison, flags);
                }
            }
        }
        assert!(expected.next().is_none(), "{name}");
        assert_eq!(failed, sequence["first_fail"].as_u64(), "{name}");
        assert_eq!(passed, sequence["first_pass"].as_u64(), "{name}");
    }
}

fn check(name: &str, expected: &Value, comparison: &Comparison, flags: (bool, bool, bool)) {
    let at = format!("{name}, window {}", expected["window"]);
    let same = |what: &str, found: f64, expected: &Value| {
        let expected = number(expected);
        assert!(
            close(found, expected),
            "{at}: {what} {found} is not {expected}"
        );
    };
    same("log_e", comparison.capital().beyond, &expected["log_e"]);
    same(
        "log_strict",
        comparison.capital().at_all,
        &expected["log_strict"],
    );
    assert_eq!(flags.0, whole(&expected["warn"]) == 1, "{at}");
    assert_eq!(flags.1, whole(&expected["fail"]) == 1, "{at}");
    assert_eq!(flags.2, expected["passed"].as_bool().unwrap(), "{at}");

    let (block, window) = (comparison.rest.by_block, comparison.rest.by_window);
    let Comparison {
        errors,
        tails,
        absolute,
        ..
    } = comparison;
    let totals = [
        errors.beyond.total(block),
        tails[0].beyond.total(block),
        tails[1].beyond.total(block),
        absolute[0].exceeded.total(window),
        absolute[1].exceeded.total(window),
        absolute[2].exceeded.total(window),
        errors.at_all.total(block),
        absolute[1].blamed.total(block),
        absolute[2].blamed.total(block),
        tails[0].at_all.total(block),
        tails[1].at_all.total(block),
    ];
    for (i, (total, expected)) in totals.iter().zip(list(&expected["fail_log"])).enumerate() {
        same(&format!("process {i}"), total.ln(), expected);
    }
    let gates = comparison.gates().map(Option::unwrap);
    for (i, (gate, expected)) in gates.iter().zip(list(&expected["pass_log"])).enumerate() {
        same(&format!("gate {i}"), *gate, expected);
    }
    let effects = comparison.block.effects.iter();
    let effects = effects.flat_map(|effect| [effect.canary, effect.baseline]);
    for (effect, expected) in effects.zip(list(&expected["deff"])) {
        same("effect", effect, expected);
    }
    let edges = comparison
        .block
        .tails
        .map(|tails| tails.map(|tail| tail.edge as i64));
    let expected_edges: Vec<i64> = list(&expected["tau"])
        .iter()
        .map(|edge| edge.as_i64().unwrap())
        .collect();
    assert_eq!(edges.unwrap_or([-1, -1]).to_vec(), expected_edges, "{at}");

    let outlook = comparison.outlook();
    for (what, found) in [
        ("eta_fail", outlook.fails_in),
        ("eta_pass", outlook.passes_in),
    ] {
        match (found, expected[what].as_f64()) {
            (Some(found), Some(_)) => same(what, found, &expected[what]),
            (found, expected) => assert_eq!(found, expected, "{at}: {what}"),
        }
    }
}
