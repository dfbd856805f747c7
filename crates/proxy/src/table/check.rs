//! What can be wrong with a table, all of it named at once; and what can be saved of a bad one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::saved::Cuts;
use crate::table::policies;
use crate::table::rule::is_path;
use crate::table::{HealthCheck, Listener, Rule, Service, Side, Table, Tripwire, WEIGHT_WHOLE};

/// Everything that is wrong with a table, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Faults {}

impl Table {
    /// Checks everything that the types do not say.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first fault.
    pub fn check(&self) -> Result<(), Faults> {
        let mut seen = Seen::default();
        let mut faults = Vec::new();
        for listener in &self.listeners {
            let at = format!("listener `{}`", listener.address);
            faults.extend(seen.address(listener).map(|fault| format!("{at}: {fault}")));
            let of_listener = listener.faults().into_iter();
            faults.extend(of_listener.map(|fault| format!("{at}: {fault}")));
            for (name, service) in &listener.services {
                for fault in service_faults(service)
                    .into_iter()
                    .chain(seen.names(service))
                {
                    faults.push(format!("{at}: service `{name}`: {fault}"));
                }
            }
            for (index, rule) in listener.rules.iter().enumerate() {
                let fault = rule_fault(rule, &listener.rules[..index], listener);
                faults.extend(fault.map(|fault| format!("{at}: {fault}")));
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Faults(faults))
        }
    }

    /// Reads a table of which parts may be bad: a bad part costs only itself. Returns what is
    /// left, the sides that were cut off, and what was left out and why.
    ///
    /// # Errors
    /// The text is not a table at all.
    pub(crate) fn salvage(text: &[u8]) -> Result<(Self, Cuts, Vec<String>), serde_json::Error> {
        let raw: RawTable = serde_json::from_slice(text)?;
        let mut table = Self {
            generation: raw.generation,
            versions: raw.versions,
            ..Self::default()
        };
        let mut lost = Vec::new();
        let mut seen = Seen::default();
        for (index, value) in raw.listeners.into_iter().enumerate() {
            let Some(raw) = parse::<RawListener>(value, &format!("listener {index}"), &mut lost)
            else {
                continue;
            };
            // All of these or nothing: what was to be encrypted is not served in the clear, nor
            // anybody believed, because of a bad entry.
            let of_listener = serde_json::Value::Object(raw.of_listener);
            let what = format!("listener {index}");
            let Some(mut listener) = parse::<Listener>(of_listener, &what, &mut lost) else {
                continue;
            };
            let at = format!("listener `{}`", listener.address);
            let mut faults = listener.faults();
            faults.extend(seen.address(&listener));
            if !faults.is_empty() {
                lost.push(format!("{at}: {}", faults.join(", ")));
                continue;
            }
            for (name, value) in raw.services {
                let what = format!("{at}: service `{name}`");
                let Some(service) = parse::<Service>(value, &what, &mut lost) else {
                    continue;
                };
                let mut faults = service_faults(&service);
                faults.extend(seen.names(&service));
                if faults.is_empty() {
                    listener.services.insert(name, service);
                } else {
                    lost.push(format!("{what}: {}", faults.join(", ")));
                }
            }
            for value in raw.rules {
                let Some(rule) = parse::<Rule>(value, &format!("{at}: a rule"), &mut lost) else {
                    continue;
                };
                match rule_fault(&rule, &listener.rules, &listener) {
                    None => listener.rules.push(rule),
                    Some(fault) => lost.push(format!("{at}: {fault}")),
                }
            }
            table.listeners.push(listener);
        }
        let tripped = raw.tripped.into_iter().filter_map(|(side, value)| {
            let tripped = parse(value, &format!("what cut off `{side}`"), &mut lost)?;
            Some((side, tripped))
        });
        let tripped = tripped.collect();
        Ok((table, tripped, lost))
    }
}

/// Returns what is wrong with `rule` of `listener`, by itself or beside the rules `before` it.
fn rule_fault(rule: &Rule, before: &[Rule], listener: &Listener) -> Option<String> {
    rule.fault(listener).or_else(|| {
        let other = before.iter().find(|other| rule.conflicts_with(other))?;
        let (path, host) = (&rule.path, rule.host.as_deref().unwrap_or("every host"));
        Some(format!(
            "the rules for `{path}` of {host} to `{}` and `{}` could both be meant by one request",
            other.service, rule.service
        ))
    })
}

#[derive(Deserialize)]
struct RawTable {
    generation: u64,
    listeners: Vec<serde_json::Value>,
    #[serde(default)]
    versions: BTreeMap<String, u64>,
    #[serde(default)]
    tripped: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct RawListener {
    #[serde(default)]
    rules: Vec<serde_json::Value>,
    #[serde(default)]
    services: BTreeMap<String, serde_json::Value>,
    #[serde(flatten)]
    of_listener: serde_json::Map<String, serde_json::Value>,
}

fn parse<T: DeserializeOwned>(
    value: serde_json::Value,
    what: &str,
    lost: &mut Vec<String>,
) -> Option<T> {
    serde_json::from_value(value)
        .map_err(|error| lost.push(format!("{what}: {error}")))
        .ok()
}

/// The names and addresses that may occur only once in a table.
#[derive(Default)]
struct Seen {
    addresses: BTreeSet<std::net::SocketAddr>,
    sides: BTreeSet<String>,
    instances: BTreeSet<String>,
}

impl Seen {
    fn address(&mut self, listener: &Listener) -> Option<String> {
        let new = self.addresses.insert(listener.address);
        (!new).then(|| "the address is there twice".to_owned())
    }

