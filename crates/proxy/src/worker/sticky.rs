//! Stickiness: which side a user belongs to.
//!
//! All requests of a service are booked in its split, whoever decided about them: every side gains
//! its weight, and the one that got the request pays for it. So the split knows how many requests
//! each side is owed, up to `OWED_MAX`. Those that belong to a side go there. All others take turns
//! of their own, by weights that are tilted by what is owed: between nothing, for a side that got
//! far too much, and twice its weight.
//!
//! Without anybody who stays that is the exact split again. With them, new users make up for those
//! who come back more often, or less; and because the tilt is bounded, a side that was given weight
//! a moment ago is not flooded with every new user until it has caught up.
//!
//! Why not give every new user to the side that is owed most? What a user will ask for comes later
//! than his first request: by the time the debt is paid, too many have been assigned. And why not
//! remember all that is owed? For the same reason: an hour's debt would be paid back in minutes.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use http::header::{HeaderName, HeaderValue};

use crate::cookies;
use crate::message::Headers;
use crate::split::Split;
use crate::table::{self, WEIGHT_WHOLE};
use crate::worker::random::mix;

/// How many requests a side can be owed, or owe. Over this many requests the split evens out what
/// users who come back have done to it.
const OWED_MAX: i64 = 20;

/// In which parts of a weight the weights of new users are counted.
const FINE: i128 = 1000;

/// How users stay with sides.
pub(super) struct Sticky {
    by: By,
    sides: Vec<Mark>,
    /// Whose turn it is among those who belong to no side.
    newcomers: RefCell<Split>,
}

enum By {
    Cookie(String),
    Header(HeaderName),
    Address,
}

/// By what a side is recognised.
struct Mark {
    weight: u32,
    /// The hash of its name.
    key: u64,
    /// What stands in the cookie of its users.
    token: String,
    /// What is answered to those who are new, over a plain connection and over a secure one.
    cookies: Option<[Rc<HeaderValue>; 2]>,
}

/// Where a request is to go.
pub(super) struct Drawn {
    pub(super) side: usize,
    /// Whether it was its turn, rather than that the user belongs there.
    pub(super) by_turn: bool,
    /// What the answer has to say, so that the user belongs there from now on.
    pub(super) cookie: Option<Rc<HeaderValue>>,
}

impl Sticky {
    /// Makes it for sides with these names and weights, from `spec`.
    pub(super) fn new<'s>(
        spec: &table::Sticky,
        sides: impl Iterator<Item = (&'s str, u32)>,
        newcomers: Split,
    ) -> Option<Self> {
        let by = match spec {
            table::Sticky::Cookie(cookie) => By::Cookie(cookie.name.clone()),
            // What is no name was refused with the table.
            table::Sticky::Header(name) => By::Header(HeaderName::try_from(name).ok()?),
            table::Sticky::Address => By::Address,
        };
        let sides = sides.map(|(name, weight)| Mark::new(name, weight, spec));
        Some(Self {
            by,
            sides: sides.collect(),
            newcomers: RefCell::new(newcomers),
        })
    }

    /// Returns whose turn it is among those who are new.
    pub(super) fn newcomers(&self) -> Split {
        self.newcomers.borrow().clone()
    }

    /// Returns where a request is to go, and books it in `split`; `None` if no side has weight.
    pub(super) fn draw(
        &self,
        headers: &Headers,
        client: IpAddr,
        split: &mut Split,
    ) -> Option<Drawn> {
        let belongs = match &self.by {
            By::Cookie(name) => cookies::find(headers, name).and_then(|token| self.of(token)),
            By::Header(name) => headers
                .get(name)
                .and_then(|value| self.of_key(hash(value.as_bytes()))),
            By::Address => self.of_key(hash_address(client)),
        };
        let side = match belongs {
            Some(side) => side,
            None => {
                let sides = self.sides.iter().enumerate();
                let sides = sides.map(|(at, side)| (side.weight, split.credit(at)));
                let tilt = Tilt::of(sides.clone());
                let tilted = sides.map(|(weight, owed)| tilt.weight(weight, owed));
                self.newcomers.borrow_mut().next(tilted)?
            }
        };
        let weights = self.sides.iter().map(|side| side.weight);
        split.charge(side, weights, OWED_MAX * i64::from(WEIGHT_WHOLE));
        let by_turn = belongs.is_none();
        let cookies = self.sides[side].cookies.as_ref().filter(|_| by_turn);
        let cookie = cookies.map(|[plain, secure]| {
            let is_secure = headers
                .get("x-forwarded-proto")
                .is_some_and(|said| said == *"https");
            Rc::clone(if is_secure { secure } else { plain })
        });
        Some(Drawn {
            side,
            by_turn,
            cookie,
        })
    }

