//! How everything stands.

use leadsman_api::{
    Closed, Closing, Deployment, EnvironmentStatus, Instance, InstanceState, Overview, Phase,
    Reason, Rollout, RolloutStage, Schema, ServiceStatus, Side, Who,
};

use super::checklist;
use super::paint;
use super::requests;
use super::table::Table;
use super::words::{
    Clock, PAGE, bar, clean, duration, latency, percent, rate, ratio, whole_seconds, width, wrapped,
};

/// How wide the bar of a soak is.
const BAR: u64 = 12;

/// How many certificates are listed that are as they should be.
const CERTIFICATES: usize = 5;

/// Returns how everything stands.
pub(crate) fn text(overview: &Overview, clock: &Clock) -> String {
    if overview.environments.is_empty() {
        return "nothing has been shipped yet\n".to_owned();
    }
    let texts: Vec<_> = overview
        .environments
        .iter()
        .map(|status| environment(status, clock))
        .collect();
    texts.join("\n")
}

/// Returns how one environment stands.
pub(crate) fn environment(status: &EnvironmentStatus, clock: &Clock) -> String {
    let name = format!("{}/{}", status.application, status.environment);
    let url = status
        .url
        .as_deref()
        .map(|url| format!("  {}", clean(url)))
        .unwrap_or_default();
    let headline = headline(status);
    let mut text = format!("{}{url}", paint::strong(&name));
    // What does not fit beside the address stands below it.
    let gap = if width(&text) + 2 + width(&headline) > PAGE {
        "\n  "
    } else {
        "  "
    };
    text.push_str(&format!("{gap}{headline}\n"));
    if let Some(problem) = &status.url_problem {
        text.push_str(&wrapped(
            "  ! ",
            &format!("no requests are accepted: {}", clean(problem)),
        ));
    }
    text.push_str(&status.schema.map(schema).unwrap_or_default());
    text.push_str(&requests::freezes(status, clock));
    text.push_str(&checklist::missed(status, clock));
    text.push_str(&services(status, clock));
    text.push_str(&certificates(status, clock));
    for reason in &status.reasons {
        text.push_str(&wrapped("  - ", &self::reason(reason, clock)));
    }
    if let Some(last) = status
        .deployment
        .as_ref()
        .and_then(|last| aftermath(last, clock))
    {
        text.push_str(&wrapped("  ! ", &last));
    }
    text
}

/// Says which schema the database is at.
fn schema(schema: Schema) -> String {
    let Schema {
        at,
        towards,
        release,
    } = schema;
    match towards {
        None => format!("  schema {at}\n"),
        Some(to) => wrapped(
            "  ! ",
            &format!(
                "schema {at} or {to}: the migration of release {release} has not ended well so far"
            ),
        ),
    }
}

/// Says in a few words which release serves and which is on its way.
fn headline(status: &EnvironmentStatus) -> String {
    let mut parts = Vec::new();
    match status.serves {
        Some(release) => parts.push(paint::good(&format!("release {release} serves"))),
        None => parts.push("nothing serves yet".to_owned()),
    }
    if let Some(deployment) = &status.deployment {
        let release = deployment.release;
        let part = match deployment.phase {
            Phase::Moving => Some(format!("release {release} on its way")),
            Phase::Paused => Some(paint::care(&format!("release {release} paused"))),
            Phase::Returning => Some(paint::care(&format!("release {release} goes back"))),
            Phase::Frozen => Some(paint::bad(&format!("release {release} frozen"))),
            Phase::Settling
            | Phase::Settled
            | Phase::RolledBack
            | Phase::Superseded
            | Phase::Abandoned => None,
        };
        parts.extend(part);
    }
    if let Some(queued) = &status.queued {
        parts.push(format!("release {} waits for its turn", queued.release));
    }
    parts.join(", ")
}

