//! What a subscription is told of one event: a CloudEvent, in the words of Leadsman or as a
//! CDEvent.

use bytes::Bytes;
use leadsman_api::{Notice, NoticeData};
use leadsman_core::time::Timestamp;
use leadsman_gates::Day;
use serde_json::{Value, json};

use super::cdevents::{self, Change};
use super::kept::Format;

/// An event, with what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    /// Its stream and its place there: it names the event for ever. Without full stops, which
    /// part name, moment and body where they are signed.
    pub(crate) id: String,
    /// What it is about: `shop`, `shop/production` or `shop/runs/7`.
    pub(crate) subject: String,
    pub(crate) at: Timestamp,
    pub(crate) data: NoticeData,
    /// What it is among CDEvents: nothing, one of them, or several.
    pub(crate) changes: Vec<Change>,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    /// The kind of event that it tells of.
    pub(crate) kind: String,
    pub(crate) body: Bytes,
}

impl Happened {
    /// Returns what is to be sent of it, by the Leadsman that is known as `source`.
    pub(crate) fn messages(&self, format: Format, source: &str) -> Vec<Message> {
        match format {
            Format::Leadsman => vec![self.notice(source)],
            Format::CdEvents => self
                .changes
                .iter()
                .map(|change| self.cdevent(change, source))
                .collect(),
        }
    }

    fn notice(&self, source: &str) -> Message {
        let kind = &self.data.event.kind;
        let notice = Notice {
            specversion: "1.0".to_owned(),
            id: self.id.clone(),
            source: source.to_owned(),
            kind: format!("dev.leadsman.{kind}"),
            subject: self.subject.clone(),
            time: moment(self.at),
            datacontenttype: "application/json".to_owned(),
            data: self.data.clone(),
        };
        let body = serde_json::to_vec(&notice).expect("the wire types have only text as keys");
        self.message(notice.id, body)
    }

    fn cdevent(&self, change: &Change, source: &str) -> Message {
        let id = match &change.part {
            None => self.id.clone(),
            Some(part) => format!("{}/{part}", self.id),
        };
        let own = serde_json::to_value(&self.data).expect("the wire types have only text as keys");
        let event = cdevents::event(change, &id, source, &moment(self.at), &own);
        self.message(id, event.to_string().into_bytes())
    }

    fn message(&self, id: String, body: Vec<u8>) -> Message {
        Message {
            id,
            kind: self.data.event.kind.clone(),
            body: Bytes::from(body),
        }
    }
}

/// Returns what tells a subscription of nothing, to see whether it arrives.
pub(crate) fn trial(name: &str, format: Format, source: &str, now: Timestamp) -> Message {
    // No application begins with a digit: it is the id of no event.
    let id = format!("0-trials/{name}/{}", now.as_millis());
    let time = moment(now);
    let body = match format {
        Format::Leadsman => json!({
            "specversion": "1.0",
            "id": id,
            "source": source,
            "type": "dev.leadsman.subscription_tested",
            "subject": name,
            "time": time,
            "datacontenttype": "application/json",
            "data": { "subscription": name },
        }),
        Format::CdEvents => {
            let change = cdevents::trial(name);
            cdevents::event(&change, &id, source, &time, &Value::Null)
        }
    };
    Message {
        id,
        kind: "subscription_tested".to_owned(),
        body: Bytes::from(body.to_string()),
    }
}

/// Returns a moment in UTC as RFC 3339 writes it, to the millisecond.
fn moment(at: Timestamp) -> String {
    let ms = at.as_millis();
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    let (hours, minutes) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (seconds, ms) = (of_day / 1_000 % 60, of_day % 1_000);
    // Only four digits are a year there: what is later is its last day.
    let last = || Day::parse("9999-12-31").expect("it is a day");
    let days = i64::try_from(days).ok().and_then(Day::since_epoch);
    let day = days.unwrap_or_else(last);
    format!("{day}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_007, "2000-02-29T00:00:00.007Z"),
            (1_795_284_301_250, "2026-11-21T18:05:01.250Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(moment(Timestamp::from_millis(ms)), text);
        }
        let late = moment(Timestamp::from_millis(u64::MAX));
        assert!(late.starts_with("9999-12-31T"), "{late}");
    }

    #[test]
    fn a_trial_is_a_cloud_event_that_tells_of_nothing() {
        let now = Timestamp::from_millis(1_795_284_301_250);
        for format in [Format::Leadsman, Format::CdEvents] {
            let trial = trial("chat", format, "urn:leadsman:00", now);
            let body: Value = serde_json::from_slice(&trial.body).unwrap();
            assert_eq!(body["specversion"], "1.0");
            assert_eq!(body["id"], "0-trials/chat/1795284301250");
            assert_eq!(body["subject"], "chat");
        }
    }
}
