//! How a request finds its service.

use http::{HeaderName, Method};

use crate::cookies;
use crate::message::Headers;
use crate::table::{self, Condition};

/// The rules of a listener, the most specific first, and where each of them leads.
#[derive(Debug)]
pub(crate) struct Rules<T>(Vec<Rule<T>>);

#[derive(Debug)]
struct Rule<T> {
    /// `None` is any host.
    host: Option<String>,
    /// Without a slash at its end; empty for all paths.
    path: String,
    /// What else has to hold; `None` where nothing has, so that nothing is looked up.
    further: Option<Box<Further>>,
    to: T,
}

#[derive(Debug)]
struct Further {
    /// Empty for every method.
    methods: Vec<Method>,
    conditions: Conditions,
}

/// Conditions that a request has to meet, all of them.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    headers: Vec<(HeaderName, Option<String>)>,
    cookies: Vec<(String, Option<String>)>,
}

impl<T> Rules<T> {
    /// Orders `rules`; `to` says where one leads, those that lead nowhere are left out.
    pub(crate) fn new(rules: &[table::Rule], to: impl Fn(&table::Rule) -> Option<T>) -> Self {
        let mut ordered: Vec<&table::Rule> = rules.iter().collect();
        ordered.sort_by_key(|rule| std::cmp::Reverse(rule.rank()));
        let ordered = ordered.into_iter().filter_map(|rule| {
            Some(Rule {
                host: rule.host.clone(),
                path: rule.prefix().to_owned(),
                further: Further::of(rule),
                to: to(rule)?,
            })
        });
        Self(ordered.collect())
    }

    /// Returns where a request goes.
    pub(crate) fn find(
        &self,
        host: Option<&str>,
        path: &str,
        method: &Method,
        headers: &Headers,
    ) -> Option<&T> {
        let meant = |rule: &&Rule<T>| {
            let further = rule.further.as_ref();
            rule.matches(host, path) && further.is_none_or(|f| f.are_met(method, headers))
        };
        self.0.iter().find(meant).map(|rule| &rule.to)
    }
}

impl<T> Rule<T> {
    fn matches(&self, host: Option<&str>, path: &str) -> bool {
        let host_matches = match (&self.host, host) {
            (None, _) => true,
            (Some(mine), Some(host)) => mine.eq_ignore_ascii_case(host),
            (Some(_), None) => false,
        };
        host_matches
            && path.strip_prefix(self.path.as_str()).is_some_and(|rest| {
                // `*`, the target of a server-wide OPTIONS, belongs to the rule for all paths.
                rest.is_empty() || rest.starts_with('/') || self.path.is_empty()
            })
    }
}

impl Further {
    fn of(rule: &table::Rule) -> Option<Box<Self>> {
        if rule.methods.is_empty() && rule.when.is_empty() {
            return None;
        }
        let methods = rule.methods.iter();
        let methods = methods.filter_map(|method| Method::from_bytes(method.as_bytes()).ok());
        Some(Box::new(Self {
            methods: methods.collect(),
            conditions: Conditions::new(&rule.when),
        }))
    }

    fn are_met(&self, method: &Method, headers: &Headers) -> bool {
        (self.methods.is_empty() || self.methods.contains(method))
            && self.conditions.are_met(headers)
    }
}

impl Conditions {
    pub(crate) fn new(conditions: &[Condition]) -> Self {
        let mut these = Self::default();
        for condition in conditions {
            match condition {
                // What is no name was refused with the table.
                Condition::Header(named) => these.headers.extend(
                    HeaderName::try_from(&named.name)
                        .ok()
                        .map(|name| (name, named.value.clone())),
                ),
                Condition::Cookie(named) => {
                    these
                        .cookies
                        .push((named.name.clone(), named.value.clone()));
                }
            }
        }
        these
    }