/// Says how the newest deployment ended, where a person should know.
pub(crate) fn aftermath(deployment: &Deployment, clock: &Clock) -> Option<String> {
    let release = deployment.release;
    let what = match deployment.phase {
        Phase::RolledBack => format!("release {release} went back"),
        Phase::Abandoned => format!("release {release} was given up"),
        Phase::Moving
        | Phase::Paused
        | Phase::Returning
        | Phase::Frozen
        | Phase::Settling
        | Phase::Settled
        | Phase::Superseded => return None,
    };
    let cause = deployment
        .cause
        .as_deref()
        .map(|cause| format!(": {}", clean(cause)));
    Some(format!(
        "{what} at {}{}",
        clock.short(deployment.since),
        cause.unwrap_or_default()
    ))
}

/// Returns a reason with since when and who can move it.
pub(crate) fn reason(reason: &Reason, clock: &Clock) -> String {
    let since = clock.short(reason.since);
    let sentence = clean(&reason.sentence);
    let commands: Vec<_> = reason
        .commands
        .iter()
        .map(|command| format!("`{}`", clean(command)))
        .collect();
    let commands = commands.join(", ");
    match reason.who {
        Who::Leadsman => format!("{sentence} (since {since})"),
        Who::Either if commands.is_empty() => format!("{sentence} (since {since})"),
        Who::Either => format!("{sentence} (since {since}; by hand: {commands})"),
        Who::Person => format!("{sentence} (since {since}; moves only by {commands})"),
    }
}

/// Returns the lines of all services, their columns aligned.
fn services(status: &EnvironmentStatus, clock: &Clock) -> String {
    let mut table = Table::default();
    for service in &status.services {
        let mut name = service.name.clone();
        for (role, side) in sides(service) {
            table.row([
                std::mem::take(&mut name),
                role.to_owned(),
                format!("release {}", side.release),
                percent(side.weight_percent),
                readiness(side),
                traffic(side),
            ]);
        }
        if name.is_empty() {
            continue;
        }
        table.row([
            name,
            String::new(),
            "nothing runs".to_owned(),
            String::new(),
            String::new(),
            String::new(),
        ]);
    }
    let mut lines = table.to_lines(2).into_iter();
    let mut text = String::new();
    for service in &status.services {
        for line in lines.by_ref().take(sides(service).count().max(1)) {
            text.push_str(&line);
            text.push('\n');
        }
        if let Some(closing) = &service.closed {
            text.push_str(&wrapped("    ! ", &closed(closing, clock)));
        }
        // Of a promoted service, what runs says all.
        let moves = |rollout: &&Rollout| rollout.stage != RolloutStage::Promoted;
        if let Some(rollout) = service.rollout.as_ref().filter(moves) {
            text.push_str(&format!("    {}\n", progress(rollout)));
        }
        for (role, cut_off) in
            sides(service).filter_map(|(role, side)| Some((role, side.cut_off.as_ref()?)))
        {
            text.push_str(&wrapped("    ! ", &format!("{role}: {}", clean(cut_off))));
        }
        for (instance, trouble) in sides(service).flat_map(|(_, side)| troubles(side)) {
            let trouble = format!("{} {trouble}", clean(&instance.id));
            text.push_str(&wrapped("    ! ", &trouble));
        }
    }
    text
}

/// Says until when certificates are valid, the first to expire first, and what is wrong with any.
fn certificates(status: &EnvironmentStatus, clock: &Clock) -> String {
    let mut text = String::new();
    let mut fine = Vec::new();
    for certificate in &status.certificates {
        let hosts: Vec<String> = certificate.hosts.iter().map(|host| clean(host)).collect();
        let hosts = hosts.join(", ");
        match (&certificate.problem, certificate.expires_at) {
            (Some(problem), _) => {
                let whose = match &*hosts {
                    "" => String::new(),
                    hosts => format!("{hosts}: "),
                };
                text.push_str(&wrapped("  ! ", &format!("{whose}{}", clean(problem))));
            }
            (None, Some(at)) => fine.push((at, hosts)),
            (None, None) => {}
        }
    }
    fine.sort_unstable();
    let more = fine.len().saturating_sub(CERTIFICATES);
    for (at, hosts) in fine.into_iter().take(CERTIFICATES) {
        let line = format!("certificate of {hosts} until {}", clock.date(at));
        text.push_str(&wrapped("  ", &line));
    }
    if more > 0 {
        text.push_str(&format!("  and {more} more, which expire later\n"));
    }
    text
}

