//! Users who stay with a side, and testers who are led to one.

use std::net::SocketAddr;

use leadsman_proxy::table::{Condition, Named, Override, Side, Sticky, StickyCookie, Table};

use crate::world::{Answered, Backend, Visitor, World, nobody, side, table};

fn with_sticky(
    generation: u64,
    sides: impl IntoIterator<Item = Side>,
    sticky: Sticky,
    overrides: Vec<Override>,
) -> Table {
    let mut table = table(generation, sides);
    for service in table.listeners[0].services.values_mut() {
        service.sticky = Some(sticky.clone());
        service.overrides.clone_from(&overrides);
    }
    table
}

fn by_cookie() -> Sticky {
    Sticky::Cookie(StickyCookie {
        name: "side".to_owned(),
        path: "/".to_owned(),
        max_age: None,
    })
}

/// Two sides with these weights.
fn sides(at: [&Backend; 2], weights: [u32; 2]) -> [Side; 2] {
    let [stable, canary] = at;
    [
        side("stable", weights[0], &[stable.address]),
        side("canary", weights[1], &[canary.address]),
    ]
}

/// Returns the line that keeps what an answer asked to keep.
fn kept(answered: &Answered) -> String {
    let [set] = answered.header("set-cookie")[..] else {
        unreachable!("one cookie is set: {}", answered.head)
    };
    format!("cookie: {}", set.split(';').next().unwrap())
}

#[test]
fn a_user_with_a_cookie_stays_and_one_without_is_split_exactly() {
    let [stable, canary] = ["stable", "canary"].map(Backend::named);
    let world = World::with(|config| config.cores = Some(1));
    let at = [&stable, &canary];
    let address = world.apply(&with_sticky(
        1,
        sides(at, [7500, 2500]),
        by_cookie(),
        vec![],
    ));
    let mut visitor = Visitor::new(address);
    let mut users = Vec::new();
    for _ in 0..40 {
        let answered = visitor.get("/");
        let set = answered.header("set-cookie")[0];
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
        users.push((kept(&answered), answered.text().to_owned()));
    }
    let canaries = users.iter().filter(|(_, side)| side == "canary").count();
    assert!((9..=11).contains(&canaries), "{canaries}");

    // Growing, shrinking, and over a restart of the table: they stay.
    for (generation, weight) in [(2, 9000), (3, 100)] {
        let sides = sides(at, [10_000 - weight, weight]);
        world.apply(&with_sticky(generation, sides, by_cookie(), vec![]));
        for (cookie, side) in &users {
            let answered = visitor.ask("GET", "/", &["cookie: a=b", cookie]);
            assert_eq!(answered.text(), side);
            assert_eq!(answered.header("set-cookie"), <[&str; 0]>::default());
        }
    }
    world.apply(&with_sticky(4, sides(at, [10_000, 0]), by_cookie(), vec![]));
    for (cookie, side) in &users {
        let answered = visitor.ask("GET", "/", &[cookie]);
        assert_eq!(answered.text(), "stable");
        let is_new = !answered.header("set-cookie").is_empty();
        assert_eq!(is_new, side == "canary");
    }
}

#[test]
fn a_user_whose_side_is_down_is_answered_by_another_and_stays() {
    let [stable, canary] = ["stable", "canary"].map(Backend::named);
    let world = World::with(|config| config.cores = Some(1));
    let table = |generation, canary: SocketAddr| {
        let sides = [
            side("stable", 5000, &[stable.address]),
            side("canary", 5000, &[canary]),
        ];
        with_sticky(generation, sides, by_cookie(), vec![])
    };
    let address = world.apply(&table(1, canary.address));
    let mut visitor = Visitor::new(address);
    let first = (0..2).map(|_| visitor.get("/"));
    let first = first
        .into_iter()
        .find(|answered| answered.text() == "canary")
        .unwrap();
    let cookie = kept(&first);
    world.apply(&table(2, nobody()));
    for _ in 0..4 {
        let answered = visitor.ask("GET", "/", &[&cookie]);
        assert_eq!(answered.text(), "stable");
        assert_eq!(answered.header("set-cookie"), <[&str; 0]>::default());
    }
    world.apply(&table(3, canary.address));
    assert_eq!(visitor.ask("GET", "/", &[&cookie]).text(), "canary");
}

