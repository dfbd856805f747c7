//! Turns and answers one by one, and the bound over all outcomes of small blocks.

use super::*;

/// Gives turns a millisecond apart.
struct Turns(Tripwire, u32);

impl Turns {
    fn new(canary: u32) -> Self {
        let mut wire = Tripwire::new(0.05, 0.001);
        wire.split(canary, 10_000 - canary);
        Self(wire, 0)
    }

    fn turn(&mut self, arm: Arm) -> Turn {
        self.1 += 1;
        self.0.turn(arm, Duration::from_millis(1) * self.1)
    }

    /// A turn that is answered at once.
    fn give(&mut self, arm: Arm, failed: bool) -> Option<Trip> {
        let turn = self.turn(arm);
        self.0.answered(turn, failed)
    }

    /// Twenty turns, one of which is the canary's.
    fn twenty(&mut self, failed: [bool; 2]) -> Option<Trip> {
        let mut trip = self.give(Arm::Canary, failed[0]);
        for _ in 0..19 {
            trip = trip.or(self.give(Arm::Baseline, failed[1]));
        }
        trip
    }
}

const GOOD: [bool; 2] = [false; 2];
const CRASH: [bool; 2] = [true, false];

fn seen(failures: u64, answers: u64) -> Seen {
    Seen { answers, failures }
}

#[test]
fn three_of_three_beside_a_good_baseline_trip_it() {
    let mut turns = Turns::new(500);
    assert_eq!(turns.twenty(CRASH), None);
    assert_eq!(turns.twenty(CRASH), None);
    let trip = turns.twenty(CRASH).expect("it has tripped");
    assert_eq!((trip.canary, trip.baseline), (seen(3, 3), seen(0, 38)));
    assert_eq!(
        trip.sentence(),
        "3 of 3 answers failed on the new revision while 0 of 38 did on stable: cut off by the \
         data plane"
    );
    assert_eq!(turns.twenty(CRASH), None, "it trips once");
}

#[test]
fn a_crash_after_a_good_hour_is_told_by_its_own_numbers() {
    let mut turns = Turns::new(500);
    for _ in 0..5_000 {
        assert_eq!(turns.twenty(GOOD), None);
    }
    let trip = (0..12).find_map(|_| turns.twenty(CRASH));
    let Trip { canary, baseline } = trip.expect("it has tripped");
    assert!(canary.failures <= 8, "{canary:?}");
    assert!(canary.answers <= canary.failures + 5, "{canary:?}");
    assert!(
        baseline.failures == 0 && baseline.answers < 300,
        "{baseline:?}"
    );
}

#[test]
fn what_fails_both_sides_trips_nothing() {
    let mut turns = Turns::new(500);
    for _ in 0..1_000 {
        assert_eq!(turns.twenty([true; 2]), None);
    }
}

#[test]
fn without_answers_of_the_baseline_nothing_is_compared() {
    let mut turns = Turns::new(5_000);
    let mut of_baseline = Vec::new();
    for _ in 0..100 {
        of_baseline.push(turns.turn(Arm::Baseline));
        assert_eq!(turns.give(Arm::Canary, true), None);
    }
    // As soon as they are there, they tell.
    let tripped = of_baseline
        .into_iter()
        .find_map(|turn| turns.0.answered(turn, false));
    assert!(tripped.is_some());
}

#[test]
fn answers_that_come_after_their_block_has_left_are_ignored() {
    let mut turns = Turns::new(500);
    let late = turns.turn(Arm::Canary);
    for _ in 0..2 * BLOCKS {
        assert_eq!(turns.twenty(GOOD), None);
    }
    let before = turns.0.evidence();
    assert_eq!(turns.0.answered(late, true), None);
    assert_eq!(format!("{before:?}"), format!("{:?}", turns.0.evidence()));
}

#[test]
fn a_canary_that_was_not_asked_for_an_hour_is_not_compared_with_that_hour() {
    let mut wire = Tripwire::new(0.05, 0.001);
    wire.split(500, 9_500);
    for second in 0..3_600 {
        let turn = wire.turn(Arm::Baseline, Duration::from_secs(second));
        assert_eq!(wire.answered(turn, false), None);
    }
    let turn = wire.turn(Arm::Canary, Duration::from_secs(3_600));
    assert_eq!(wire.answered(turn, true), None);
    let beside = wire.block_mut(turn.block).turns[Arm::Baseline as usize];
    assert!(beside <= 60, "{beside}");
}

