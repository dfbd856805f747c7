//! Who asks for something, from where and why.

use leadsman_core::audit::Asked;
use leadsman_store::NewEvent;
use serde::Serialize;

/// Who asks for something, from where and why: what the log says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The actor of the events.
    pub name: String,
    /// What is recorded inside each of them beside what happened.
    pub asked: Option<Asked>,
}

impl From<&str> for By {
    fn from(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            asked: None,
        }
    }
}

impl By {
    /// Returns `event` as it is stored: the JSON of the domain's type and, where somebody asked
    /// for it, the field `asked`. Who reads the event passes over that field.
    pub(crate) fn store(&self, kind: &str, event: &impl Serialize) -> NewEvent {
        let mut body = serde_json::to_string(event).expect("an event has only text keys");
        if let Some(asked) = &self.asked {
            let asked = serde_json::to_string(asked).expect("it has only text keys");
            // Events are objects with a field that says which one it is, so a comma is right.
            let end = body.pop();
            debug_assert_eq!(end, Some('}'), "events are stored as objects");
            body.push_str(",\"asked\":");
            body.push_str(&asked);
            body.push('}');
        }
        NewEvent {
            kind: kind.to_owned(),
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use leadsman_core::Event;

    use super::*;

    #[test]
    fn from_where_and_why_is_stored_inside_the_event() {
        let event = Event::DeploymentPaused {
            works: None,
            by: "mia".to_owned(),
        };
        let mut by = By::from("mia");
        let plain = by.store(event.kind(), &event);
        assert_eq!(
            plain.body, r#"{"event":"deployment_paused","by":"mia"}"#,
            "nothing is added where nobody asked"
        );
        by.asked = Some(Asked {
            from: "unix".to_owned(),
            token: None,
            why: Some("a \"quoted\" reason".to_owned()),
            key: None,
        });
        let stored = by.store(event.kind(), &event);
        assert_eq!(
            stored.body,
            r#"{"event":"deployment_paused","by":"mia","asked":{"from":"unix","why":"a \"quoted\" reason"}}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&stored.body).unwrap(), event);
        let promoted = Event::DeploymentPromoted {};
        let stored = by.store(promoted.kind(), &promoted);
        assert_eq!(
            serde_json::from_str::<Event>(&stored.body).unwrap(),
            promoted
        );
    }
}
