use http::header::COOKIE;

use super::*;
use crate::random::Random;
use crate::table::StickyCookie;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

impl Random {
    /// Weights of so many sides that sum to the whole.
    fn weights(&mut self, sides: usize) -> Vec<u32> {
        let whole = usize::try_from(WEIGHT_WHOLE).unwrap();
        let mut borders: Vec<usize> = (1..sides).map(|_| self.below(whole + 1)).collect();
        borders.extend([0, whole]);
        borders.sort_unstable();
        let weights = borders.windows(2).map(|pair| pair[1] - pair[0]);
        weights
            .map(|weight| u32::try_from(weight).unwrap())
            .collect()
    }
}

/// A service of sides that are named by letters.
struct Service {
    sticky: Sticky,
    split: Split,
}

fn by_cookie() -> table::Sticky {
    table::Sticky::Cookie(StickyCookie {
        name: "side".to_owned(),
        path: "/".to_owned(),
        max_age: None,
    })
}

fn by_header() -> table::Sticky {
    table::Sticky::Header("x-user".to_owned())
}

impl Service {
    fn new(spec: &table::Sticky, weights: &[u32]) -> Self {
        let split = Split::new(weights.len());
        let newcomers = Split::new(weights.len());
        Self {
            sticky: sticky(spec, weights, newcomers),
            split,
        }
    }

    /// Changes the weights as a new table does in which the same sides have weight.
    fn reweigh(&mut self, spec: &table::Sticky, weights: &[u32]) {
        self.sticky = sticky(spec, weights, self.sticky.newcomers());
    }

    /// Asks with these headers.
    fn ask(&mut self, headers: &[(&str, &str)]) -> Drawn {
        let mut map = Headers::default();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            map.append(name, http::HeaderValue::from_str(value).unwrap());
        }
        self.sticky.draw(&map, CLIENT, &mut self.split).unwrap()
    }

    /// Asks as the user whose cookie this is; a new one gets one.
    fn visit(&mut self, cookie: &mut Option<HeaderValue>) -> Drawn {
        let mut headers = Headers::default();
        headers.extend(cookie.clone().map(|cookie| (COOKIE, cookie)));
        let drawn = self.sticky.draw(&headers, CLIENT, &mut self.split);
        let drawn = drawn.unwrap();
        if let Some(set) = &drawn.cookie {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            *cookie = Some(pair.parse().unwrap());
        }
        drawn
    }
}

fn sticky(spec: &table::Sticky, weights: &[u32], newcomers: Split) -> Sticky {
    let names = ["a", "b", "c", "d", "e"].into_iter();
    Sticky::new(spec, names.zip(weights.iter().copied()), newcomers).unwrap()
}

#[test]
fn of_many_keys_each_side_has_the_share_that_its_weight_says() {
    let keys = 40_000;
    for weights in [
        &[9500, 500][..],
        &[7500, 2500],
        &[0, 10_000],
        &[9999, 0, 1],
        &[2000, 3000, 1000, 4000],
    ] {
        let mut service = Service::new(&by_header(), weights);
        let mut counts = vec![0_u32; weights.len()];
        for key in 0..keys {
            counts[service.ask(&[("x-user", &format!("user-{key}"))]).side] += 1;
        }
        for (count, weight) in counts.iter().zip(weights) {
            let share = f64::from(*weight) / 10_000.0;
            let mean = share * f64::from(keys);
            let deviation = (mean * (1.0 - share)).sqrt();
            let off = (f64::from(*count) - mean).abs();
            assert!(off <= 4.0 * deviation, "{weights:?}: {counts:?}");
        }
    }
}

#[test]
fn a_key_moves_only_to_a_side_that_gained_from_one_that_lost() {
    let mut random = Random(1);
    for round in 0..60 {
        let sides = 2 + random.below(4);
        let (before, after) = (random.weights(sides), random.weights(sides));
        let mut old = Service::new(&by_header(), &before);
        let mut new = Service::new(&by_header(), &after);
        for key in 0..300 {
            let user = format!("{round}-{key}");
            let headers = [("x-user", user.as_str())];
            let (from, to) = (old.ask(&headers).side, new.ask(&headers).side);
            let forced = after[from] < before[from] || after[to] > before[to];
            assert!(from == to || forced, "{before:?} {after:?}: {from} to {to}");
        }
    }
}

