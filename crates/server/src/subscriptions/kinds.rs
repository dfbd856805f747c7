//! The kinds of events that subscriptions can be told of.

/// Those of environments.
const ENVIRONMENT: &[&str] = &[
    "deployment_queued",
    "deployment_started",
    "migration_started",
    "migration_ended",
    "old_watched",
    "rollout_started",
    "baseline_given_up",
    "weight_shifted",
    "soak_started",
    "verdict_reached",
    "step_passed",
    "steps_skipped",
    "service_promoted",
    "deployment_promoted",
    "deployment_paused",
    "deployment_resumed",
    "rollback_started",
    "service_returned",
    "deployment_frozen",
    "deployment_ended",
    "services_closed",
    "services_opened",
    "entry_requested",
    "entry_approved",
    "entry_judged",
    "approvals_revoked",
    "entry_rejected",
    "entry_expired",
    "entry_overtaken",
    "entry_admitted",
    "item_answered",
    "item_missed",
    "freeze_begun",
    "freeze_excepted",
    "freeze_ended",
];

/// Those of applications.
const APPLICATION: &[&str] = &["release_created", "report_received"];

/// Those of runs.
const RUN: &[&str] = &[
    "run_started",
    "job_reused",
    "job_started",
    "job_ended",
    "job_skipped",
    "run_cancelled",
    "run_ended",
    "run_released",
    "run_not_released",
    "budget_exceeded",
    "run_resumed",
];

/// Those that have a word among CDEvents.
const CDEVENTS: &[&str] = &[
    "service_promoted",
    "service_returned",
    "release_created",
    "run_started",
    "run_resumed",
    "run_ended",
    "job_started",
    "job_ended",
];

/// Whether there are events of this kind that subscriptions are told of.
pub(crate) fn is_kind(text: &str) -> bool {
    [ENVIRONMENT, APPLICATION, RUN].concat().contains(&text)
}

/// Whether events of this kind have a word among CDEvents.
pub(crate) fn has_cdevent(kind: &str) -> bool {
    CDEVENTS.contains(&kind)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// A kind of event, and an example of it as JSON.
    pub(in super::super) type Stored = (String, String);

    /// Returns one example and more of every kind of event that was ever stored: those of
    /// environments and applications, and those of runs.
    pub(in super::super) fn stored() -> (Vec<Stored>, Vec<Stored>) {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures");
        let lines = |path: &Path| {
            let text = std::fs::read_to_string(path).expect("the domain's examples are there");
            let lines = text.lines().map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
                (
                    value["event"].as_str().expect("it has a kind").to_owned(),
                    line.to_owned(),
                )
            });
            lines.collect::<Vec<_>>()
        };
        let folder = std::fs::read_dir(fixtures.join("events")).expect("it is a folder");
        let mut files: Vec<_> = folder.map(|it| it.expect("it is a file").path()).collect();
        files.sort();
        let events = files.iter().flat_map(|file| lines(file)).collect();
        (events, lines(&fixtures.join("runs.jsonl")))
    }

    #[test]
    fn every_kind_that_is_stored_can_be_told_and_no_other() {
        let (events, runs) = stored();
        let stored: BTreeSet<&str> = events
            .iter()
            .chain(&runs)
            .map(|(kind, _)| &**kind)
            .collect();
        let known = [ENVIRONMENT, APPLICATION, RUN].concat();
        assert_eq!(known.len(), stored.len(), "each is known once");
        assert_eq!(known.into_iter().collect::<BTreeSet<_>>(), stored);
        for kind in &stored {
            assert!(is_kind(kind), "{kind}");
        }
        for no in ["", "denied", "person_added", "Weight_shifted", "weight"] {
            assert!(!is_kind(no), "{no}");
        }
    }
}
