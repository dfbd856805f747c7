use crate::judge::scenario;
use crate::judge::wald::{Pair, information, requests};

#[test]
fn bounds_are_as_computed_by_hand() {
    // Nats per request on the canary, and requests at 5 a second, with 19 on the baseline each.
    for (name, nats, bound) in [
        ("errors-2", 0.002_979, 1546.0),
        ("errors-5", 0.015_68, 293.8),
        ("all-fail", 3.681, 1.251),
        ("p95-1.3", 0.002_144, 2148.0),
        ("p95-2", 0.148_3, 31.04),
        ("tail", 0.025_09, 183.6),
        ("late-errors", 0.037_11, 257.3),
        ("late-p95", 0.148_3, 72.86),
    ] {
        let scenario = scenario::ALL.iter().find(|it| it.name == name).unwrap();
        let found = information(scenario, 19.0).unwrap();
        assert!((found / nats - 1.0).abs() < 1e-3, "{name}: {found}");
        let found = requests(scenario, found, 5.0);
        assert!((found / bound - 1.0).abs() < 1e-3, "{name}: {found}");
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