#[test]
fn who_was_on_the_canary_stays_when_its_weight_grows() {
    let mut canaries: Vec<u32> = Vec::new();
    for weight in [100, 500, 2500, 5000, 9000, 10_000] {
        let mut service = Service::new(&by_header(), &[10_000 - weight, weight]);
        let now: Vec<u32> = (0..2000)
            .filter(|key| service.ask(&[("x-user", &key.to_string())]).side == 1)
            .collect();
        assert!(canaries.iter().all(|key| now.contains(key)), "at {weight}");
        canaries = now;
    }
    assert_eq!(canaries.len(), 2000);
}

#[test]
fn an_address_is_a_key_and_of_ipv6_the_network() {
    let by_address = table::Sticky::Address;
    let mut service = Service::new(&by_address, &[5000, 5000]);
    let mut at = |address: &str| {
        let client = address.parse().unwrap();
        let drawn = service
            .sticky
            .draw(&Headers::default(), client, &mut service.split);
        drawn.unwrap().side
    };
    let sides: Vec<usize> = (0..64).map(|host| at(&format!("10.0.0.{host}"))).collect();
    assert!(sides.contains(&0) && sides.contains(&1), "{sides:?}");
    for (host, side) in sides.iter().enumerate() {
        assert_eq!(at(&format!("10.0.0.{host}")), *side);
    }
    let network: Vec<usize> = (0..64)
        .map(|host| at(&format!("2001:db8::{host:x}")))
        .collect();
    assert!(
        network.iter().all(|side| *side == network[0]),
        "{network:?}"
    );
}