    pub(crate) fn are_met(&self, headers: &Headers) -> bool {
        let suits = |found: Option<&[u8]>, wanted: &Option<String>| {
            let wanted = wanted.as_ref().map(String::as_bytes);
            found.is_some_and(|found| wanted.is_none_or(|wanted| found == wanted))
        };
        self.headers
            .iter()
            .all(|(name, value)| suits(headers.get(name).map(|found| found.as_bytes()), value))
            && self
                .cookies
                .iter()
                .all(|(name, value)| suits(cookies::find(headers, name), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Named;

    #[test]
    fn the_most_specific_rule_wins() {
        let rule = |host: Option<&str>, path: &str, service: &str| table::Rule {
            host: host.map(str::to_owned),
            path: path.to_owned(),
            service: service.to_owned(),
            ..table::Rule::default()
        };
        let rules = Rules::new(
            &[
                rule(None, "/", "0"),
                rule(None, "/api/", "1"),
                rule(None, "/api/v2", "2"),
                rule(Some("Shop.example"), "/", "3"),
                rule(Some("shop.example"), "/api", "4"),
            ],
            |rule| rule.service.parse::<usize>().ok(),
        );
        for (host, path, service) in [
            (None, "/", 0),
            (Some("other.example"), "/x", 0),
            (None, "*", 0),
            (None, "/api", 1),
            (None, "/api/", 1),
            (None, "/api/v1", 1),
            (None, "/apix", 0),
            (None, "/api/v2", 2),
            (None, "/api/v2/x", 2),
            (None, "/api/v22", 1),
            (Some("SHOP.example"), "/", 3),
            (Some("shop.example"), "/api/v2", 4),
        ] {
            let found = rules.find(host, path, &Method::GET, &Headers::default());
            assert_eq!(found, Some(&service), "{host:?} {path}");
        }
        let none: Rules<usize> = Rules::new(&[], |_| None);
        assert_eq!(
            none.find(None, "/", &Method::GET, &Headers::default()),
            None
        );
    }

    #[test]
    fn methods_and_conditions_come_after_host_and_path() {
        let named = |name: &str, value: Option<&str>| Named {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        let header = |name: &str, value| Condition::Header(named(name, value));
        let cookie = |name: &str, value| Condition::Cookie(named(name, value));
        let rule = |path: &str, methods: &[&str], when: &[Condition], service: &str| table::Rule {
            path: path.to_owned(),
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            when: when.to_vec(),
            service: service.to_owned(),
            ..table::Rule::default()
        };
        let beta = header("X-Track", Some("beta"));
        let mut table = [
            rule("/", &[], &[], "0"),
            rule("/", &[], &[header("x-track", None)], "1"),
            rule("/", &[], std::slice::from_ref(&beta), "2"),
            rule("/", &[], &[beta, cookie("user", Some("7"))], "3"),
            rule("/", &["PUT", "POST"], &[], "4"),
            rule("/long", &[], &[], "5"),
        ];
        for _ in 0..table.len() {
            table.rotate_left(1);
            let rules = Rules::new(&table, |rule| rule.service.parse::<usize>().ok());
            for (method, path, head, service) in [
                ("GET", "/", &[][..], 0),
                ("GET", "/", &[("cookie", "user=7")], 0),
                ("GET", "/", &[("x-track", "gamma")], 1),
                ("GET", "/", &[("x-track", "beta")], 2),
                (
                    "GET",
                    "/",
                    &[("x-track", "beta"), ("cookie", "a=b; user=8")],
                    2,
                ),
                (
                    "GET",
                    "/",
                    &[("x-track", "beta"), ("cookie", "a=b; user=7")],
                    3,
                ),
                ("GET", "/", &[("x-track", "gamma"), ("x-track", "beta")], 1),
                ("POST", "/", &[("x-track", "beta")], 4),
                ("POST", "/long", &[("x-track", "beta")], 5),
            ] {
                let mut headers = Headers::default();
                for (name, value) in head {
                    let value: http::HeaderValue = value.parse().unwrap();
                    headers.append(name.parse().unwrap(), value);
                }
                let method = method.parse().unwrap();
                let found = rules.find(None, path, &method, &headers);
                assert_eq!(found, Some(&service), "{method} {path} {head:?}");
            }
        }
    }
}
