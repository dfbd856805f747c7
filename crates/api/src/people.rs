//! People, what they may do, and tokens.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Moment;

/// A role, and how far it is granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `viewer`, `developer`, `operator`, `approver` or `admin`.
    pub role: String,
    /// An application, such as `shop`, or an environment, such as `shop/production`; `None` is
    /// everything.
    #[serde(default)]
    pub reach: Option<String>,
}

/// Somebody who may do something here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// The name that the log records.
    pub name: String,
    /// By what they are recognised: `user:mia`, `email:mia@example.org` or `subject:8f2c`.
    pub identities: Vec<String>,
    /// What they may do.
    pub grants: Vec<Grant>,
    /// The teams that they belong to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
    /// Since when they are known.
    pub added_at: Moment,
}

/// Everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct People {
    /// Everybody, by name.
    pub people: Vec<Person>,
}

/// An order about people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum PeopleCommand {
    /// Makes somebody known.
    Add {
        /// Who.
        person: String,
        /// By what they are recognised.
        #[serde(default)]
        identities: Vec<String>,
        /// What they may do.
        #[serde(default)]
        grants: Vec<Grant>,
    },
    /// Forgets somebody, with everything that they may do.
    Remove {
        /// Who.
        person: String,
    },
    /// Recognises somebody by one thing more.
    Link {
        /// Who.
        person: String,
        /// By what.
        identity: String,
    },
    /// Recognises somebody by one thing less.
    Unlink {
        /// Who.
        person: String,
        /// By what.
        identity: String,
    },
    /// Allows somebody more.
    Grant {
        /// Who.
        person: String,
        /// What.
        grant: Grant,
    },
    /// Allows somebody less.
    Revoke {
        /// Who.
        person: String,
        /// What.
        grant: Grant,
    },
    /// Takes somebody into a team, which approvals can ask for.
    Join {
        /// Who.
        person: String,
        /// Which team.
        team: String,
    },
    /// Takes somebody out of a team.
    Leave {
        /// Who.
        person: String,
        /// Which team.
        team: String,
    },
}

/// Something about people was recorded, and holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// What holds now: one sentence.
    pub sentence: String,
}

/// What is kept from logs and error messages.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A token that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// Whom it acts for; `None` is whoever asks.
    #[serde(default)]
    pub person: Option<String>,
    /// Only what one of these roles allows; none leaves all that the person may do.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Only what lies in this application or environment.
    #[serde(default)]
    pub reach: Option<String>,
    /// How long it lives.
    pub life_ms: u64,
}

/// A token that was made. It is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedToken {
    /// Its number.
    pub number: u64,
    /// Whom it acts for.
    pub person: String,
    /// The token itself.
    pub token: Secret,
    /// When it ends.
    pub expires_at: Moment,
}

/// A token as it is known: all but the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Its number.
    pub number: u64,
    /// Whom it acts for.
    pub person: String,
    /// What it is for.
    pub name: String,
    /// Only what one of these roles allows; none leaves all that the person may do.
    pub roles: Vec<String>,
    /// Only what lies in here; `None` is everything.
    pub reach: Option<String>,
    /// When it was made.
    pub created_at: Moment,
    /// When it ends, or has ended.
    pub expires_at: Moment,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Moment>,
    /// Whether it came of signing in.
    pub sign_in: bool,
}

/// The tokens of everybody, or of whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// The tokens, by number.
    pub tokens: Vec<Token>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_and_never_shown_by_mistake() {
        let created = CreatedToken {
            number: 1,
            person: "mia".to_owned(),
            token: Secret("lmt_abc".to_owned()),
            expires_at: Moment(7),
        };
        let json = serde_json::to_string(&created).unwrap();
        assert!(json.contains(r#""token":"lmt_abc""#), "{json}");
        assert!(!format!("{created:?}").contains("lmt_abc"));
    }

    #[test]
    fn an_order_with_an_unknown_field_is_refused() {
        let good = r#"{"command":"grant","person":"mia","grant":{"role":"viewer","reach":"shop"}}"#;
        assert!(serde_json::from_str::<PeopleCommand>(good).is_ok());
        for bad in [
            r#"{"command":"grant","person":"mia","grant":{"role":"viewer","until":5}}"#,
            r#"{"command":"remove","person":"mia","only":"shop"}"#,
        ] {
            assert!(serde_json::from_str::<PeopleCommand>(bad).is_err(), "{bad}");
        }
    }
}