#[test]
fn without_anybody_who_stays_the_split_is_exact() {
    let mut random = Random(2);
    for spec in [by_cookie(), by_header()] {
        for _ in 0..20 {
            let sides = 2 + random.below(4);
            let weights = random.weights(sides);
            let mut service = Service::new(&spec, &weights);
            let mut counts = vec![0.0; weights.len()];
            for turn in 1..=3000_u32 {
                let drawn = service.ask(&[]);
                assert!(drawn.by_turn);
                counts[drawn.side] += 1.0;
                for (count, weight) in counts.iter().zip(&weights) {
                    let exact = f64::from(turn) * f64::from(*weight) / 10_000.0;
                    assert!(
                        (count - exact).abs() < 2.0,
                        "{weights:?}: {counts:?} of {turn}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_user_stays_while_his_side_has_weight_and_moves_at_once_when_it_has_none() {
    let spec = by_cookie();
    let mut service = Service::new(&spec, &[5000, 5000, 0]);
    let mut users = vec![None; 100];
    let mut belongs: Vec<usize> = users
        .iter_mut()
        .map(|user| service.visit(user).side)
        .collect();
    for weights in [[9900, 100, 0], [1, 9999, 0], [3000, 4000, 3000]] {
        service.reweigh(&spec, &weights);
        for (user, side) in users.iter_mut().zip(&belongs) {
            let drawn = service.visit(user);
            assert_eq!((drawn.side, drawn.by_turn), (*side, false), "{weights:?}");
            assert_eq!(drawn.cookie, None);
        }
    }
    service.reweigh(&spec, &[0, 6000, 4000]);
    for (user, side) in users.iter_mut().zip(&mut belongs) {
        let drawn = service.visit(user);
        assert_eq!(drawn.by_turn, *side == 0);
        assert_ne!(drawn.side, 0);
        *side = drawn.side;
        assert_eq!(service.visit(user).side, *side);
    }
}

#[test]
fn a_cookie_leads_nowhere_but_to_a_side_with_weight() {
    let mut service = Service::new(&by_cookie(), &[10_000, 0]);
    let token = |service: &Service, side: usize| service.sticky.sides[side].token.clone();
    let forged = [
        token(&service, 1),
        token(&service, 0).to_uppercase() + "0",
        "b".to_owned(),
        String::new(),
        "\u{e4}".to_owned(),
    ];
    for token in forged {
        let drawn = service.ask(&[("cookie", &format!("side={token}"))]);
        assert_eq!((drawn.side, drawn.by_turn), (0, true), "{token}");
        assert!(drawn.cookie.is_some());
    }
}

#[test]
fn a_cookie_is_kept_from_scripts_and_says_when_it_ends() {
    let spec = table::Sticky::Cookie(StickyCookie {
        name: "shop".to_owned(),
        path: "/shop".to_owned(),
        max_age: Some(std::time::Duration::from_secs(3600)),
    });
    let mut service = Service::new(&spec, &[10_000]);
    let set = service.ask(&[]).cookie.unwrap();
    let set = set.to_str().unwrap();
    let (pair, rest) = set.split_once("; ").unwrap();
    assert_eq!(rest, "Path=/shop; Max-Age=3600; HttpOnly; SameSite=Lax");
    assert!(
        pair.starts_with("shop=") && pair.len() == "shop=".len() + 16,
        "{pair}"
    );
    let set = service.ask(&[("x-forwarded-proto", "https")]).cookie;
    assert!(set.unwrap().to_str().unwrap().ends_with("; Secure"));
}

/// People who come, ask for a while and leave.
struct Crowd {
    random: Random,
    users: Vec<(Option<HeaderValue>, usize)>,
    /// Out of how many requests one is of a new user, and one user leaves.
    visit: usize,
    /// How often those of each side come back, as parts of the largest.
    returns: [usize; 2],
}

impl Crowd {
    /// Lets the crowd make so many requests; returns the share of the second side, and its share
    /// of those who came new.
    fn ask(&mut self, service: &mut Service, requests: u32) -> [f64; 2] {
        let (mut all, mut new) = ([0.0; 2], [0.0; 2]);
        for _ in 0..requests {
            let at = self.next();
            let (cookie, side) = &mut self.users[at];
            let drawn = service.visit(cookie);
            *side = drawn.side;
            all[drawn.side] += 1.0;
            new[drawn.side] += f64::from(u8::from(drawn.by_turn));
        }
        [all, new].map(|counts| counts[1] / (counts[0] + counts[1]))
    }

    /// Returns who asks next.
    fn next(&mut self) -> usize {
        if self.users.is_empty() || self.random.below(self.visit) == 0 {
            if self.users.len() > 400 {
                let leaves = self.random.below(self.users.len());
                self.users.swap_remove(leaves);
            }
            self.users.push((None, 0));
            return self.users.len() - 1;
        }
        let most = self.returns.into_iter().max().unwrap();
        loop {
            let at = self.random.below(self.users.len());
            if self.random.below(most) < self.returns[self.users[at].1] {
                return at;
            }
        }
    }
}

#[test]
fn new_users_make_up_for_those_who_come_back_more_often_or_less() {
    let spec = by_cookie();
    for (seed, returns) in [(3, [1, 1]), (4, [1, 3]), (5, [10, 7])] {
        let mut crowd = Crowd {
            random: Random(seed),
            users: Vec::new(),
            visit: 20,
            returns,
        };
        let mut service = Service::new(&spec, &[9500, 500]);
        for weight in [500, 2500, 5000, 9000] {
            service.reweigh(&spec, &[10_000 - weight, weight]);
            let exact = f64::from(weight) / 10_000.0;
            // 400 users of 20 requests each: many generations.
            crowd.ask(&mut service, 60_000);
            let [share, new] = crowd.ask(&mut service, 60_000);
            assert!(
                (share - exact).abs() < 0.1 * exact,
                "{returns:?} at {exact}: {share}"
            );
            assert!(new <= 2.0 * exact, "{returns:?} at {exact}: {new}");
        }
    }
}

#[test]
fn a_side_that_gains_weight_gets_new_users_at_twice_its_weight_at_most() {
    let spec = by_cookie();
    let mut service = Service::new(&spec, &[9900, 100]);
    let mut crowd = Crowd {
        random: Random(6),
        users: Vec::new(),
        visit: 20,
        returns: [1, 1],
    };
    crowd.ask(&mut service, 20_000);
    service.reweigh(&spec, &[7500, 2500]);
    let [share, new] = crowd.ask(&mut service, 4_000);
    // Those who were there before stay, so that it cannot be a quarter yet.
    assert!((0.05..0.25).contains(&share), "{share}");
    assert!((0.4..=0.51).contains(&new), "{new}");
}