    fn names(&mut self, service: &Service) -> Vec<String> {
        let mut faults = Vec::new();
        for side in &service.sides {
            if !self.sides.insert(side.name.clone()) {
                faults.push(format!("side `{}` is there twice", side.name));
            }
            for name in side.instances.keys() {
                if !self.instances.insert(name.clone()) {
                    faults.push(format!("instance `{name}` is there twice"));
                }
            }
        }
        faults
    }
}

fn service_faults(service: &Service) -> Vec<String> {
    let sum: u64 = service
        .sides
        .iter()
        .map(|side| u64::from(side.weight))
        .sum();
    let mut faults = Vec::new();
    if sum != 0 && sum != u64::from(WEIGHT_WHOLE) {
        faults.push(format!(
            "the weights sum to {sum} instead of {WEIGHT_WHOLE}"
        ));
    }
    for side in &service.sides {
        faults.extend(side_faults(side).map(|fault| format!("side `{}`: {fault}", side.name)));
    }
    let of_tripwire = service
        .tripwire
        .iter()
        .flat_map(|t| tripwire_faults(t, service));
    faults.extend(of_tripwire.map(|fault| format!("tripwire: {fault}")));
    faults.extend(policies::faults(service));
    faults
}

fn tripwire_faults(tripwire: &Tripwire, service: &Service) -> Vec<String> {
    let Tripwire {
        canary,
        baseline,
        limit,
        alpha,
        round: _,
    } = tripwire;
    let mut faults = Vec::new();
    for name in [canary, baseline] {
        if !service.sides.iter().any(|side| side.name == *name) {
            faults.push(format!("there is no side `{name}`"));
        }
    }
    if canary == baseline {
        faults.push(format!("`{canary}` cannot be compared with itself"));
    }
    for (what, share) in [("limit", limit), ("alpha", alpha)] {
        if !(*share > 0.0 && *share < 1.0) {
            faults.push(format!("{what} {share} is not between 0 and 1"));
        }
    }
    faults
}

fn side_faults(side: &Side) -> impl Iterator<Item = String> {
    let nameless = side.name.is_empty().then(|| "the name is empty".to_owned());
    let instances = side.instances.iter().filter_map(|(name, instance)| {
        let fault = if name.is_empty() {
            "the name is empty"
        } else if let Some(fault) = instance.address.fault() {
            fault
        } else if matches!(&instance.health, Some(HealthCheck::Http { path }) if !is_path(path)) {
            "the path of the health check has to begin with `/` and be free of spaces"
        } else {
            return None;
        };
        Some(format!("instance `{name}`: {fault}"))
    });
    let labels = side.labels.keys().filter(|name| !is_label(name));
    let labels = labels.map(|name| format!("`{name}` cannot be the name of a label"));
    nameless.into_iter().chain(instances).chain(labels)
}

/// Whether metrics can have a label of this name beside their own.
fn is_label(name: &str) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let begins_well = name.as_bytes().first().is_some_and(is_letter);
    let is_own = ["side", "kind", "class", "state", "le"].contains(&name);
    let goes_on_well = name
        .bytes()
        .all(|byte| is_letter(&byte) || byte.is_ascii_digit());
    begins_well && goes_on_well && !name.starts_with("__") && !is_own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(json: &str) -> Table {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn names_everything_that_is_wrong() {
        let table = table(
            r#"{"generation": 1, "listeners": [
              {"address": "127.0.0.1:80",
               "rules": [{"path": "a", "service": "web"}, {"path": "/", "service": "gone"},
                         {"host": "a:80", "path": "/", "service": "web"}],
               "services": {"web": {"sides": [
                 {"name": "one", "weight": 9000, "instances": {"i": {"address": "127.0.0.1:0"}},
                  "labels": {"release": "7", "le": "1", "a-b": "1", "__a": "1"}},
                 {"name": "one", "weight": 500, "instances": {"i": {"address": "0.0.0.0:1",
                   "health": {"http": {"path": "x"}}}}}],
                 "tripwire": {"canary": "two", "baseline": "two", "limit": 0, "alpha": 0.5}}}},
              {"address": "127.0.0.1:80"},
              {"address": "127.0.0.1:443", "tls": {"certificates": []}},
              {"address": "127.0.0.1:444", "tls": {"certificates": [
                {"chain": "a.pem", "key": "/a"}, {"chain": "a.pem", "key": "/a"}]}},
              {"address": "127.0.0.1:81", "to_https": 0, "answer_headers": {
                "strict-transport-security": "max-age=1", "content-length": "1",
                "x-leadsman-reason": "none", "a b": "c", "x-a": "b\nc"}},
              {"address": "127.0.0.1:445", "to_https": 443, "tls": {"certificates": []}},
              {"address": "127.0.0.1:446", "tls": {"acme": {"directory": "http://ca.example",
                "hosts": ["*.example", "a.example", "a.example", "../x.example", "192.0.2.1",
                  "A.example"],
                "contact": ["nobody"], "roots": "roots.pem"}}},
              {"address": "127.0.0.1:447", "tls": {"acme": {"directory": "https://ca.example",
                "hosts": []}}}]}"#,
        );
        let faults = table.check().unwrap_err().to_string();
        for fault in [
            "the weights sum to 9500 instead of 10000",
            "instance `i`: the port is 0",
            "instance `i`: the address is a wildcard",
            "side `one` is there twice",
            "instance `i` is there twice",
            "side `one`: `le` cannot be the name of a label",
            "side `one`: `a-b` cannot be the name of a label",
            "side `one`: `__a` cannot be the name of a label",
            "tripwire: there is no side `two`",
            "tripwire: `two` cannot be compared with itself",
            "tripwire: limit 0 is not between 0 and 1",
            "the path `a` of a rule",
            "a service `gone` that is not there",
            "the host `a:80` of a rule",
            "the address is there twice",
            "listener `127.0.0.1:443`: tls: there is no certificate",
            "tls: the path `a.pem` has to begin with `/`",
            "tls: the certificate `a.pem` is there twice",
            "tls: acme: the directory `http://ca.example` is not a URL with https",
            "the host `*.example` has to be a name in lower case",
            "the host `a.example` is there twice",
            "the host `../x.example` has to be",
            "the host `192.0.2.1` has to be",
            "the host `A.example` has to be",
            "the contact `nobody` is not a mail address",
            "the path `roots.pem` has to begin with `/`",
            "listener `127.0.0.1:447`: tls: acme: there is no host",
            "listener `127.0.0.1:81`: clients cannot be led to port 0",
            "the header `strict-transport-security` means something only where",
            "the header `content-length` is not to be chosen",
            "the header `x-leadsman-reason` is not to be chosen",
            "the header `a b` has a name that is none",
            "the header `x-a` has a value with a line break",
            "listener `127.0.0.1:445`: clients cannot be led to https where they already are",
        ] {
            assert!(faults.contains(fault), "`{fault}` is not in: {faults}");
        }
    }

    #[test]
    fn weights_of_all_or_of_nothing_are_fine() {
        for weights in [(0, 0), (10_000, 0), (9_999, 1)] {
            let side = |name: &str, weight| Side {
                name: name.to_owned(),
                weight,
                ..Side::default()
            };
            let service = Service {
                sides: vec![side("a", weights.0), side("b", weights.1)],
                ..Service::default()
            };
            assert_eq!(service_faults(&service), Vec::<String>::new());
        }
    }

    #[test]
    fn a_bad_entry_costs_only_itself() {
        let (table, cuts, lost) = Table::salvage(
            br#"{"generation": 7, "listeners": [
              {"address": "nonsense"},
              {"address": "127.0.0.1:443", "tls": {"min": "1.1"}},
              {"address": "127.0.0.1:444", "tls": {}},
              {"address": "127.0.0.1:445", "trusted": ["everybody"]},
              {"address": "127.0.0.1:80",
               "rules": [{"path": "/", "service": "web"}, {"path": "/b", "service": "bad"}, 5],
               "services": {
                 "web": {"sides": [{"name": "one", "weight": 10000}]},
                 "bad": {"sides": [{"name": "two", "weight": 1}]}}}],
              "tripped": {"one": {"at_ms": 1, "sentence": "", "seen": {
                "canary": {"answers": 3, "failures": 3},
                "baseline": {"answers": 57, "failures": 0}}}, "two": {"at_ms": -1}}}"#,
        )
        .unwrap();
        assert_eq!(table.generation, 7);
        assert_eq!(table.listeners.len(), 1);
        assert_eq!(table.listeners[0].rules.len(), 1);
        assert_eq!(table.listeners[0].services.len(), 1);
        assert_eq!(cuts.keys().collect::<Vec<_>>(), ["one"]);
        assert_eq!(lost.len(), 8, "{lost:?}");
        assert_eq!(table.check(), Ok(()));
    }

    #[test]
    fn fuzzed_table() {
        crate::fuzz::fuzz("table", |input| {
            let whole = serde_json::from_slice::<Table>(input);
            if let Ok(whole) = &whole {
                let again = serde_json::to_vec(whole).unwrap();
                assert_eq!(&serde_json::from_slice::<Table>(&again).unwrap(), whole);
            }
            let Ok((table, _, lost)) = Table::salvage(input) else {
                return;
            };
            assert!(table.check().is_ok(), "{:?}", table.check());
            if let Ok(whole) = whole
                && whole.check().is_ok()
                && lost.is_empty()
            {
                assert_eq!(table, whole, "nothing is lost of what is good");
            }
            let again = serde_json::to_vec(&table).unwrap();
            let (same, _, lost) = Table::salvage(&again).unwrap();
            assert_eq!((same, lost), (table, Vec::new()));
        });
    }
}