#[test]
fn equal_values_of_a_header_go_to_equal_sides_on_all_workers() {
    let [stable, canary] = ["stable", "canary"].map(Backend::named);
    let world = World::with(|config| config.cores = Some(4));
    let sticky = Sticky::Header("x-user".to_owned());
    let sides = sides([&stable, &canary], [5000, 5000]);
    let address = world.apply(&with_sticky(1, sides, sticky, vec![]));
    let side_of = |user: &str| {
        let mut visitor = Visitor::new(address);
        let answered = visitor.ask("GET", "/", &[&format!("x-user: {user}")]);
        answered.text().to_owned()
    };
    for user in ["ada", "ben", "eva", "kim", "lou", "max"] {
        let side = side_of(user);
        for _ in 0..8 {
            assert_eq!(side_of(user), side, "{user}");
        }
    }
}

fn tester(side: &str) -> Override {
    let value = Some("sesame".to_owned());
    let name = "x-tester".to_owned();
    Override {
        when: Condition::Header(Named { name, value }),
        side: side.to_owned(),
    }
}

#[test]
fn a_tester_reaches_a_side_without_weight_and_is_counted_apart() {
    let [stable, canary] = ["stable", "canary"].map(Backend::named);
    let world = World::with(|config| config.cores = Some(1));
    let sides = sides([&stable, &canary], [10_000, 0]);
    let table = with_sticky(1, sides, by_cookie(), vec![tester("canary")]);
    let address = world.apply(&table);
    let mut visitor = Visitor::new(address);
    for _ in 0..5 {
        let answered = visitor.ask("GET", "/", &["X-Tester: sesame"]);
        assert_eq!(answered.text(), "canary");
        assert_eq!(answered.header("set-cookie"), <[&str; 0]>::default());
        assert_eq!(
            visitor.ask("GET", "/", &["X-Tester: open"]).text(),
            "stable"
        );
    }
    let of_testers = world.figures_in(
        |window| window.testers.get("canary"),
        "testers",
        |counted| counted.figures.requests == 5,
    );
    assert_eq!(of_testers.status, [0, 5, 0, 0, 0]);
    let of_users = world.figures("stable", |counted| counted.figures.requests == 5);
    assert_eq!(of_users.figures.errors, 0);
    let windows = world.block_on(world.client().windows(0)).unwrap();
    assert!(windows.iter().all(|w| !w.sides.contains_key("canary")));
}

#[test]
fn a_tester_takes_no_turn_and_is_never_shown_another_side() {
    let stable = Backend::named("stable");
    let world = World::with(|config| config.cores = Some(1));
    let overrides = vec![tester("canary")];
    let sides = |canary: &[SocketAddr]| {
        [
            side("stable", 10_000, &[stable.address]),
            side("canary", 0, canary),
        ]
    };
    let sticky = Sticky::Address;
    let down = with_sticky(1, sides(&[nobody()]), sticky.clone(), overrides.clone());
    let address = world.apply(&down);
    let mut visitor = Visitor::new(address);
    let answered = visitor.ask("GET", "/", &["X-Tester: sesame"]);
    assert_eq!(answered.status, 502);
    assert_eq!(answered.header("x-leadsman-reason"), ["unreachable"]);
    // Where there is no such version at all, testers see what everybody sees.
    world.apply(&with_sticky(2, sides(&[]), sticky, overrides));
    let answered = visitor.ask("GET", "/", &["X-Tester: sesame"]);
    assert_eq!(answered.text(), "stable");
}