#[test]
fn the_order_of_answers_does_not_matter() {
    // The failures are heard of first, the good answers given before them come later.
    let mut turns = Turns::new(5_000);
    let mut good = Vec::new();
    let mut failed = Vec::new();
    for _ in 0..40 {
        good.push(turns.turn(Arm::Canary));
        good.push(turns.turn(Arm::Baseline));
    }
    for _ in 0..2 {
        failed.push(turns.turn(Arm::Canary));
        good.push(turns.turn(Arm::Baseline));
    }
    for turn in failed {
        assert_eq!(turns.0.answered(turn, true), None);
    }
    for turn in good {
        assert_eq!(turns.0.answered(turn, false), None);
    }
}

#[test]
fn a_new_split_begins_a_step() {
    // As many failures in a row after a good while, with and without a step that begins there.
    let crash_after = |step: bool| {
        let mut turns = Turns::new(500);
        for _ in 0..200 {
            turns.twenty(GOOD);
        }
        if step {
            // Nearly the same, so that nothing but the beginning differs.
            turns.0.split(501, 9_499);
        }
        (1..20).find(|_| turns.twenty(CRASH).is_some())
    };
    assert_eq!((crash_after(true), crash_after(false)), (Some(4), Some(7)));
}

/// Returns how often `hits` of `of` are seen when each has the probability `p`.
fn binomial(hits: u32, of: u32, p: f64) -> f64 {
    let ways = (0..hits).fold(1.0, |ways, hit| {
        ways * f64::from(of - hit) / f64::from(hit + 1)
    });
    let exponent = |count: u32| i32::try_from(count).expect("a small count");
    ways * p.powi(exponent(hits)) * (1.0 - p).powi(exponent(of - hits))
}

#[test]
fn no_process_can_be_expected_to_grow_while_its_statement_is_true() {
    for limit in [0.05, 0.3, 0.9] {
        for (part, weight) in ALTERNATIVES {
            let alternative = Alternative::new(limit, part, weight);
            for turns in [[1, 19], [1, 1], [5, 2], [2, 7]] {
                for p in [0.0, 0.01, 0.05, 0.3, 0.7, 1.0_f64] {
                    let (mut alone, mut beside) = (0.0, 0.0);
                    for e in 0..=turns[0] {
                        let seen = binomial(e, turns[0], p.min(limit));
                        let block = Block {
                            turns,
                            failed: [e, 0],
                            ..Block::default()
                        };
                        alone += seen * alternative.alone(&block);
                        for f in 0..=turns[1] {
                            let seen = binomial(e, turns[0], p) * binomial(f, turns[1], p);
                            let block = Block {
                                turns,
                                failed: [e, f],
                                good: [0, turns[1] - f],
                                ..Block::default()
                            };
                            beside += seen * alternative.beside(&block);
                        }
                    }
                    assert!(alone <= 1.0 + 1e-9, "{limit} {part} {turns:?} {p}: {alone}");
                    assert!(
                        beside <= 1.0 + 1e-9,
                        "{limit} {part} {turns:?} {p}: {beside}"
                    );
                }
            }
        }
    }
}

#[test]
fn all_prior_weight_is_one_at_most() {
    let alternatives: f64 = ALTERNATIVES.iter().map(|(_, weight)| weight).sum();
    assert!((alternatives - 1.0).abs() < 1e-12);
    assert!((START + STEPS + OVER_TIME - 1.0).abs() < 1e-12);
    let mut wire = Tripwire::new(0.05, 0.001);
    let mut weight = 0.0;
    for step in 1..60_u32 {
        wire.split(step, 60);
        for (arm, ms) in [(Arm::Canary, 0), (Arm::Baseline, 20), (Arm::Canary, 40)] {
            let turn = wire.turn(arm, Duration::from_millis(ms) + HALF * (step - 1));
            if wire.block_mut(turn.block).turns
                == [
                    u32::from(arm == Arm::Canary),
                    u32::from(arm == Arm::Baseline),
                ]
            {
                weight += wire.block_mut(turn.block).weight;
            }
        }
    }
    assert!((0.99..=1.0).contains(&weight), "{weight}");
}

#[test]
fn what_is_excused_is_the_larger_limit_and_never_little() {
    let limits = |errors, margin| {
        let mut limits = Limits {
            errors,
            ..Limits::default()
        };
        limits.against_stable.errors = margin;
        limit(&limits)
    };
    for (errors, margin, excused) in [
        (Some(0.05), Some(0.01), Some(0.05)),
        (Some(0.001), Some(0.01), Some(0.05)),
        (Some(0.1), Some(0.2), Some(0.2)),
        (Some(0.1), None, Some(0.1)),
        (None, Some(0.01), Some(0.05)),
        (None, None, None),
        (Some(1.0), Some(0.01), None),
        (Some(f64::NAN), None, None),
    ] {
        assert_eq!(limits(errors, margin), excused, "{errors:?} {margin:?}");
    }
    let warms_up = Limits {
        warm_up: Duration::from_secs(60),
        ..Limits::default()
    };
    assert_eq!(limit(&warms_up), Some(0.05 + WARM_POINTS));
}
