//! Where everything is found: the same words for the client's requests and control's routes.

/// `GET`: [`System`](crate::System).
pub const SYSTEM: &str = "/v1/system";
/// `GET`: the description of the API, as OpenAPI 3.1.
pub const OPENAPI: &str = "/openapi.json";
/// `GET`: what the code of a [`Problem`](crate::Problem) means, as Markdown.
pub const ERROR: &str = "/errors/{code}";
/// `POST`: ends control, the data plane and every instance, in order. Answers
/// [`System`](crate::System) before it does.
pub const DOWN: &str = "/v1/system/down";
/// `GET` with [`StatusQuery`](crate::StatusQuery): [`Overview`](crate::Overview).
pub const STATUS: &str = "/v1/status";
/// `GET`: the same in the text format of Prometheus, at the path where that looks for it.
pub const METRICS: &str = "/metrics";
/// `POST` of a [`Shipment`](crate::Shipment): [`Shipped`](crate::Shipped).
pub const SHIP: &str = "/v1/ship";
/// `POST` of a [`Shipment`](crate::Shipment), whose artifacts may be missing:
/// [`Plan`](crate::Plan).
pub const PLAN: &str = "/v1/plan";
/// `HEAD`: status 200 or 404. `PUT` of the packed bytes: [`Artifact`](crate::Artifact).
pub const ARTIFACT: &str = "/v1/artifacts/{digest}";
/// `GET`: [`ReleaseStatus`](crate::ReleaseStatus).
pub const RELEASE: &str = "/v1/applications/{application}/releases/{release}";
/// `POST` of a report with [`ReportQuery`](crate::ReportQuery):
/// [`ReportAccepted`](crate::ReportAccepted).
pub const REPORTS: &str = "/v1/applications/{application}/releases/{release}/reports";
/// `GET`: [`EnvironmentStatus`](crate::EnvironmentStatus).
pub const ENVIRONMENT: &str = "/v1/environments/{application}/{environment}";
/// `GET`: [`Choices`](crate::Choices).
pub const CHOICES: &str = "/v1/environments/{application}/{environment}/choices";
/// `GET` with [`SeriesQuery`](crate::SeriesQuery): [`Series`](crate::Series).
pub const SERIES: &str = "/v1/environments/{application}/{environment}/series";
/// `POST` of a [`Command`](crate::Command): [`Accepted`](crate::Accepted).
pub const COMMANDS: &str = "/v1/environments/{application}/{environment}/commands";
/// `GET`: [`Why`](crate::Why).
pub const WHY: &str = "/v1/environments/{application}/{environment}/why";
/// `GET` with [`HistoryQuery`](crate::HistoryQuery): [`History`](crate::History).
pub const HISTORY: &str = "/v1/environments/{application}/{environment}/history";
/// `GET` with [`DiffQuery`](crate::DiffQuery): [`Diff`](crate::Diff).
pub const DIFF: &str = "/v1/environments/{application}/{environment}/diff";
/// `GET` with [`LogsQuery`](crate::LogsQuery): lines of [`LogLine`](crate::LogLine) as JSON.
pub const LOGS: &str = "/v1/environments/{application}/{environment}/logs";

/// `POST` of a [`Replay`](crate::Replay): lines of [`ReplayLine`](crate::ReplayLine) as JSON. An
/// answer that breaks off is not whole.
pub const REPLAY: &str = "/v1/environments/{application}/{environment}/replay";

