//! Commands to an environment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Moment;

/// What a person tells one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Holds the deployment where it is. It is still watched, and still rolled back if it fails.
    Pause {},
    /// Lets a paused deployment go on.
    Resume {},
    /// Ends the wait of the current step: on to the next one.
    Promote {
        /// Skips all steps that are left: all traffic at once, as soon as the instances are ready.
        #[serde(default)]
        all: bool,
    },
    /// Ends the deployment and brings the traffic back to what served before.
    Abort {},
    /// Deploys the release that failed last once more.
    Retry {},
    /// Brings an earlier release back.
    Rollback {
        /// The number of the release; `None` is the one that served before.
        #[serde(default)]
        to: Option<u64>,
        /// How much comes back.
        #[serde(default)]
        scope: Scope,
        /// Brings the schema of the database back for it, too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        migrate_back: bool,
    },
    /// Keeps users' requests from services until they are opened again, whatever is deployed
    /// meanwhile.
    Close {
        /// What becomes of the requests.
        how: Closed,
        /// The service; `None` is every one that requests are routed to.
        #[serde(default)]
        service: Option<String>,
    },
    /// Lets users' requests in again.
    Open {
        /// In which way the services are closed.
        how: Closed,
        /// The service; `None` is every one that is closed in this way.
        #[serde(default)]
        service: Option<String>,
    },
    /// Consents to a release that waits to enter.
    Approve {
        /// The number of the release.
        release: u64,
        /// The digest of what was looked at; refused if it is not what waits.
        #[serde(default)]
        digest: Option<String>,
        /// What is to be remembered about it.
        #[serde(default)]
        note: Option<String>,
    },
    /// Says, in the name of a person, that an item of a checklist is so.
    Confirm {
        /// The name of the item.
        item: String,
        /// The list, `before`, `during`, `after` or `after_rollback`; `None` is the only one that has it.
        #[serde(default)]
        when: Option<String>,
        /// The number of the release that the list is about; `None` likewise.
        #[serde(default)]
        release: Option<u64>,
        /// The digest of what was looked at; refused if the list is about something else.
        #[serde(default)]
        digest: Option<String>,
        /// What was looked at, or why it is so.
        said: String,
    },
    /// Refuses a release that waits to enter.
    Reject {
        /// The number of the release.
        release: u64,
        /// Why.
        why: String,
    },
    /// Lets nothing enter for a time. What is on its way goes on, and the way back stays free.
    Freeze {
        /// From when on; `None` is at once.
        #[serde(default)]
        from: Option<Moment>,
        /// Until when; `None` is until somebody ends it.
        #[serde(default)]
        until: Option<Moment>,
        /// Whether what is on its way goes no further either: a maintenance window, which needs an end.
        #[serde(default)]
        maintenance: bool,
        /// Why.
        why: String,
    },
    /// Lets one release in although nothing else enters.
    Except {
        /// The number of the freeze; `None` is the only one.
        #[serde(default)]
        freeze: Option<u64>,
        /// The number of the release.
        release: u64,
        /// Why.
        why: String,
    },
    /// Ends a freeze.
    Thaw {
        /// Its number; `None` is the only one.
        #[serde(default)]
        freeze: Option<u64>,
    },
}

/// What becomes of the requests of a service that is closed. Testers go through all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// They wait, until the service is open again or they have waited for too long.
    Held,
    /// They get another answer.
    Maintenance,
}

/// How much a rollback brings back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every service of the environment.
    #[default]
    All,
    /// One service, by name.
    Service(String),
    /// Only what is on its way: the canary goes, what serves stays.
    Canary,
}

/// A command was recorded: it survives whatever happens to control from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// The version of the environment's state that contains the command.
    pub version: u64,
    /// The deployment that the command started or concerns, where there is one.
    pub deployment: Option<u64>,
    /// What follows from the command: one sentence.
    pub sentence: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_written_as_people_would_write_them() {
        let cases = [
            (Command::Pause {}, r#"{"command":"pause"}"#),
            (
                Command::Promote { all: true },
                r#"{"command":"promote","all":true}"#,
            ),
            (
                Command::Rollback {
                    to: Some(3),
                    scope: Scope::Service("web".to_owned()),
                    migrate_back: false,
                },
                r#"{"command":"rollback","to":3,"scope":{"service":"web"}}"#,
            ),
            (
                Command::Close {
                    how: Closed::Maintenance,
                    service: None,
                },
                r#"{"command":"close","how":"maintenance","service":null}"#,
            ),
            (
                Command::Open {
                    how: Closed::Held,
                    service: Some("web".to_owned()),
                },
                r#"{"command":"open","how":"held","service":"web"}"#,
            ),
            (
                Command::Approve {
                    release: 7,
                    digest: None,
                    note: Some("read it".to_owned()),
                },
                r#"{"command":"approve","release":7,"digest":null,"note":"read it"}"#,
            ),
            (
                Command::Freeze {
                    from: None,
                    until: Some(Moment(5)),
                    maintenance: false,
                    why: "the sale".to_owned(),
                },
                r#"{"command":"freeze","from":null,"until":5,"maintenance":false,"why":"the sale"}"#,
            ),
        ];
        for (command, json) in cases {
            assert_eq!(serde_json::to_string(&command).unwrap(), json);
            assert_eq!(serde_json::from_str::<Command>(json).unwrap(), command);
        }
        let short: Command = serde_json::from_str(r#"{"command":"rollback"}"#).unwrap();
        assert_eq!(
            short,
            Command::Rollback {
                to: None,
                scope: Scope::All,
                migrate_back: false,
            }
        );
    }

    #[test]
    fn a_command_with_an_unknown_field_is_refused() {
        for json in [
            r#"{"command":"promote","al":true}"#,
            r#"{"command":"pause","until":5}"#,
            r#"{"command":"stop"}"#,
        ] {
            assert!(serde_json::from_str::<Command>(json).is_err(), "{json}");
        }
    }
}