/// Says that a service is closed, and how it is opened.
pub(crate) fn closed(closing: &Closing, clock: &Clock) -> String {
    let (what, command) = match closing.how {
        Closed::Held => ("its requests are held", "hold"),
        Closed::Maintenance => ("in maintenance", "maintenance"),
    };
    let (since, by) = (clock.short(closing.since), clean(&closing.actor));
    format!("{what} since {since}, by {by}; `leadsman {command} off` lets users in again")
}

/// Returns what runs of a service, what comes in first.
pub(crate) fn sides(service: &ServiceStatus) -> impl Iterator<Item = (&'static str, &Side)> {
    let stable = if service.canary.is_some() {
        "stable"
    } else {
        ""
    };
    [
        ("canary", &service.canary),
        ("baseline", &service.baseline),
        (stable, &service.stable),
        ("warm", &service.warm),
    ]
    .into_iter()
    .filter_map(|(role, side)| side.as_ref().map(|side| (role, side)))
}

/// Says how far the rollout of a service is, in one line.
pub(crate) fn progress(rollout: &Rollout) -> String {
    let Rollout {
        step,
        steps,
        weight_percent,
        soaked_ms,
        ..
    } = rollout;
    let at = format!("step {step} of {steps}");
    match rollout.stage {
        RolloutStage::Waiting => "waits for its turn".to_owned(),
        RolloutStage::Preparing => {
            format!(
                "{at}, instances for {} become ready",
                percent(*weight_percent)
            )
        }
        RolloutStage::Shifting => format!("{at}, weight moves to {}", percent(*weight_percent)),
        RolloutStage::Soaking => match rollout.soak_ms {
            // The time is over, and the judge is not sure.
            Some(soak) if *soaked_ms >= soak => {
                let soaked = duration(whole_seconds(*soaked_ms));
                format!("{at}  {}  held for {soaked}", bar(1, 1, BAR))
            }
            Some(soak) => format!(
                "{at}  {}  {} of {}",
                bar(*soaked_ms, soak, BAR),
                duration(whole_seconds(*soaked_ms)),
                duration(soak)
            ),
            None => at,
        },
        RolloutStage::Promoted => "promoted".to_owned(),
        RolloutStage::Returning => paint::care("traffic goes back"),
        RolloutStage::Returned => paint::care("traffic is back"),
    }
}

fn readiness(side: &Side) -> String {
    let ready = side.ready();
    let text = format!("{ready}/{} ready", side.wanted);
    if ready < usize::from(side.wanted) {
        paint::care(&text)
    } else {
        text
    }
}

fn traffic(side: &Side) -> String {
    let Some(figures) = &side.figures else {
        return String::new();
    };
    let mut text = rate(figures.requests_per_second);
    if let Some(errors) = figures.error_ratio {
        text.push_str(&format!("  errors {}", ratio(errors)));
    }
    if let Some(p95) = figures.p95_ms {
        text.push_str(&format!("  p95 {}", latency(p95)));
    }
    text
}

