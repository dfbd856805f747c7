//! What a rule can speak of.

use std::fmt;

/// The type of a part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int,
    Double,
    Text,
    List(Box<Self>),
    /// Of text to this.
    Map(Box<Self>),
    Object(Object),
    /// Nothing is known of it, because of a problem that was found before, or because there is
    /// nothing in it.
    Any,
}

impl Type {
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Any)
    }

    /// Says whether a value of the one type can be compared with one of the other.
    pub(super) fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::List(one), Self::List(other)) => one.fits(other),
            (one, other) => one == other || one.is_number() && other.is_number(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("a truth"),
            Self::Int => f.write_str("a whole number"),
            Self::Double => f.write_str("a number"),
            Self::Text => f.write_str("text"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("values by name"),
            Self::Object(object) => f.write_str(object.what()),
            Self::Any => f.write_str("something"),
        }
    }
}

/// Things with fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    /// All that can be spoken of.
    Everything,
    /// What reports say.
    Promoted,
    Tests,
    Coverage,
    Group,
    Findings,
    Finding,
    Components,
    Load,
    Release,
}

/// A field: its name, its type, and what it is.
pub(super) type Field = (&'static str, Type, &'static str);

impl Object {
    fn what(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Promoted => "what is known of the promoted release",
            Self::Tests => "what became of tests",
            Self::Coverage | Self::Group => "coverage",
            Self::Findings => "findings",
            Self::Finding => "a finding",
            Self::Components => "components",
            Self::Load => "a load result",
            Self::Release => "a release",
        }
    }

    pub(super) fn field(self, name: &str) -> Option<Type> {
        let mut fields = self.fields().into_iter();
        fields
            .find(|(known, ..)| *known == name)
            .map(|(_, of, _)| of)
    }

    pub(super) fn fields(self) -> Vec<Field> {
        let list = |of| Type::List(Box::new(Type::Object(of)));
        let map = |of: Type| Type::Map(Box::new(of));
        match self {
            Self::Everything => {
                let mut fields = Self::Promoted.fields();
                fields.push((
                    "promoted",
                    Type::Object(Self::Promoted),
                    "the same of the release that was promoted last here",
                ));
                fields.push(("release", Type::Object(Self::Release), "the release itself"));
                fields
            }
            Self::Promoted => vec![
                ("tests", Type::Object(Self::Tests), "what became of tests"),
                (
                    "coverage",
                    Type::Object(Self::Coverage),
                    "how much of the code the tests ran through",
                ),
                (
                    "findings",
                    Type::Object(Self::Findings),
                    "what scanners found, exceptions included",
                ),
                (
                    "components",
                    Type::Object(Self::Components),
                    "what the release is made of",
                ),
                (
                    "load",
                    Type::Object(Self::Load),
                    "how it bore load; of several results the worst",
                ),
                ("numbers", map(Type::Double), "numbers by name"),
            ],
            Self::Tests => vec![
                ("passed", Type::Int, "how many passed"),
                ("failed", Type::Int, "how many failed"),
                ("errors", Type::Int, "how many could not come to an end"),
                ("skipped", Type::Int, "how many were left out"),
                (
                    "flaky",
                    Type::Int,
                    "how many passed only when they were run again",
                ),
                ("ran", Type::Int, "how many ran: passed, failed and errors"),
            ],
            Self::Coverage => {
                let mut fields = Self::Group.fields();
                fields.push((
                    "groups",
                    map(Type::Object(Self::Group)),
                    "the same, by the name of a group or job",
                ));
                fields
            }
            Self::Group => vec![
                (
                    "percent",
                    Type::Double,
                    "of 100 lines so many were run through",
                ),
                ("covered", Type::Int, "how many lines were run through"),
                ("lines", Type::Int, "how many lines there are"),
                (
                    "branches_percent",
                    Type::Double,
                    "of 100 branches so many were taken",
                ),
            ],
            Self::Findings => vec![
                ("critical", Type::Int, "how many are critical"),
                ("high", Type::Int, "how many are high"),
                ("medium", Type::Int, "how many are medium"),
                ("low", Type::Int, "how many are low"),
                ("unknown", Type::Int, "how many nobody has rated yet"),
                ("total", Type::Int, "how many there are"),
                (
                    "list",
                    list(Self::Finding),
                    "each of them; of very many the gravest",
                ),
            ],
            Self::Finding => vec![
                ("id", Type::Text, "the rule or the name of the weakness"),
                (
                    "severity",
                    Type::Text,
                    "`critical`, `high`, `medium`, `low` or `unknown`",
                ),
                ("tool", Type::Text, "who found it"),
                (
                    "place",
                    Type::Text,
                    "a package with its version, or a file with its line",
                ),
                ("title", Type::Text, "what it is"),
            ],
            Self::Components => vec![
                ("total", Type::Int, "how many there are"),
                (
                    "licences",
                    map(Type::Int),
                    "how many are under each licence",
                ),
            ],
            Self::Load => vec![
                ("requests", Type::Int, "how many requests were sent"),
                ("rate", Type::Double, "how many were sent in a second"),
                (
                    "errors_percent",
                    Type::Double,
                    "of 100 requests so many failed",
                ),
                (
                    "mean_ms",
                    Type::Double,
                    "how long they took on average, in milliseconds",
                ),
                ("p50_ms", Type::Double, "the median, in milliseconds"),
                (
                    "p90_ms",
                    Type::Double,
                    "the 90th percentile, in milliseconds",
                ),
                (
                    "p95_ms",
                    Type::Double,
                    "the 95th percentile, in milliseconds",
                ),
                (
                    "p99_ms",
                    Type::Double,
                    "the 99th percentile, in milliseconds",
                ),
                (
                    "p999_ms",
                    Type::Double,
                    "the 99.9th percentile, in milliseconds",
                ),
                ("max_ms", Type::Double, "the slowest, in milliseconds"),
            ],
            Self::Release => vec![
                ("number", Type::Int, "its number; 0 where it has none yet"),
                (
                    "environment",
                    Type::Text,
                    "the environment that it is to enter",
                ),
                (
                    "digest",
                    Type::Text,
                    "the digest of what it is; empty where it has none yet",
                ),
                (
                    "commit",
                    Type::Text,
                    "the commit that it is made of; empty where that is not known",
                ),
                (
                    "branch",
                    Type::Text,
                    "the branch of the commit; empty where that is not known",
                ),
                (
                    "tag",
                    Type::Text,
                    "the tag of the commit; empty where it has none",
                ),
            ],
        }
    }
}

/// Returns every name with its type and what it is.
pub(super) fn reference() -> Vec<(String, String, &'static str)> {
    let mut rows = Vec::new();
    add(Object::Everything, "", &mut rows);
    rows
}

fn add(object: Object, path: &str, rows: &mut Vec<(String, String, &'static str)>) {
    for (name, of, what) in object.fields() {
        let path = format!("{path}{name}");
        let inner = match &of {
            Type::Object(Object::Promoted) => None,
            Type::Object(inner) => Some((*inner, format!("{path}."))),
            Type::List(inner) => match inner.as_ref() {
                Type::Object(inner) => Some((*inner, format!("{path}[0]."))),
                _ => None,
            },
            _ => None,
        };
        let shown = match &of {
            Type::Map(_) => format!("{path}.NAME"),
            _ => path,
        };
        let type_of = match &of {
            Type::Map(inner) => inner.to_string(),
            of => of.to_string(),
        };
        // What has fields is told by them.
        if !matches!(of, Type::Object(_)) || inner.is_none() {
            rows.push((shown, type_of, what));
        }
        if let Some((inner, path)) = inner {
            add(inner, &path, rows);
        }
    }
}
