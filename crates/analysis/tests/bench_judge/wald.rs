use crate::judge::scenario;
use crate::judge::wald::{Chances, Pair, information, requests};

#[test]
fn bounds_are_as_computed_by_hand() {
    // Nats per request on the canary with 19 on the baseline each, and requests at 5 a second: to
    // show that it is worse than is tolerated, and that it is worse at all. One in a hundred.
    for (name, beyond, at_all) in [
        ("errors-2", [0.002_979, 1546.0], 135.3),
        ("errors-5", [0.015_68, 293.8], 122.8),
        ("all-fail", [3.681, 1.251], 1.188),
        ("p95-1.3", [0.002_144, 2148.0], 154.9),
        ("p95-2", [0.148_3, 31.04], 14.57),
        ("tail", [0.025_09, 183.6], 98.1),
        ("late-errors", [0.037_11, 257.3], 0.0),
        ("late-p95", [0.148_3, 72.86], 0.0),
    ] {
        let scenario = scenario::ALL.iter().find(|it| it.name == name).unwrap();
        let found = information(scenario, 19.0).unwrap();
        let near = |found: f64, wanted: f64| (found / wanted - 1.0).abs() < 1e-3;
        assert!(near(found.beyond, beyond[0]), "{name}: {found:?}");
        let bound = |chances| requests(scenario, found, chances, 5.0);
        let one_tier = bound(Chances {
            beyond: 0.01,
            at_all: 0.01,
        });
        assert!(near(one_tier, beyond[1]), "{name}: {one_tier}");
        if at_all > 0.0 {
            let only_at_all = bound(Chances {
                beyond: 0.999,
                at_all: 0.01,
            });
            assert!(near(only_at_all, at_all), "{name}: {only_at_all}");
        }
    }
}

#[test]
fn what_is_tolerated_tells_nothing() {
    let pair = Pair {
        canary: 0.011,
        baseline: 0.001,
        margin: 0.01,
    };
    assert!(pair.information(19.0) < 1e-12);
}
