use std::rc::Rc;

use leadsman_analysis::Histogram;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use crate::judge::scenario::Bursts;
use crate::judge::traffic::{
    Counted, Q95, Shape, THRESHOLDS, Twin, Weather, above, arrive, latency,
};

/// The share of requests that `shape` has above a bucket.
fn beyond(shape: &Shape, bucket: usize) -> f64 {
    let cells = shape.cells.iter().zip(&shape.chances);
    let above = cells.filter(|(cell, _)| cell.bucket > bucket);
    above.map(|(_, chance)| chance).sum()
}

#[test]
fn shapes_are_the_lognormal_distributions_they_should_be() {
    // 80 ms is in bucket 294, whose edge is 80.1 ms; the p95 of 214.6 ms is in 337.
    for (slower, tail) in [(1.0, 0.0), (1.3, 0.0), (1.0, 0.05)] {
        let shape = Shape::new(slower, tail);
        assert!((shape.chances.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        for bucket in [250, 294, 337, 400, 450] {
            let edge = Histogram::edge(bucket).as_secs_f64();
            let wanted = above(edge, slower, tail);
            let found = beyond(&shape, bucket);
            assert!((found - wanted).abs() < 1e-9, "{bucket}: {found} {wanted}");
        }
    }
    assert!((above(latency(Q95), 1.0, 0.0) - 0.05).abs() < 1e-9);
    // ln(1.2) / 0.6 further: 1.9487 standard deviations.
    assert!((Shape::new(1.0, 0.0).slow - 0.025_665).abs() < 1e-5);
}

#[test]
fn what_is_beyond_a_threshold_is_counted_exactly() {
    let shape = Shape::new(3.0, 0.1);
    for (number, threshold) in THRESHOLDS.into_iter().enumerate() {
        let cells = shape.cells.iter().zip(&shape.chances);
        let over = cells.filter(|(cell, _)| cell.over > number);
        let found: f64 = over.map(|(_, chance)| chance).sum();
        let wanted = above(threshold, 3.0, 0.1);
        assert!(
            (found - wanted).abs() < 1e-9,
            "{threshold}: {found} {wanted}"
        );
    }
}

/// Says whether a count of Poisson events is within six standard deviations of its mean.
fn plausible(count: u64, mean: f64) -> bool {
    (count as f64 - mean).abs() < 6.0 * mean.sqrt()
}

#[test]
fn as_much_arrives_as_is_expected() {
    let mut rng = SmallRng::seed_from_u64(1);
    let shape = Rc::new(Shape::new(1.0, 0.0));
    let (mut counted, mut twin) = (Counted::default(), Twin::default());
    for _ in 0..1_000 {
        arrive(&mut counted, 50.0, 0.02, &shape, &mut rng);
        twin.expect(50.0, 0.02, &shape);
    }
    for (name, counted) in [("arm", counted), ("twin", twin.draw(&mut rng))] {
        assert!(plausible(counted.requests, 50_000.0), "{name}");
        assert!(plausible(counted.errors, 1_000.0), "{name}");
        let expected = 50_000.0 * above(0.5, 1.0, 0.0);
        assert!(plausible(counted.over[0], expected), "{name}");
        assert_eq!(counted.histogram().count(), counted.requests, "{name}");
        let late = counted.histogram().count_above(Histogram::edge(337));
        assert!(plausible(late, 50_000.0 * beyond(&shape, 337)), "{name}");
    }
    // It begins anew after it was drawn.
    assert_eq!(twin.draw(&mut rng).requests, 0);
}

#[test]
fn all_or_nothing_can_fail() {
    let mut rng = SmallRng::seed_from_u64(1);
    let shape = Shape::new(1.0, 0.0);
    for (share, failed) in [(0.0, 0.0), (1.0, 1.0)] {
        let mut counted = Counted::default();
        arrive(&mut counted, 1_000.0, share, &shape, &mut rng);
        assert!(counted.requests > 0);
        assert_eq!(counted.errors, (failed * counted.requests as f64) as u64);
    }
    let mut counted = Counted::default();
    arrive(&mut counted, 0.0, 0.5, &shape, &mut rng);
    assert_eq!(counted.requests, 0);
}

#[test]
fn counts_add_up_and_are_forgotten() {
    let mut rng = SmallRng::seed_from_u64(1);
    let shape = Shape::new(4.0, 0.0);
    let mut counted = Counted::default();
    arrive(&mut counted, 500.0, 0.1, &shape, &mut rng);
    let one = counted.clone();
    counted.add(&one);
    assert_eq!(counted.requests, 2 * one.requests);
    assert_eq!(counted.errors, 2 * one.errors);
    assert_eq!(counted.over, one.over.map(|over| 2 * over));
    assert_eq!(counted.histogram().count(), 2 * one.requests);
    counted.clear();
    assert_eq!(counted.histogram(), Histogram::default());
    assert_eq!(counted.requests + counted.errors + counted.over[0], 0);
}

fn same(found: [f64; 3], wanted: [f64; 3]) -> bool {
    found.map(f64::to_bits) == wanted.map(f64::to_bits)
}

#[test]
fn bursts_have_the_mean_and_the_variation_they_should_have() {
    let mut rng = SmallRng::seed_from_u64(1);
    for (variation, shared) in [(1.0, true), (2.0, false)] {
        let bursts = Bursts {
            variation,
            seconds: 10,
            shared,
        };
        let mut weather = Weather::new(Some(bursts));
        let (mut sum, mut squares) = (0.0, 0.0);
        let draws = 50_000;
        for at in -10..10 * (draws - 1) {
            let before = weather.factors;
            weather.turn(at, &mut rng);
            if at % 10 == 0 {
                sum += weather.factors[0];
                squares += weather.factors[0] * weather.factors[0];
                let [canary, baseline, twin] = weather.factors;
                assert_eq!(canary.total_cmp(&baseline).is_eq(), shared);
                assert_eq!(baseline.total_cmp(&twin).is_eq(), shared);
            } else {
                assert!(same(weather.factors, before));
            }
        }
        let mean = sum / f64::from(draws);
        let deviation = (squares / f64::from(draws) - mean * mean).sqrt();
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
        assert!((deviation - variation).abs() < 0.1, "{deviation}");
    }
    let mut calm = Weather::new(None);
    calm.turn(0, &mut rng);
    assert!(same(calm.factors, [1.0; 3]));
}
