//! Why an environment is as it is.

use leadsman_api::{Deployment, Outcome, Phase, ServiceStatus, Verdict, Why};

use super::words::{Clock, clean, count, origin, outcome, percent, wrapped};
use super::{history, paint, status};

/// Returns why an environment is as it is: first one sentence, then what it rests on.
pub(crate) fn text(why: &Why, clock: &Clock) -> String {
    let name = format!("{}/{}: ", why.status.application, why.status.environment);
    let sentence = match &why.status.deployment {
        Some(deployment) => sentence(why, deployment, clock),
        None if why.status.reasons.is_empty() => "nothing has been shipped yet".to_owned(),
        None => "nothing serves yet".to_owned(),
    };
    let mut text = wrapped("", &format!("{}{sentence}", paint::strong(&name)));
    if why.status.reasons.len() > 1 {
        text.push_str("\nwaits for\n");
    }
    // A single reason is in the sentence; who can move it is said all the same.
    for reason in &why.status.reasons {
        let first = if why.status.reasons.len() > 1 {
            "  - "
        } else {
            "  "
        };
        text.push_str(&wrapped(first, &status::reason(reason, clock)));
    }
    let verdicts: Vec<_> = why
        .status
        .services
        .iter()
        .filter_map(|service| Some((service, service.rollout.as_ref()?.verdict.as_ref()?)))
        .collect();
    if !verdicts.is_empty() {
        text.push_str("\nthe judge\n");
    }
    for (service, verdict) in verdicts {
        text.push_str(&judged(service, verdict));
    }
    if !why.events.is_empty() {
        text.push_str("\nso far\n");
    }
    for event in &why.events {
        let at = format!("  {}  ", clock.short(event.at));
        text.push_str(&wrapped(&at, &history::happened(event)));
        text.push_str(&history::output(event));
    }
    text
}

/// Says in one sentence how the newest deployment stands, and why.
fn sentence(why: &Why, deployment: &Deployment, clock: &Clock) -> String {
    let release = deployment.release;
    let since = clock.short(deployment.since);
    let cause = match &deployment.cause {
        Some(cause) => format!(": {}", clean(cause)),
        None => String::new(),
    };
    let by = format!(
        "{} by {} at {}",
        origin(deployment.origin),
        clean(&deployment.actor),
        clock.short(deployment.started_at)
    );
    match deployment.phase {
        Phase::Moving => match why.status.reasons.as_slice() {
            [] => format!("release {release} is on its way, {by}"),
            [_] => format!("release {release}, {by}, is on its way and waits:"),
            several => format!(
                "release {release}, {by}, is on its way and waits for {}",
                count(several.len() as u64, "thing")
            ),
        },
        Phase::Paused => format!("release {release}, {by}, is paused since {since}"),
        Phase::Returning => format!("release {release} goes back since {since}{cause}"),
        Phase::Frozen => format!("release {release} is frozen since {since}{cause}"),
        Phase::Settling => format!("release {release}, {by}, has all traffic since {since}"),
        Phase::Settled => {
            format!("release {release}, {by}, serves since {since}, and nothing is on its way")
        }
        Phase::RolledBack => format!("release {release} went back at {since}{cause}"),
        Phase::Superseded => format!("release {release} was superseded at {since}"),
        Phase::Abandoned => format!("release {release} was given up at {since}{cause}"),
    }
}

fn judged(service: &ServiceStatus, verdict: &Verdict) -> String {
    let mut text = wrapped(
        "  ",
        &format!(
            "{}: {} after {}: {}",
            service.name,
            painted(verdict.outcome),
            count(verdict.requests, "request"),
            clean(&verdict.sentence)
        ),
    );
    if let Some(baseline) = service.baseline.as_ref().filter(|b| b.weight_percent > 0.0) {
        let share = percent(baseline.weight_percent);
        let beside = format!("compared with a fresh baseline, which gets {share}");
        text.push_str(&wrapped("    ", &beside));
    }
    for finding in &verdict.findings {
        let finding = format!("{}: {}", clean(&finding.sentence), painted(finding.outcome));
        text.push_str(&wrapped("    ", &finding));
    }
    text
}

