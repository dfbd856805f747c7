//! Weights, exact to the request, whatever else happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::world::{Backend, Visitor, World, eventually, get, nobody, side, table};

#[test]
fn five_percent_of_twenty_thousand_requests_are_a_thousand() {
    let (stable, canary) = (Backend::named("stable"), Backend::named("canary"));
    let world = World::new();
    let address = world.apply(&table(
        1,
        [
            side("stable", 9500, &[stable.address]),
            side("canary", 500, &[canary.address]),
        ],
    ));
    let canaries = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let mut visitor = Visitor::new(address);
                    for _ in 0..100 {
                        let answered = visitor.get("/");
                        assert_eq!(answered.status, 200);
                        canaries
                            .fetch_add(usize::from(answered.text() == "canary"), Ordering::SeqCst);
                    }
                }
            });
        }
    });
    // Less than one request off for each of the two workers.
    let canaries = canaries.into_inner();
    assert!((999..=1001).contains(&canaries), "{canaries}");
    // All of them: the window that holds the last ones may not be closed yet.
    let (canaries, stables) = (canaries as u64, 20_000 - canaries as u64);
    let of_canary = world.figures("canary", |counted| counted.figures.requests >= canaries);
    let of_stable = world.figures("stable", |counted| counted.figures.requests >= stables);
    assert_eq!(of_canary.figures.requests, canaries);
    assert_eq!(of_stable.figures.requests, stables);
    assert_eq!(of_canary.status, [0, canaries, 0, 0, 0]);
    assert_eq!(of_canary.figures.errors, 0);
    assert_eq!(
        of_canary.figures.latency.counts().iter().sum::<u64>(),
        canaries
    );
}

/// Ends the load, also when the test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_swap_under_load_fails_no_request() {
    let backends: Vec<Backend> = ["a", "b", "c"].map(Backend::named).into();
    let at = |index: usize| [backends[index].address];
    let world = World::new();
    let address = world.apply(&table(1, [side("a", 10_000, &at(0)), side("b", 0, &at(1))]));
    let done = AtomicBool::new(false);
    let requests = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut visitor = Visitor::new(address);
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(visitor.get("/").status, 200);
                    requests.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _done = Done(&done);
        for generation in 2..60_u64 {
            let weight = u32::try_from(generation % 5).unwrap() * 2500;
            let (first, second) = match generation % 3 {
                0 => (
                    side("a", weight, &at(0)),
                    side("b", 10_000 - weight, &at(1)),
                ),
                1 => (
                    side("b", weight, &at(1)),
                    side("c", 10_000 - weight, &at(2)),
                ),
                _ => (
                    side("c", weight, &at(2)),
                    side("a", 10_000 - weight, &at(0)),
                ),
            };
            world.apply(&table(generation, [first, second]));
            // Each table is met by requests, however slow the machine is.
            let met = requests.load(Ordering::SeqCst) + 2;
            eventually("requests", || {
                (requests.load(Ordering::SeqCst) >= met).then_some(())
            });
        }
    });
}

#[test]
fn after_the_acknowledgement_nothing_new_goes_to_a_removed_side() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let world = World::new();
    let address = world.apply(&table(1, [side("old", 10_000, &[old.address])]));
    let mut visitor = Visitor::new(address);
    assert_eq!(visitor.get("/").text(), "old");
    world.apply(&table(2, [side("new", 10_000, &[new.address])]));
    assert_eq!(visitor.get("/").text(), "new");
    assert_eq!(get(address, "/").text(), "new");
}

#[test]
fn a_side_of_weight_zero_serves_only_while_no_other_can() {
    let fallback = Backend::named("fallback");
    let good = Backend::named("good");
    let world = World::new();
    let sides = |instance| {
        [
            side("new", 10_000, &[instance]),
            side("old", 0, &[fallback.address]),
        ]
    };
    let address = world.apply(&table(1, sides(good.address)));
    for _ in 0..50 {
        assert_eq!(get(address, "/").text(), "good");
    }
    world.apply(&table(2, sides(nobody())));
    for _ in 0..50 {
        assert_eq!(get(address, "/").text(), "fallback");
    }
    world.apply(&table(3, sides(good.address)));
    assert_eq!(get(address, "/").text(), "good");
}

#[test]
fn a_side_with_weight_but_without_instances_gets_nothing() {
    let stable = Backend::named("stable");
    let world = World::new();
    let sides = [
        side("stable", 5000, &[stable.address]),
        side("canary", 5000, &[]),
    ];
    let address = world.apply(&table(1, sides));
    for _ in 0..20 {
        assert_eq!(get(address, "/").text(), "stable");
    }
}

#[test]
fn instances_of_a_side_share_its_requests() {
    let backends = Arc::new([
        Backend::named("one"),
        Backend::named("two"),
        Backend::named("three"),
    ]);
    let world = World::with(|config| config.cores = Some(1));
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let address = world.apply(&table(1, [side("web", 10_000, &addresses)]));
    let mut visitor = Visitor::new(address);
    for _ in 0..30 {
        assert_eq!(visitor.get("/").status, 200);
    }
    for backend in backends.iter() {
        assert_eq!(backend.requests(), 10);
    }
}

#[test]
fn a_table_that_is_sent_again_and_again_does_not_start_over() {
    let (stable, canary) = (Backend::named("stable"), Backend::named("canary"));
    let world = World::with(|config| config.cores = Some(1));
    let again = |generation| {
        let stable = side("stable", 9500, &[stable.address]);
        table(generation, [stable, side("canary", 500, &[canary.address])])
    };
    let address = world.apply(&again(1));
    let mut visitor = Visitor::new(address);
    let mut canaries = 0;
    for generation in 2..42 {
        for _ in 0..5 {
            canaries += usize::from(visitor.get("/").text() == "canary");
        }
        world.apply(&again(generation));
    }
    assert_eq!(canaries, 10);
}
