//! Queries in `PromQL`, with variables for what is different on each side.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::Side;

/// The longest query, in bytes. It travels in an address.
const BYTES_MAX: usize = 4096;

/// A query in `PromQL`. `$NAME` and `${NAME}` in capitals stand for a variable; any other `$` is
/// part of the query, as in `"$1"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Query(String);

/// What a variable stands for. None of the texts needs an escape, whatever quotes it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Application,
    Environment,
    Service,
    Release,
    Revision,
    Instances,
}

/// A text that cannot be a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// There is nothing to ask.
    #[error("it is empty")]
    Empty,
    /// It is longer than an address can be.
    #[error("it is longer than {BYTES_MAX} bytes")]
    TooLong,
    /// It has a variable that means nothing.
    #[error("nothing is known of `${0}`")]
    UnknownVariable(String),
}

/// A piece of a query.
enum Piece<'q> {
    Text(&'q str),
    Variable(&'q str),
}

impl Query {
    /// The names of all variables.
    pub const VARIABLES: [&str; 6] = [
        "APPLICATION",
        "ENVIRONMENT",
        "SERVICE",
        "RELEASE",
        "REVISION",
        "INSTANCES",
    ];

    /// Reads a query.
    ///
    /// # Errors
    ///
    /// It cannot be one. Whether it is one is for Prometheus to say.
    pub fn parse(text: &str) -> Result<Self, BadQuery> {
        if text.trim().is_empty() {
            return Err(BadQuery::Empty);
        }
        if text.len() > BYTES_MAX {
            return Err(BadQuery::TooLong);
        }
        for piece in pieces(text) {
            if let Piece::Variable(name) = piece
                && Variable::of(name).is_none()
            {
                return Err(BadQuery::UnknownVariable(name.to_owned()));
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the query as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it asks something else of each side of a rollout.
    pub fn tells_sides_apart(&self) -> bool {
        pieces(&self.0).any(|piece| match piece {
            Piece::Text(_) => false,
            Piece::Variable(name) => matches!(
                Variable::of(name),
                Some(Variable::Release | Variable::Revision | Variable::Instances)
            ),
        })
    }

    /// Returns what is asked about one side; `None` where it asks for instances and there are
    /// none: an empty pattern would match all that has no such label.
    pub fn about(&self, side: &Side<'_>) -> Option<String> {
        let mut query = String::new();
        for piece in pieces(&self.0) {
            match piece {
                Piece::Text(text) => query.push_str(text),
                Piece::Variable(name) => {
                    let variable = Variable::of(name)?;
                    if variable == Variable::Instances && side.instances.is_empty() {
                        return None;
                    }
                    variable.write(side, &mut query);
                }
            }
        }
        Some(query)
    }
}

impl Variable {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "APPLICATION" => Self::Application,
            "ENVIRONMENT" => Self::Environment,
            "SERVICE" => Self::Service,
            "RELEASE" => Self::Release,
            "REVISION" => Self::Revision,
            "INSTANCES" => Self::Instances,
            _ => return None,
        })
    }

    /// Names and numbers are made of a-z, 0-9 and -, so they end no string and are no pattern.
    fn write(self, side: &Side<'_>, query: &mut String) {
        let revision = side.revision;
        let (release, deployment) = (revision.release.0, revision.deployment.0);
        let _infallible = match self {
            Self::Application => write!(query, "{}", side.environment.application),
            Self::Environment => write!(query, "{}", side.environment.environment),
            Self::Service => write!(query, "{}", revision.service),
            Self::Release => write!(query, "{release}"),
            Self::Revision => write!(query, "r{release}.d{deployment}"),
            Self::Instances => write!(query, "{}", side.pattern()),
        };
    }
}

/// Splits a query at its variables.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = variable(rest) {
            rest = after;
            return Some(Piece::Variable(name));
        }
        // The first character is text, whatever it is; a variable may begin behind it.
        let mut dollars = rest.match_indices('$').map(|(at, _)| at);
        let end = dollars.find(|at| *at > 0 && variable(&rest[*at..]).is_some());
        let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(Piece::Text(text))
    })
}