/// `GET` with [`RunsQuery`](crate::RunsQuery): [`RunList`](crate::RunList). `POST` of a
/// [`RunRequest`](crate::RunRequest): [`RunAccepted`](crate::RunAccepted).
pub const RUNS: &str = "/v1/runs";
/// `GET` with [`RunQuery`](crate::RunQuery): [`RunStatus`](crate::RunStatus).
pub const RUN: &str = "/v1/runs/{application}/{number}";
/// `POST` of a [`RunCommand`](crate::RunCommand): [`RunAccepted`](crate::RunAccepted).
pub const RUN_COMMANDS: &str = "/v1/runs/{application}/{number}/commands";
/// `GET` with [`RunLogsQuery`](crate::RunLogsQuery): lines of [`RunLine`](crate::RunLine) as JSON.
pub const RUN_LOGS: &str = "/v1/runs/{application}/{number}/logs";
/// `GET`: [`People`](crate::People). `POST` of a [`PeopleCommand`](crate::PeopleCommand):
/// [`Changed`](crate::Changed).
pub const PEOPLE: &str = "/v1/people";
/// `GET`: [`Tokens`](crate::Tokens). `POST` of a [`NewToken`](crate::NewToken):
/// [`CreatedToken`](crate::CreatedToken).
pub const TOKENS: &str = "/v1/tokens";
/// `DELETE`: revokes the token; [`Changed`](crate::Changed).
pub const TOKEN: &str = "/v1/tokens/{number}";
/// `POST` of a [`BeginSignIn`](crate::BeginSignIn): [`BegunSignIn`](crate::BegunSignIn).
pub const SIGN_IN: &str = "/v1/sign-in";
/// `POST` of a [`FinishSignIn`](crate::FinishSignIn): [`CreatedToken`](crate::CreatedToken).
pub const SIGN_IN_END: &str = "/v1/sign-in/end";
/// `GET`: [`Webhooks`](crate::Webhooks). `POST` of a [`NewWebhook`](crate::NewWebhook):
/// [`CreatedWebhook`](crate::CreatedWebhook).
pub const WEBHOOKS: &str = "/v1/webhooks";
/// `DELETE`: removes the webhook; [`Changed`](crate::Changed).
pub const WEBHOOK: &str = "/v1/webhooks/{webhook}";
/// `POST` of what GitHub or GitLab tell, with their signature: [`Delivered`](crate::Delivered).
pub const DELIVERIES: &str = "/v1/webhooks/{webhook}/deliveries";
/// `GET` with [`SubscriptionsQuery`](crate::SubscriptionsQuery):
/// [`Subscriptions`](crate::Subscriptions). `POST` of a
/// [`NewSubscription`](crate::NewSubscription):
/// [`CreatedSubscription`](crate::CreatedSubscription).
pub const SUBSCRIPTIONS: &str = "/v1/subscriptions";
/// `DELETE`: removes the subscription; [`Changed`](crate::Changed).
pub const SUBSCRIPTION: &str = "/v1/subscriptions/{subscription}";
/// `POST`: makes another secret; [`CreatedSubscription`](crate::CreatedSubscription).
pub const SUBSCRIPTION_SECRET: &str = "/v1/subscriptions/{subscription}/secret";
/// `POST`: sends a notice that tells of nothing; [`Tested`](crate::Tested).
pub const SUBSCRIPTION_TEST: &str = "/v1/subscriptions/{subscription}/test";
/// `GET`: [`Deliveries`](crate::Deliveries).
pub const SUBSCRIPTION_DELIVERIES: &str = "/v1/subscriptions/{subscription}/deliveries";
/// `GET` with [`AuditQuery`](crate::AuditQuery): [`Audit`](crate::Audit).
pub const AUDIT: &str = "/v1/audit";

/// `GET` with [`EventsQuery`](crate::EventsQuery): [`LoggedEvent`](crate::LoggedEvent)s as
/// server-sent events, without an end.
pub const EVENTS: &str = "/v1/events";

/// Returns `template` with each `{name}` replaced, in order, by one of `values`. A value can hold
/// any text: it stays one segment of the path.
pub fn fill(template: &str, values: &[&str]) -> String {
    let mut path = String::with_capacity(template.len() + 32);
    let mut values = values.iter();
    for segment in template.split('/').skip(1) {
        path.push('/');
        match segment.starts_with('{').then(|| values.next()).flatten() {
            Some(value) => encode(value, &mut path),
            None => path.push_str(segment),
        }
    }
    path
}

/// Returns `path` with those of `pairs` that have a value as its query.
pub fn with_query(path: &str, pairs: &[(&str, Option<String>)]) -> String {
    let mut text = path.to_owned();
    let mut separator = '?';
    for (name, value) in pairs {
        if let Some(value) = value {
            text.push(separator);
            text.push_str(name);
            text.push('=');
            encode(value, &mut text);
            separator = '&';
        }
    }
    text
}

/// Appends `text` with everything percent-encoded that has a meaning of its own in a URL.
pub(crate) fn encode(text: &str, into: &mut String) {
    use std::fmt::Write as _;
    // A segment of only dots would be taken for "this folder" or "the one above".
    let only_dots = text.bytes().all(|byte| byte == b'.');
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b':' => {
                into.push(char::from(byte));
            }
            b'.' if !only_dots => into.push('.'),
            _ => write!(into, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
}

/// Returns the text that was percent-encoded as `text`; `None` if a `%` begins no byte in hexadecimal,
/// or what comes out is no UTF-8. Everything else stands for itself.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_one_segment_whatever_they_hold() {
        assert_eq!(
            fill(ENVIRONMENT, &["shop", "production"]),
            "/v1/environments/shop/production"
        );
        assert_eq!(
            fill(WHY, &["../x", ".."]),
            "/v1/environments/..%2Fx/%2E%2E/why"
        );
        assert_eq!(fill(ARTIFACT, &["sha256:ab"]), "/v1/artifacts/sha256:ab");
    }

    #[test]
    fn what_was_encoded_is_decoded_and_what_cannot_be_is_refused() {
        for text in ["", "a b", "..", "5 % of ä/\n"] {
            let mut encoded = String::new();
            encode(text, &mut encoded);
            assert_eq!(decode(&encoded).as_deref(), Some(text));
        }
        assert_eq!(decode("a b+%c3%A4").as_deref(), Some("a b+ä"));
        for bad in ["%", "%2", "%zz", "50 % more", "%ff"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_query_has_only_what_was_given() {
        let pairs = [
            ("a", None),
            ("b", Some("x&y=1 ä".to_owned())),
            ("c", Some("2".to_owned())),
        ];
        assert_eq!(with_query("/p", &pairs), "/p?b=x%26y%3D1%20%C3%A4&c=2");
        assert_eq!(with_query("/p", &[("a", None)]), "/p");
    }
}