    /// Returns the side whose users have `token`. One without weight has none.
    fn of(&self, token: &[u8]) -> Option<usize> {
        let is_it = |side: &Mark| side.weight > 0 && side.token.as_bytes() == token;
        self.sides.iter().position(is_it)
    }

    /// Returns the side that `key` belongs to, by weighted rendezvous: each side throws dice for
    /// the key, with dice that are the better the larger its weight, and the best throw wins. A
    /// side's dice do not depend on the others, so a side that gains weight loses no key.
    fn of_key(&self, key: u64) -> Option<usize> {
        let throw = |side: &Mark| {
            #[expect(
                clippy::cast_precision_loss,
                reason = "53 bits are what a float can hold"
            )]
            let uniform = ((mix(key ^ side.key) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
            -uniform.ln() / f64::from(side.weight)
        };
        let weighty = self.sides.iter().enumerate().filter(|(_, s)| s.weight > 0);
        let throws = weighty.map(|(at, side)| (at, throw(side)));
        throws
            .min_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(at, _)| at)
    }
}

impl Mark {
    fn new(name: &str, weight: u32, spec: &table::Sticky) -> Self {
        let key = hash(name.as_bytes());
        let token = format!("{:016x}", mix(key));
        let cookies = match spec {
            table::Sticky::Cookie(cookie) => set_cookies(cookie, &token),
            table::Sticky::Header(_) | table::Sticky::Address => None,
        };
        Self {
            weight,
            key,
            token,
            cookies,
        }
    }
}

fn set_cookies(cookie: &table::StickyCookie, token: &str) -> Option<[Rc<HeaderValue>; 2]> {
    let table::StickyCookie {
        name,
        path,
        max_age,
    } = cookie;
    let age = max_age.map(|age| format!("; Max-Age={}", age.as_secs()));
    let age = age.unwrap_or_default();
    let plain = format!("{name}={token}; Path={path}{age}; HttpOnly; SameSite=Lax");
    let secure = format!("{plain}; Secure");
    let [plain, secure] =
        [plain, secure].map(|text| HeaderValue::from_str(&text).ok().map(Rc::new));
    plain.zip(secure).map(|(plain, secure)| [plain, secure])
}

/// How the weights of new users differ from those of all requests.
struct Tilt {
    /// How much weight moves from sides that owe requests to sides that are owed some.
    moves: i64,
    /// How much could leave the former, and how much the latter could take.
    leaves: i64,
    comes: i64,
}

impl Tilt {
    /// Returns the tilt for sides with these weights and what they are owed. A side that is owed
    /// as much as can be could take its weight once more; one that owes as much could lose all.
    fn of(sides: impl Iterator<Item = (u32, i64)>) -> Self {
        let (mut leaves, mut comes) = (0, 0);
        for (weight, owed) in sides {
            let part = i64::from(weight) * owed;
            if owed < 0 {
                leaves -= part;
            } else {
                comes += part;
            }
        }
        Self {
            moves: leaves.min(comes),
            leaves,
            comes,
        }
    }

    /// Returns the weight of a side among new users, in some small unit.
    fn weight(&self, weight: u32, owed: i64) -> u32 {
        let of_all = if owed < 0 { self.leaves } else { self.comes };
        let part = i128::from(weight) * i128::from(owed) * i128::from(self.moves);
        let part = part.checked_div(i128::from(of_all)).unwrap_or(0);
        // In parts of the most that can be owed, of which there are few in a weight.
        let whole = i128::from(OWED_MAX * i64::from(WEIGHT_WHOLE));
        let tilted = (i128::from(weight) * whole + part) * FINE / whole;
        u32::try_from(tilted.max(0)).unwrap_or(u32::MAX)
    }
}

/// Hashes text (FNV-1a). It must stay as it is: a newer version that hashed differently would send
/// every user elsewhere.
fn hash(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Of IPv6 the network counts: within it clients change their address as they like.
fn hash_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()[..8]),
    }
}
