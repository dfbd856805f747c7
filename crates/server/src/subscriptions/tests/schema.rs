//! What the specifications ask of an event, written down once more and on its own.
//!
//! CDEvents 0.4.1 allow no field that they do not name: `additionalProperties` is false for
//! `context`, `subject` and each `content`.

use std::collections::BTreeSet;

use serde_json::Value;

/// The subject, the fields that its content must have, and those that it may.
type Rule = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// The types that are sent.
const RULES: &[(&str, Rule)] = &[
    (
        "dev.cdevents.service.deployed.0.2.0",
        ("service", &["environment", "artifactId"], &[]),
    ),
    (
        "dev.cdevents.service.upgraded.0.2.0",
        ("service", &["environment", "artifactId"], &[]),
    ),
    (
        "dev.cdevents.service.rolledback.0.2.0",
        ("service", &["environment", "artifactId"], &[]),
    ),
    (
        "dev.cdevents.service.removed.0.2.0",
        ("service", &["environment"], &[]),
    ),
    (
        "dev.cdevents.artifact.published.0.2.0",
        ("artifact", &[], &["sbom", "user"]),
    ),
    (
        "dev.cdevents.pipelinerun.started.0.2.0",
        ("pipelineRun", &[], &["pipelineName", "url"]),
    ),
    (
        "dev.cdevents.pipelinerun.finished.0.2.0",
        (
            "pipelineRun",
            &[],
            &["pipelineName", "url", "outcome", "errors"],
        ),
    ),
    (
        "dev.cdevents.taskrun.started.0.2.0",
        ("taskRun", &[], &["taskName", "url", "pipelineRun"]),
    ),
    (
        "dev.cdevents.taskrun.finished.0.2.0",
        (
            "taskRun",
            &[],
            &["taskName", "url", "pipelineRun", "outcome", "errors"],
        ),
    ),
];

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    let found = value[name].as_str().unwrap_or_default();
    assert!(!found.is_empty(), "`{name}` of {value}");
    found
}

fn fields(value: &Value) -> BTreeSet<&str> {
    let object = value.as_object().expect("it is an object");
    object.keys().map(String::as_str).collect()
}

/// Checks what CloudEvents 1.0.2 ask of an event in structured mode.
pub(super) fn check_cloud_event(event: &Value) {
    assert_eq!(text(event, "specversion"), "1.0");
    assert_eq!(text(event, "datacontenttype"), "application/json");
    for name in ["id", "source", "type", "subject"] {
        text(event, name);
    }
    assert!(text(event, "source").starts_with("urn:leadsman:"));
    let time = text(event, "time");
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z");
    // Names of attributes are lower-case letters and digits.
    for name in fields(event) {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
    }
    assert!(event["data"].is_object());
    // A full stop would move the border between name and moment where they are signed.
    assert!(!text(event, "id").contains('.'), "{event}");
}

/// Checks what CDEvents 0.4.1 ask of an event, and their binding to CloudEvents. Returns its type.
pub(super) fn check_cdevent(event: &Value) -> String {
    check_cloud_event(event);
    let (context, subject) = (&event["data"]["context"], &event["data"]["subject"]);
    let all = ["context", "customData", "customDataContentType", "subject"];
    assert_eq!(fields(&event["data"]), BTreeSet::from(all));
    assert!(event["data"]["customData"].is_object());
    assert_eq!(event["data"]["customDataContentType"], "application/json");
    assert_eq!(
        fields(context),
        BTreeSet::from(["version", "id", "source", "type", "timestamp"])
    );
    assert_eq!(text(context, "version"), "0.4.1");
    for (outer, inner) in [
        ("id", "id"),
        ("source", "source"),
        ("type", "type"),
        ("time", "timestamp"),
    ] {
        assert_eq!(text(event, outer), text(context, inner), "{outer}");
    }
    assert_eq!(text(event, "subject"), text(subject, "id"));
    assert_eq!(fields(subject), BTreeSet::from(["id", "type", "content"]));
    let kind = text(context, "type");
    let rule = RULES.iter().find(|(known, _)| *known == kind);
    let (_, (subject_type, must, may)) = rule.unwrap_or_else(|| panic!("{kind} is not known"));
    assert_eq!(text(subject, "type"), *subject_type);
    let content = &subject["content"];
    let there = fields(content);
    for name in *must {
        assert!(there.contains(name), "{kind} has no `{name}`: {content}");
    }
    for name in &there {
        assert!(
            must.contains(name) || may.contains(name),
            "{kind} has `{name}`"
        );
    }
    for (name, value) in content.as_object().expect("it is an object") {
        match name.as_str() {
            "environment" | "pipelineRun" => {
                assert_eq!(fields(value), BTreeSet::from(["id"]), "{name}");
                text(value, "id");
            }
            "outcome" => assert!(
                matches!(value.as_str(), Some("success" | "failure" | "error")),
                "{value}"
            ),
            "artifactId" => check_purl(value.as_str().unwrap_or_default()),
            _ => drop(text(content, name)),
        }
    }
    if *subject_type == "artifact" {
        check_purl(text(subject, "id"));
    }
    kind.to_owned()
}

/// Checks that a text is a package URL of the type `generic`.
fn check_purl(purl: &str) {
    let rest = purl.strip_prefix("pkg:generic/");
    let (path, version) = rest.and_then(|rest| rest.split_once('@')).expect(purl);
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    assert!(
        path.split('/').count() == 2 && path.split('/').all(plain),
        "{purl}"
    );
    let version = version.strip_prefix("sha256%3A").unwrap_or(version);
    assert!(plain(version), "{purl}");
}
