//! Who is told of what happens, and how that goes.

use leadsman_api::{Deliveries, Delivery, Subscription, Subscriptions, Tested};

use super::paint;
use super::table::Table;
use super::words::{Clock, clean, duration, whole_seconds};

/// Returns the subscriptions, each with where it is told and of what.
pub(crate) fn list(subscriptions: &Subscriptions, clock: &Clock) -> String {
    if subscriptions.subscriptions.is_empty() {
        return "there are no subscriptions\n".to_owned();
    }
    let mut table = Table::default();
    for it in &subscriptions.subscriptions {
        table.row([
            paint::strong(&clean(&it.name)),
            clean(it.url.as_ref().unwrap_or(&it.host)),
            clean(&it.format),
            wants(it),
            state(it, clock),
        ]);
    }
    let mut text = table.to_lines(0).join("\n");
    text.push('\n');
    text
}

fn wants(subscription: &Subscription) -> String {
    let what = match subscription.only.as_slice() {
        [] => "everything".to_owned(),
        only => only.join(", "),
    };
    match &subscription.about {
        None => clean(&what),
        Some(about) => clean(&format!("{what} of {about}")),
    }
}

fn state(subscription: &Subscription, clock: &Clock) -> String {
    match (subscription.ended_at, subscription.failing_since) {
        (Some(at), _) => format!("ended {}", clock.long(at)),
        (None, Some(since)) => format!("cannot be told for {}", clock.since(since)),
        (None, None) => String::new(),
    }
}

/// Returns the last deliveries, the newest first, and what comes next.
pub(crate) fn deliveries(answer: &Deliveries, clock: &Clock) -> String {
    let mut text = String::new();
    if let Some(at) = answer.ended_at {
        text.push_str(&format!(
            "ended {}: the address answered that it is gone\n",
            clock.long(at)
        ));
    } else if let Some(at) = answer.next_at {
        let when = match at.millis_since(clock.now) {
            0 => "now".to_owned(),
            left => format!("in {}", duration(whole_seconds(left))),
        };
        let since = answer.failing_since.unwrap_or(at);
        text.push_str(&format!(
            "cannot be told for {}; tried again {when}\n",
            clock.since(since)
        ));
    }
    if answer.given_up > 0 {
        text.push_str(&format!(
            "{} events were given up, because they could not be told for too long\n",
            answer.given_up
        ));
    }
    if answer.deliveries.is_empty() {
        return text + "nothing was sent yet\n";
    }
    let mut table = Table::default();
    for delivery in &answer.deliveries {
        table.row([
            clock.long(delivery.at),
            status(delivery),
            format!("{} ms", delivery.took_ms),
            paint::strong(&clean(&delivery.id)),
            clean(&delivery.kind),
            clean(delivery.problem.as_deref().unwrap_or_default()),
        ]);
    }
    text.push_str(&table.to_lines(0).join("\n"));
    text.push('\n');
    text
}

fn status(delivery: &Delivery) -> String {
    let status = delivery.status;
    status.map_or_else(|| "-".to_owned(), |status| status.to_string())
}