/// Says of each instance that is not as it should be what stands in its way.
pub(crate) fn troubles(side: &Side) -> impl Iterator<Item = (&Instance, String)> {
    side.instances
        .iter()
        .filter(|instance| {
            !instance.ready || instance.restarts > 0 || instance.unhealthy || instance.ejected > 0
        })
        .filter_map(|instance| {
            let mut parts = Vec::new();
            match instance.state {
                InstanceState::Starting => parts.push("starting".to_owned()),
                InstanceState::Running if instance.ready => {}
                InstanceState::Running => parts.push("not ready".to_owned()),
                InstanceState::Restarting => parts.push("restarting".to_owned()),
                InstanceState::Broken => parts.push("cannot start".to_owned()),
                // They leave in order, and nothing stands in their way.
                InstanceState::Draining | InstanceState::Stopping => return None,
            }
            match instance.restarts {
                0 => {}
                1 => parts.push("restarted once".to_owned()),
                times => parts.push(format!("restarted {times} times")),
            }
            if instance.unhealthy {
                parts.push("does not answer the data plane".to_owned());
            }
            if instance.ejected > 0 {
                parts.push("left out, because its answers failed".to_owned());
            }
            let detail = instance
                .detail
                .as_deref()
                .map(|detail| format!(": {}", clean(detail)));
            let detail = detail.unwrap_or_default();
            Some((instance, format!("{}{detail}", parts.join(", "))))
        })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use leadsman_api::{Certificate, Moment, Queued};

    use super::super::samples::{clock, plain, rolled_back, serving, side, soaking};
    use super::*;

    fn check(status: &EnvironmentStatus, expected: &Expect) {
        let text = plain(&environment(status, &clock()));
        let wide = text.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "every line fits 80 columns");
        expected.assert_eq(&text);
    }

    #[test]
    fn the_schema_is_told_and_whether_it_is_certain() {
        let mut status = serving();
        let mut with = |at, towards| {
            status.schema = Some(Schema {
                at,
                towards,
                release: 4,
            });
            let text = plain(&environment(&status, &clock()));
            text.lines().nth(1).unwrap_or_default().to_owned()
        };
        assert_eq!(with(12, None), "  schema 12");
        assert_eq!(
            with(11, Some(12)),
            "  ! schema 11 or 12: the migration of release 4 has not ended well so far"
        );
    }

    #[test]
    fn an_environment_at_rest_takes_a_line_for_each_service() {
        check(
            &serving(),
            &expect![[r#"
            shop/production  http://127.0.0.1:8080  release 3 serves
              api  release 3  100 %  2/2 ready  48.0/s  errors 0.1 %  p95 79 ms
              web  release 3  100 %  4/4 ready  48.0/s  errors 0.1 %  p95 79 ms
        "#]],
        );
    }

    #[test]
    fn a_soak_shows_both_sides_its_bar_and_what_it_waits_for() {
        check(
            &soaking(),
            &expect![[r#"
            shop/production  http://127.0.0.1:8080  release 3 serves, release 4 on its way
              api          release 3  100 %  2/2 ready  48.0/s  errors 0.1 %  p95 79 ms
              web  canary  release 4  25 %   1/1 ready  12.0/s  errors 0.1 %  p95 81 ms
                   stable  release 3  75 %   4/4 ready  36.0/s  errors 0.1 %  p95 79 ms
                step 2 of 4  █████░░░░░░░  4m12s of 10m
              - step 2 of 4 of `web` holds 25 % for 5 min 48 s more (since 14:09; by hand:
                `leadsman promote`, `leadsman abort`)
        "#]],
        );
    }

    #[test]
    fn a_fresh_baseline_stands_between_the_canary_and_stable() {
        let mut status = soaking();
        status.services.remove(0);
        status.services[0].stable = Some(side(3, 50.0, 4));
        status.services[0].baseline = Some(side(3, 25.0, 1));
        check(
            &status,
            &expect![[r#"
            shop/production  http://127.0.0.1:8080  release 3 serves, release 4 on its way
              web  canary    release 4  25 %  1/1 ready  12.0/s  errors 0.1 %  p95 81 ms
                   baseline  release 3  25 %  1/1 ready  12.0/s  errors 0.1 %  p95 79 ms
                   stable    release 3  50 %  4/4 ready  24.0/s  errors 0.1 %  p95 79 ms
                step 2 of 4  █████░░░░░░░  4m12s of 10m
              - step 2 of 4 of `web` holds 25 % for 5 min 48 s more (since 14:09; by hand:
                `leadsman promote`, `leadsman abort`)
        "#]],
        );
    }

    #[test]
    fn a_soak_that_is_over_says_how_long_it_has_been_held() {
        let mut rollout = soaking().services[1].rollout.clone().unwrap();
        rollout.soaked_ms = 629_000;
        assert_eq!(
            progress(&rollout),
            "step 2 of 4  ████████████  held for 10m29s"
        );
    }

    #[test]
    fn a_release_that_went_back_is_told_with_its_cause() {
        check(
            &rolled_back(),
            &expect![[r#"
            shop/production  http://127.0.0.1:8080  release 3 serves
              api  release 3  100 %  2/2 ready  48.0/s  errors 0.1 %  p95 79 ms
              web  release 3  100 %  4/4 ready  48.0/s  errors 0.1 %  p95 79 ms
              ! release 4 went back at 14:11: `web` at 5 %: errors 5.1 % of 2140 requests
                (limit 5 %)
        "#]],
        );
    }

    #[test]
    fn instances_in_trouble_say_what_stands_in_their_way() {
        let mut status = soaking();
        status.reasons.clear();
        let rollout = status.services[1].rollout.as_mut().unwrap();
        rollout.stage = RolloutStage::Preparing;
        let canary = status.services[1].canary.as_mut().unwrap();
        canary.weight_percent = 5.0;
        canary.figures = None;
        canary.instances[0].ready = false;
        canary.instances[0].state = InstanceState::Restarting;
        canary.instances[0].restarts = 3;
        canary.instances[0].detail = Some(
            "ended with status 1, \x1b[31mthe last line of its output was `no such table`"
                .to_owned(),
        );
        check(
            &status,
            &expect![[r#"
            shop/production  http://127.0.0.1:8080  release 3 serves, release 4 on its way
              api          release 3  100 %  2/2 ready  48.0/s  errors 0.1 %  p95 79 ms
              web  canary  release 4  5 %    0/1 ready
                   stable  release 3  75 %   4/4 ready  36.0/s  errors 0.1 %  p95 79 ms
                step 2 of 4, instances for 25 % become ready
                ! shop.production.web.r4.d4.1 restarting, restarted 3 times: ended with
                  status 1, the last line of its output was `no such table`
        "#]],
        );
    }

    #[test]
    fn a_service_that_is_closed_says_by_whom_and_how_it_is_opened() {
        let mut status = serving();
        for (service, how) in status
            .services
            .iter_mut()
            .zip([Closed::Held, Closed::Maintenance])
        {
            service.closed = Some(Closing {
                how,
                since: super::super::samples::ago(60),
                actor: "mia".to_owned(),
            });
        }
        check(
            &status,
            &expect![[r#"
            shop/production  http://127.0.0.1:8080  release 3 serves
              api  release 3  100 %  2/2 ready  48.0/s  errors 0.1 %  p95 79 ms
                ! its requests are held since 14:12, by mia; `leadsman hold off` lets users
                  in again
              web  release 3  100 %  4/4 ready  48.0/s  errors 0.1 %  p95 79 ms
                ! in maintenance since 14:12, by mia; `leadsman maintenance off` lets users
                  in again
        "#]],
        );
    }

    #[test]
    fn certificates_say_until_when_and_what_is_wrong() {
        let mut status = serving();
        let certificate = |host: &str, days: u64, problem: Option<&str>| Certificate {
            hosts: vec![host.to_owned(), format!("www.{host}")],
            chain: format!("/etc/shop/{host}.pem"),
            expires_at: Some(Moment(super::super::samples::NOW.0 + days * 86_400_000)),
            problem: problem.map(str::to_owned),
        };
        status.certificates = vec![
            certificate("later.example", 80, None),
            certificate("soon.example", 5, Some("expires in 5 days; renew it")),
            certificate("shop.example", 60, None),
        ];
        status.certificates.push(Certificate {
            hosts: Vec::new(),
            expires_at: None,
            ..certificate(
                "gone.example",
                0,
                Some("failed to read `/etc/shop/gone.pem`"),
            )
        });
        check(
            &status,
            &expect![[r#"
            shop/production  http://127.0.0.1:8080  release 3 serves
              api  release 3  100 %  2/2 ready  48.0/s  errors 0.1 %  p95 79 ms
              web  release 3  100 %  4/4 ready  48.0/s  errors 0.1 %  p95 79 ms
              ! soon.example, www.soon.example: expires in 5 days; renew it
              ! failed to read `/etc/shop/gone.pem`
              certificate of shop.example, www.shop.example until 2026-11-20
              certificate of later.example, www.later.example until 2026-12-10
        "#]],
        );
        let many = status.certificates[0].clone();
        status.certificates = vec![many; 7];
        let text = plain(&environment(&status, &clock()));
        assert!(text.contains("and 2 more, which expire later"), "{text}");
    }

    #[test]
    fn instances_that_the_data_plane_leaves_out_say_so() {
        let mut status = serving();
        status.services.remove(0);
        let stable = status.services[0].stable.as_mut().unwrap();
        stable.instances[0].unhealthy = true;
        stable.instances[1].ejected = 2;
        check(
            &status,
            &expect![[r#"
            shop/production  http://127.0.0.1:8080  release 3 serves
              web  release 3  100 %  4/4 ready  48.0/s  errors 0.1 %  p95 79 ms
                ! shop.production.web.r3.d3.1 does not answer the data plane
                ! shop.production.web.r3.d3.2 left out, because its answers failed
        "#]],
        );
    }

    #[test]
    fn a_side_that_was_cut_off_says_why() {
        let mut status = soaking();
        status.services.remove(0);
        status.reasons.clear();
        let canary = status.services[0].canary.as_mut().unwrap();
        canary.weight_percent = 0.0;
        canary.figures = None;
        canary.cut_off = Some(
            "3 of 3 answers failed on the new revision while 0 of 57 did on stable: cut off by \
             the data plane"
                .to_owned(),
        );
        check(
            &status,
            &expect![[r#"
                shop/production  http://127.0.0.1:8080  release 3 serves, release 4 on its way
                  web  canary  release 4  0 %   1/1 ready
                       stable  release 3  75 %  4/4 ready  36.0/s  errors 0.1 %  p95 79 ms
                    step 2 of 4  █████░░░░░░░  4m12s of 10m
                    ! canary: 3 of 3 answers failed on the new revision while 0 of 57 did on
                      stable: cut off by the data plane
            "#]],
        );
    }

    #[test]
    fn the_first_release_a_queued_one_and_a_taken_port_are_told() {
        let mut status = serving();
        status.serves = None;
        status.url_problem = Some("127.0.0.1:8080 is taken by another program".to_owned());
        status.deployment = Some(super::super::samples::deployment(Phase::Returning));
        status.queued = Some(Queued {
            release: 5,
            origin: leadsman_api::Origin::Ship,
            actor: "mia".to_owned(),
        });
        status.services.truncate(1);
        status.services[0].stable = None;
        check(
            &status,
            &expect![[r#"
            shop/production  http://127.0.0.1:8080
              nothing serves yet, release 4 goes back, release 5 waits for its turn
              ! no requests are accepted: 127.0.0.1:8080 is taken by another program
              api  nothing runs
        "#]],
        );
    }

    #[test]
    fn a_promoted_release_keeps_the_one_before_it_warm() {
        let mut status = serving();
        status.serves = Some(4);
        status.deployment = Some(super::super::samples::deployment(Phase::Settling));
        status.services.remove(0);
        status.services[0].stable = Some(side(4, 100.0, 4));
        status.services[0].warm = Some(side(3, 0.0, 4));
        status.services[0].warm.as_mut().unwrap().figures = None;
        status.reasons = vec![Reason {
            kind: "settling".to_owned(),
            service: None,
            sentence: "release 4 has all traffic; the way back is kept warm for 9 min more"
                .to_owned(),
            since: super::super::samples::ago(60),
            until: Some(Moment(super::super::samples::NOW.0 + 540_000)),
            who: Who::Either,
            commands: vec!["leadsman rollback".to_owned()],
        }];
        check(
            &status,
            &expect![[r#"
            shop/production  http://127.0.0.1:8080  release 4 serves
              web        release 4  100 %  4/4 ready  48.0/s  errors 0.1 %  p95 81 ms
                   warm  release 3  0 %    4/4 ready
              - release 4 has all traffic; the way back is kept warm for 9 min more (since
                14:12; by hand: `leadsman rollback`)
        "#]],
        );
    }

    #[test]
    fn nothing_at_all_is_said_too() {
        let overview = Overview {
            version: 0,
            at: super::super::samples::NOW,
            environments: Vec::new(),
        };
        assert_eq!(text(&overview, &clock()), "nothing has been shipped yet\n");
    }
}
