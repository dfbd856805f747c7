//! How a request finds its service.

use crate::table;

/// The rules of a listener, the most specific first.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    /// `None` is any host.
    host: Option<String>,
    /// Without a slash at its end; empty for all paths.
    path: String,
    /// The position of the service.
    service: usize,
}

impl Rules {
    /// Orders `rules`; `position` says where a service is, rules for unknown ones are left out.
    pub(crate) fn new(rules: &[table::Rule], position: impl Fn(&str) -> Option<usize>) -> Self {
        let mut ordered: Vec<Rule> = rules
            .iter()
            .filter_map(|rule| {
                Some(Rule {
                    host: rule.host.clone(),
                    path: rule.path.trim_end_matches('/').to_owned(),
                    service: position(&rule.service)?,
                })
            })
            .collect();
        ordered.sort_by_key(|rule| (rule.host.is_none(), std::cmp::Reverse(rule.path.len())));
        Self(ordered)
    }

    /// Returns the position of the service for a request.
    pub(crate) fn find(&self, host: Option<&str>, path: &str) -> Option<usize> {
        self.0
            .iter()
            .find(|rule| rule.matches(host, path))
            .map(|rule| rule.service)
    }
}

impl Rule {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_rule_wins() {
        let rule = |host: Option<&str>, path: &str, service: &str| table::Rule {
            host: host.map(str::to_owned),
            path: path.to_owned(),
            service: service.to_owned(),
        };
        let rules = Rules::new(
            &[
                rule(None, "/", "0"),
                rule(None, "/api/", "1"),
                rule(None, "/api/v2", "2"),
                rule(Some("Shop.example"), "/", "3"),
                rule(Some("shop.example"), "/api", "4"),
            ],
            |service| service.parse().ok(),
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
            assert_eq!(rules.find(host, path), Some(service), "{host:?} {path}");
        }
        assert_eq!(Rules::default().find(None, "/"), None);
    }
}