/// Returns the name of the variable that `text` begins with, and what comes behind it.
fn variable(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix('$')?;
    let (inside, braced) = match rest.strip_prefix('{') {
        Some(inside) => (inside, true),
        None => (rest, false),
    };
    let end = inside
        .find(|c: char| !(c.is_ascii_uppercase() || c == '_'))
        .unwrap_or(inside.len());
    let (name, after) = inside.split_at(end);
    let after = if braced {
        after.strip_prefix('}')?
    } else {
        after
    };
    (!name.is_empty()).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::id::{DeploymentNumber, EnvironmentId, ReleaseNumber, RevisionId};

    fn about(query: &str, instances: &[&str]) -> Option<String> {
        let environment = EnvironmentId {
            application: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
        };
        let revision = RevisionId {
            service: "web".parse().unwrap(),
            release: ReleaseNumber(7),
            deployment: DeploymentNumber(3),
        };
        let instances: Vec<SocketAddr> = instances.iter().map(|a| a.parse().unwrap()).collect();
        let side = Side {
            environment: &environment,
            revision: &revision,
            instances: &instances,
        };
        Query::parse(query).unwrap().about(&side)
    }

    #[test]
    fn variables_are_replaced_and_nothing_else() {
        let here = &["127.0.0.1:8001"];
        for (query, asked) in [
            ("up", "up"),
            ("x{r=\"$RELEASE\"}", "x{r=\"7\"}"),
            ("$REVISION$SERVICE", "r7.d3web"),
            ("${ENVIRONMENT}x", "productionx"),
            ("'$APPLICATION'", "'shop'"),
            ("x{i=~'$INSTANCES'}", "x{i=~'127[.]0[.]0[.]1:8001'}"),
            (
                "label_replace(x, 'a', '$1', 'b', '(.*)$')",
                "label_replace(x, 'a', '$1', 'b', '(.*)$')",
            ),
            ("$$ ${ $ ${x} $x ü$", "$$ ${ $ ${x} $x ü$"),
        ] {
            assert_eq!(about(query, here).as_deref(), Some(asked), "{query}");
        }
    }

    #[test]
    fn a_pattern_of_instances_needs_no_escape() {
        let both = ["127.0.0.1:8001", "[::1]:8002"];
        let pattern = "127[.]0[.]0[.]1:8001|[[]::1[]]:8002";
        assert_eq!(about("$INSTANCES", &both).as_deref(), Some(pattern));
        assert_eq!(about("x{i=~'$INSTANCES'}", &[]), None);
        assert_eq!(about("x{r='$RELEASE'}", &[]).as_deref(), Some("x{r='7'}"));
    }

    #[test]
    fn what_cannot_be_a_query_is_refused() {
        for (text, why) in [
            ("", BadQuery::Empty),
            (" \n", BadQuery::Empty),
            (
                "x$INSTANCE",
                BadQuery::UnknownVariable("INSTANCE".to_owned()),
            ),
            ("${HOST}", BadQuery::UnknownVariable("HOST".to_owned())),
            (&"x".repeat(BYTES_MAX + 1), BadQuery::TooLong),
        ] {
            assert_eq!(Query::parse(text), Err(why), "{text}");
        }
        for name in Query::VARIABLES {
            assert!(Query::parse(&format!("${name}")).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_comparison_needs_a_variable_that_differs() {
        for (query, apart) in [
            ("up", false),
            (
                "up{a='$APPLICATION', e='$ENVIRONMENT', s='$SERVICE'}",
                false,
            ),
            ("up{r='$RELEASE'}", true),
            ("up{r='${REVISION}'}", true),
            ("up{i=~'$INSTANCES'}", true),
        ] {
            let query = Query::parse(query).unwrap();
            assert_eq!(query.tells_sides_apart(), apart, "{}", query.as_str());
        }
    }
}
