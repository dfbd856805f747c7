//! How far something is granted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationName, EnvironmentId};

/// What a role is granted for, and what an act is about. Stored as `*`, `shop` or
/// `shop/production`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reach {
    /// Every application, and what belongs to none, such as people.
    #[default]
    Everything,
    /// One application with all its environments.
    Application(ApplicationName),
    /// One environment.
    Environment(EnvironmentId),
}

/// A text does not say how far something is granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither an application, such as `shop`, nor an environment, such as `shop/production`"
)]
pub struct InvalidReach(pub String);

impl Reach {
    /// Whether all of `other` lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, _) => true,
            (Self::Application(own), Self::Application(other)) => own == other,
            (Self::Application(own), Self::Environment(other)) => *own == other.application,
            (Self::Environment(own), Self::Environment(other)) => own == other,
            (Self::Application(_) | Self::Environment(_), _) => false,
        }
    }

    /// Whether something lies in both.
    pub fn meets(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Returns what lies in both: one of the two, since two of them never overlap in part.
    pub fn within(&self, other: &Self) -> Option<Self> {
        if other.covers(self) {
            Some(self.clone())
        } else if self.covers(other) {
            Some(other.clone())
        } else {
            None
        }
    }
}

impl TryFrom<String> for Reach {
    type Error = InvalidReach;

    fn try_from(text: String) -> Result<Self, InvalidReach> {
        let parsed = match text.split_once('/') {
            None if text == "*" => Some(Self::Everything),
            None => text.parse().ok().map(Self::Application),
            Some((application, environment)) => {
                let application = application.parse().ok();
                let both = application.zip(environment.parse().ok());
                both.map(|(application, environment)| {
                    Self::Environment(EnvironmentId {
                        application,
                        environment,
                    })
                })
            }
        };
        parsed.ok_or(InvalidReach(text))
    }
}

impl FromStr for Reach {
    type Err = InvalidReach;

    fn from_str(text: &str) -> Result<Self, InvalidReach> {
        Self::try_from(text.to_owned())
    }
}

impl From<Reach> for String {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::Everything => "*".to_owned(),
            Reach::Application(name) => name.into(),
            Reach::Environment(id) => id.to_string(),
        }
    }
}

/// As people read it: `everything`, `shop` or `shop/production`.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Application(name) => name.fmt(f),
            Self::Environment(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_what_is_a_table() {
        let reach = |text: &str| text.parse::<Reach>().unwrap();
        for (own, other, covers) in [
            ("*", "*", true),
            ("*", "shop", true),
            ("*", "shop/production", true),
            ("shop", "*", false),
            ("shop", "shop", true),
            ("shop", "shop/production", true),
            ("shop", "shop-2", false),
            ("shop", "shop-2/production", false),
            ("shop/production", "*", false),
            ("shop/production", "shop", false),
            ("shop/production", "shop/production", true),
            ("shop/production", "shop/staging", false),
            ("shop/production", "blog/production", false),
        ] {
            assert_eq!(reach(own).covers(&reach(other)), covers, "{own} {other}");
            let smaller = covers.then(|| reach(other));
            if covers {
                assert_eq!(reach(own).within(&reach(other)), smaller);
                assert!(reach(other).meets(&reach(own)));
            }
        }
        assert_eq!(reach("shop/a").within(&reach("shop/b")), None);
    }

    #[test]
    fn a_reach_is_read_back_as_it_is_stored() {
        for text in ["*", "shop", "shop/production", "everything"] {
            assert_eq!(String::from(text.parse::<Reach>().unwrap()), text);
        }
        for bad in ["", "/", "shop/", "/a", "a/b/c", "Shop", "**"] {
            assert!(bad.parse::<Reach>().is_err(), "{bad}");
        }
    }
}