fn painted(judged: Outcome) -> String {
    let text = outcome(judged);
    match judged {
        Outcome::Pass => paint::good(text),
        Outcome::Fail => paint::bad(text),
        Outcome::Inconclusive | Outcome::NoData | Outcome::SourceError => paint::care(text),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use leadsman_api::{EnvironmentStatus, Event};

    use super::super::samples::{ago, clock, plain, rolled_back, serving, soaking};
    use super::*;

    fn event(seconds_ago: u64, actor: &str, sentence: &str) -> Event {
        Event {
            position: 40,
            at: ago(seconds_ago),
            actor: actor.to_owned(),
            kind: "weight_shifted".to_owned(),
            deployment: Some(4),
            sentence: sentence.to_owned(),
            output: Vec::new(),
        }
    }

    fn check(status: EnvironmentStatus, events: Vec<Event>, expected: &Expect) {
        let text = plain(&text(&Why { status, events }, &clock()));
        let wide = text.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "every line fits 80 columns");
        expected.assert_eq(&text);
    }

    #[test]
    fn what_waits_says_for_what_since_when_and_who_can_move_it() {
        let events = vec![
            event(780, "mia", "release 4 is on its way"),
            event(260, "leadsman", "the weight of `web` is 25 %"),
        ];
        check(
            soaking(),
            events,
            &expect![[r#"
                shop/production: release 4, shipped by mia at 14:00, is on its way and waits:
                  step 2 of 4 of `web` holds 25 % for 5 min 48 s more (since 14:09; by hand:
                  `leadsman promote`, `leadsman abort`)

                the judge
                  web: inconclusive after 412 requests: errors 0.2 % of 412 requests, too few to
                  be sure
                    errors 0.2 % (limit 5 %): inconclusive
                    p95 81 ms (limit 1 s): pass

                so far
                  14:00  release 4 is on its way (mia)
                  14:09  the weight of `web` is 25 %
            "#]],
        );
    }

    #[test]
    fn what_is_compared_with_a_fresh_baseline_says_so() {
        let mut status = soaking();
        status.services[1].baseline = Some(super::super::samples::side(3, 25.0, 1));
        check(
            status,
            Vec::new(),
            &expect![[r#"
            shop/production: release 4, shipped by mia at 14:00, is on its way and waits:
              step 2 of 4 of `web` holds 25 % for 5 min 48 s more (since 14:09; by hand:
              `leadsman promote`, `leadsman abort`)

            the judge
              web: inconclusive after 412 requests: errors 0.2 % of 412 requests, too few to
              be sure
                compared with a fresh baseline, which gets 25 %
                errors 0.2 % (limit 5 %): inconclusive
                p95 81 ms (limit 1 s): pass
        "#]],
        );
    }

    #[test]
    fn what_went_back_says_why() {
        let events = vec![event(95, "leadsman", "release 4 went back")];
        check(
            rolled_back(),
            events,
            &expect![[r#"
                shop/production: release 4 went back at 14:11: `web` at 5 %: errors 5.1 % of
                2140 requests (limit 5 %)

                so far
                  14:11  release 4 went back
            "#]],
        );
    }

    #[test]
    fn a_command_that_failed_is_quoted() {
        let mut failed = event(
            95,
            "leadsman",
            "the migration failed after 2 s: exit code 3",
        );
        failed.output = vec![
            "ALTER TABLE".to_owned(),
            "ERROR:  column \"email\" contains \u{1b}[31mnull values".to_owned(),
        ];
        check(
            rolled_back(),
            vec![failed],
            &expect![[r#"
            shop/production: release 4 went back at 14:11: `web` at 5 %: errors 5.1 % of
            2140 requests (limit 5 %)

            so far
              14:11  the migration failed after 2 s: exit code 3
                     | ALTER TABLE
                     | ERROR:  column "email" contains null values
        "#]],
        );
    }

    #[test]
    fn what_waits_for_several_things_lists_them() {
        let mut status = soaking();
        status.services[1].rollout = None;
        let mut second = status.reasons[0].clone();
        second.sentence = "`api` waits for `web` to be promoted".to_owned();
        second.who = leadsman_api::Who::Leadsman;
        status.reasons.push(second);
        check(
            status,
            Vec::new(),
            &expect![[r#"
            shop/production: release 4, shipped by mia at 14:00, is on its way and waits for
            2 things

            waits for
              - step 2 of 4 of `web` holds 25 % for 5 min 48 s more (since 14:09; by hand:
                `leadsman promote`, `leadsman abort`)
              - `api` waits for `web` to be promoted (since 14:09)
        "#]],
        );
    }

    #[test]
    fn what_is_done_and_what_never_was_are_told_apart() {
        check(
            serving(),
            Vec::new(),
            &expect![[r#"
            shop/production: release 3, shipped by mia at 14:00, serves since 14:00, and
            nothing is on its way
        "#]],
        );
        let mut status = serving();
        status.deployment = None;
        check(
            status,
            Vec::new(),
            &expect![[r#"
            shop/production: nothing has been shipped yet
        "#]],
        );
    }

    #[test]
    fn what_was_shipped_and_waits_to_enter_is_said_though_nothing_serves() {
        let mut status = serving();
        status.deployment = None;
        status.reasons = vec![leadsman_api::Reason {
            kind: "entry".to_owned(),
            service: None,
            sentence: "release 1 waits to enter: 0 of 1 approvals".to_owned(),
            since: ago(60),
            until: None,
            who: leadsman_api::Who::Person,
            commands: vec!["leadsman approve".to_owned()],
        }];
        check(
            status,
            Vec::new(),
            &expect![[r#"
            shop/production: nothing serves yet
              release 1 waits to enter: 0 of 1 approvals (since 14:12; moves only by
              `leadsman approve`)
        "#]],
        );
    }
}
