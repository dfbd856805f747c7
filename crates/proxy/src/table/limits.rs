//! What a request may be, and how many of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What requests of a rule may be. What exceeds it is refused; each part that is `None` is left to
/// what holds for all requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// The longest path with query, in bytes; longer ones are answered with status 414.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri_max: Option<u32>,
    /// The longest body, in bytes; longer ones are answered with status 413, as soon as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_max: Option<u64>,
    /// How fast a body has to come in; slower ones are answered with status 408.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// How many requests one client may make; more are answered with status 429. Of IPv6 the
    /// network counts as one client, the first 64 bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_client: Option<Rate>,
    /// How many requests all clients together may make; more are answered with status 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_all: Option<Rate>,
}

/// How fast the body of a request has to come in. Only the time counts in which the client was
/// waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// How long the client may send nothing at all; longer than nothing.
    pub idle: Duration,
    /// The least bytes a second on average; 0 for any.
    pub bytes_per_second: u64,
    /// How much longer than that it may take.
    pub grace: Duration,
}

/// So many requests in a time, evenly spread but for a burst.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many requests; at least 1.
    pub requests: u32,
    /// In which time; longer than nothing, and a day at most.
    pub per: Duration,
    /// How many may come at once after a pause; at least 1.
    pub burst: u32,
}

impl Limits {
    pub(super) fn fault(&self) -> Option<String> {
        let rates = [
            ("a client", &self.per_client),
            ("all clients", &self.in_all),
        ];
        let of_pace = self.pace.as_ref().filter(|pace| pace.idle.is_zero());
        let of_pace = of_pace.map(|_| "no time at all is too short for a body".to_owned());
        of_pace.or_else(|| {
            rates.iter().find_map(|(whose, rate)| {
                let fault = rate.as_ref()?.fault()?;
                Some(format!("the rate of {whose}: {fault}"))
            })
        })
    }
}

impl Rate {
    /// The longest time and the largest burst together must be countable.
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn fault(&self) -> Option<String> {
        let Self {
            requests,
            per,
            burst,
        } = self;
        if *requests == 0 || *burst == 0 {
            Some("it lets no request through".to_owned())
        } else if per.is_zero() || *per > Self::DAY {
            Some(format!("{per:?} is no time up to a day"))
        } else if per.saturating_mul(*burst) / *requests > 30 * Self::DAY {
            Some(format!(
                "a burst of {burst} takes more than 30 days to be saved up"
            ))
        } else {
            None
        }
    }
}