/// Returns what came back of a notice that tells of nothing.
pub(crate) fn tested(tested: &Tested) -> String {
    let delivery = &tested.delivery;
    let mut text = match delivery.status {
        Some(status) => format!("answered with {status} after {} ms\n", delivery.took_ms),
        None => format!("not answered after {} ms\n", delivery.took_ms),
    };
    for line in tested.answer.iter().flat_map(|answer| answer.lines()) {
        text.push_str(&format!("  {}\n", clean(line)));
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use jiff::tz::TimeZone;
    use leadsman_api::Moment;

    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    fn clock() -> Clock {
        Clock {
            now: Moment(NOW),
            zone: TimeZone::UTC,
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn subscription(name: &str) -> Subscription {
        Subscription {
            name: name.to_owned(),
            host: "hooks.example.org".to_owned(),
            url: None,
            format: "leadsman".to_owned(),
            only: Vec::new(),
            about: None,
            private_address: false,
            plain_http: false,
            added_at: Moment(0),
            added_by: "mia".to_owned(),
            failing_since: None,
            ended_at: None,
        }
    }

    #[test]
    fn subscriptions_are_listed_with_where_of_what_and_how_it_goes() {
        let listed = Subscriptions {
            subscriptions: vec![
                Subscription {
                    format: "cdevents".to_owned(),
                    failing_since: Some(Moment(NOW - 7_200_000)),
                    ..subscription("archive")
                },
                Subscription {
                    url: Some("https://hooks.example.org/T0/x".to_owned()),
                    only: vec![
                        "deployment_promoted".to_owned(),
                        "rollback_started".to_owned(),
                    ],
                    about: Some("shop/production".to_owned()),
                    ..subscription("chat")
                },
                Subscription {
                    ended_at: Some(Moment(NOW)),
                    ..subscription("old\u{1b}[2J")
                },
            ],
        };
        expect![[r#"
            archive  hooks.example.org               cdevents  everything                                                cannot be told for 2h
            chat     https://hooks.example.org/T0/x  leadsman  deployment_promoted, rollback_started of shop/production
            old      hooks.example.org               leadsman  everything                                                ended 2026-09-21 14:13:20
        "#]].assert_eq(&plain(&list(&listed, &clock())));
    }

    #[test]
    fn deliveries_say_what_came_of_them_and_what_comes_next() {
        let delivery = |id: &str, status: Option<u16>, problem: Option<&str>| Delivery {
            id: id.to_owned(),
            kind: "deployment_paused".to_owned(),
            at: Moment(NOW - 60_000),
            took_ms: 12,
            status,
            problem: problem.map(str::to_owned),
        };
        let mut answer = Deliveries {
            name: "chat".to_owned(),
            position: 7,
            given_up: 3,
            failing_since: Some(Moment(NOW - 60_000)),
            next_at: Some(Moment(NOW + 150_000)),
            ended_at: None,
            deliveries: vec![
                delivery("shop/production/8", None, Some("no connection: refused")),
                delivery("shop/production/8", Some(500), Some("it answered with 500")),
                delivery("shop/production/7", Some(204), None),
            ],
        };
        expect![[r#"
            cannot be told for 1m; tried again in 2m30s
            3 events were given up, because they could not be told for too long
            2026-09-21 14:12:20  -    12 ms  shop/production/8  deployment_paused  no connection: refused
            2026-09-21 14:12:20  500  12 ms  shop/production/8  deployment_paused  it answered with 500
            2026-09-21 14:12:20  204  12 ms  shop/production/7  deployment_paused
        "#]].assert_eq(&plain(&deliveries(&answer, &clock())));
        (answer.next_at, answer.ended_at) = (None, Some(Moment(NOW)));
        (answer.given_up, answer.deliveries) = (0, Vec::new());
        expect![[r#"
            ended 2026-09-21 14:13:20: the address answered that it is gone
            nothing was sent yet
        "#]]
        .assert_eq(&plain(&deliveries(&answer, &clock())));
    }

    #[test]
    fn a_test_says_what_came_back() {
        let mut came = Tested {
            delivery: Delivery {
                id: "0-trials/chat/1".to_owned(),
                kind: "subscription_tested".to_owned(),
                at: Moment(NOW),
                took_ms: 12,
                status: Some(400),
                problem: Some("it answered with 400".to_owned()),
            },
            answer: Some("no\nsuch \u{1b}[2Jchannel".to_owned()),
        };
        expect![[r#"
            answered with 400 after 12 ms
              no
              such channel
        "#]]
        .assert_eq(&plain(&tested(&came)));
        (came.delivery.status, came.answer) = (None, None);
        expect![[r#"
            not answered after 12 ms
        "#]]
        .assert_eq(&plain(&tested(&came)));
    }
}
