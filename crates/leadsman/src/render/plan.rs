//! What shipping would do.

use leadsman_api::{
    Plan, PlannedAction, PlannedRise, PlannedService, PlannedSight, PlannedTraffic,
};

use super::table::Table;
use super::words::{clean, count, duration, latency, percent, rate, ratio, wrapped};
use super::{diff, paint};

/// Returns a plan as people read it.
pub(crate) fn text(plan: &Plan) -> String {
    let head = format!(
        "release {} into {}/{}",
        plan.release, plan.application, plan.environment
    );
    let after = match plan.from {
        Some(from) => format!("takes over from release {from}"),
        None => "is the first one".to_owned(),
    };
    let mut text = format!("{}  {after}\n", paint::strong(&head));
    if plan
        .services
        .iter()
        .all(|service| service.action == PlannedAction::Keep)
    {
        text.push_str("  no service changes\n");
    } else {
        let time = duration(plan.at_least_ms);
        text.push_str(&format!("  all traffic after {time} at the earliest\n"));
    }
    text.extend(plan.services.iter().map(service));
    // Of the first release everything is new.
    if plan.from.is_some() && !plan.changes.is_empty() {
        text.push_str("changes\n");
        text.push_str(&diff::lines(&plan.changes));
    }
    for list in &plan.checklists {
        text.push_str(&format!("checklist {}\n", list.when));
        for item in &list.items {
            text.push_str(&wrapped("  - ", &clean(item)));
        }
    }
    for warning in &plan.warnings {
        text.push_str(&wrapped("! ", &clean(warning)));
    }
    text
}

fn service(service: &PlannedService) -> String {
    let name = &service.name;
    let instances = count(service.instances.into(), "instance");
    let what = match service.action {
        PlannedAction::Start => format!("starts with {instances}"),
        PlannedAction::Roll => format!("rolls, {instances}"),
        PlannedAction::Keep => return format!("  {name}  stays as it is\n"),
        PlannedAction::Stop => return format!("  {name}  ends\n"),
    };
    let after = match service.after.as_slice() {
        [] => String::new(),
        names => format!(", after {}", names.join(" and ")),
    };
    let mut text = format!("  {name}  {what}{after}\n");
    if let Some(traffic) = &service.traffic {
        text.push_str(&format!("    {}\n", lately(traffic)));
    }
    let mut table = Table::default();
    for step in &service.steps {
        let soak = match step.soak_ms {
            Some(soak) => format!("held for {}", duration(soak)),
            None => "once ready".to_owned(),
        };
        let instances = count(step.instances.into(), "instance");
        let beside = step.baseline.map_or_else(String::new, |baseline| {
            let share = percent(baseline.weight_percent);
            let instances = count(baseline.instances.into(), "instance");
            format!("beside a baseline with {share}, {instances}")
        });
        table.row([percent(step.weight_percent), soak, instances, beside]);
    }
    for (line, step) in table.to_lines(4).into_iter().zip(&service.steps) {
        text.push_str(&line);
        text.push('\n');
        if let Some(sight) = &step.sight {
            text.push_str(&wrapped("      ", &seen(sight)));
        }
    }
    if !service.limits.is_empty() {
        let limits: Vec<_> = service.limits.iter().map(|limit| clean(limit)).collect();
        text.push_str(&wrapped("    ", &format!("held to {}", limits.join(", "))));
    }
    if service.keep_warm_ms > 0 && service.action == PlannedAction::Roll {
        let time = duration(service.keep_warm_ms);
        text.push_str(&format!(
            "    the revision before it is kept warm for {time}\n"
        ));
    }
    text
}

/// What it goes by that steps are said to see something.
fn lately(traffic: &PlannedTraffic) -> String {
    let over = duration(nearest_minute(traffic.over_ms));
    let requests = rate(traffic.requests_per_second);
    let errors = ratio(traffic.error_ratio);
    let p95 = traffic.p95_ms.map(|p95| format!(", p95 {}", latency(p95)));
    let p95 = p95.unwrap_or_default();
    format!("by the last {over} ({requests}, errors {errors}{p95}), in 9 of 10 cases:")
}

/// What a step sees.
fn seen(sight: &PlannedSight) -> String {
    let rise = |what: &str, rise: &PlannedRise, number: fn(f64) -> String| {
        let from = number(rise.from);
        match rise.to {
            Some(to) => format!("{what} from {from} to {}", number(to)),
            None => format!("no rise of {what}"),
        }
    };
    let errors = sight.errors.as_ref();
    let p95 = sight.p95_ms.as_ref();
    let seen: Vec<String> = [
        errors.map(|errors| rise("errors", errors, ratio)),
        p95.map(|p95| rise("p95", p95, latency)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let sees = match seen.as_slice() {
        [] => String::new(),
        seen => format!(" see {}", seen.join(", ")),
    };
    let passes = match sight.passes_after_ms {
        Some(after) => format!("passes after {}", duration(rounded_up(after))),
        None => "never passes".to_owned(),
    };
    format!("{}{sees}; {passes}", count(sight.requests, "request"))
}

/// Rounds to whole minutes where there are any.
const fn nearest_minute(millis: u64) -> u64 {
    if millis < 60_000 {
        millis
    } else {
        (millis + 30_000) / 60_000 * 60_000
    }
}

/// Rounds up to what matters of a length of time: seconds, and minutes from ten of them on.
const fn rounded_up(millis: u64) -> u64 {
    let unit = if millis < 600_000 { 1_000 } else { 60_000 };
    millis.div_ceil(unit) * unit
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use leadsman_api::{Change, PlannedBaseline, PlannedStep};

    use super::super::samples::plain;
    use super::*;

    fn planned(name: &str, action: PlannedAction) -> PlannedService {
        PlannedService {
            name: name.to_owned(),
            action,
            after: Vec::new(),
            instances: 4,
            steps: Vec::new(),
            traffic: None,
            limits: Vec::new(),
            keep_warm_ms: 0,
        }
    }

    fn plan() -> Plan {
        let step = |weight_percent, soak_ms, instances| PlannedStep {
            weight_percent,
            soak_ms,
            instances,
            baseline: None,
            sight: None,
        };
        Plan {
            application: "shop".to_owned(),
            environment: "production".to_owned(),
            release: 5,
            from: Some(4),
            services: vec![
                planned("api", PlannedAction::Keep),
                PlannedService {
                    after: vec!["api".to_owned()],
                    steps: vec![
                        step(5.0, Some(600_000), 1),
                        step(25.0, Some(600_000), 1),
                        step(100.0, None, 4),
                    ],
                    limits: vec!["errors at most 5 %".to_owned(), "p95 at most 1s".to_owned()],
                    keep_warm_ms: 600_000,
                    ..planned("web", PlannedAction::Roll)
                },
                planned("mail", PlannedAction::Stop),
            ],
            changes: vec![Change {
                path: "services.web.env.LOG".to_owned(),
                before: None,
                after: Some("debug".to_owned()),
            }],
            at_least_ms: 1_230_000,
            checklists: Vec::new(),
            warnings: vec!["`web` gets 2 requests a minute: a step needs at least 50".to_owned()],
        }
    }

    #[test]
    fn a_plan_says_what_moves_how_and_for_how_long() {
        expect![[r#"
            release 5 into shop/production  takes over from release 4
              all traffic after 20m30s at the earliest
              api  stays as it is
              web  rolls, 4 instances, after api
                5 %    held for 10m  1 instance
                25 %   held for 10m  1 instance
                100 %  once ready    4 instances
                held to errors at most 5 %, p95 at most 1s
                the revision before it is kept warm for 10m
              mail  ends
            changes
              + services.web.env.LOG: debug
            ! `web` gets 2 requests a minute: a step needs at least 50
        "#]]
        .assert_eq(&plain(&text(&plan())));
    }

    #[test]
    fn a_plan_names_the_baseline_beside_each_step() {
        let mut plan = plan();
        plan.services.remove(0);
        plan.services.truncate(1);
        plan.services[0].limits.clear();
        plan.changes.clear();
        plan.warnings.clear();
        for step in &mut plan.services[0].steps[..2] {
            step.baseline = Some(PlannedBaseline {
                weight_percent: step.weight_percent,
                instances: step.instances,
            });
        }
        expect![[r#"
            release 5 into shop/production  takes over from release 4
              all traffic after 20m30s at the earliest
              web  rolls, 4 instances, after api
                5 %    held for 10m  1 instance   beside a baseline with 5 %, 1 instance
                25 %   held for 10m  1 instance   beside a baseline with 25 %, 1 instance
                100 %  once ready    4 instances
                the revision before it is kept warm for 10m
        "#]]
        .assert_eq(&plain(&text(&plan)));
    }

    #[test]
    fn a_plan_says_what_each_step_sees() {
        let mut plan = plan();
        plan.services.remove(0);
        plan.services.truncate(1);
        plan.services[0].limits.clear();
        plan.changes.clear();
        plan.warnings = vec![
            "`web`: 5 % for 10m at 0.4 requests/s shows a rise of errors to 9 % at best; 25 % \
             would show one to 3 %"
                .to_owned(),
        ];
        plan.services[0].traffic = Some(PlannedTraffic {
            over_ms: 3 * 3_600_000 - 12_345,
            requests_per_second: 41.72,
            error_ratio: 0.001,
            p95_ms: Some(215.3),
        });
        let rise = |from, to| Some(PlannedRise { from, to });
        let sights = [
            (1_252, rise(0.001, Some(0.0312)), rise(215.3, None), None),
            (
                6_258,
                rise(0.001, Some(0.019)),
                rise(215.3, Some(290.2)),
                Some(312_400),
            ),
            (41_720, None, None, Some(2_912_400)),
        ];
        for (step, (requests, errors, p95_ms, passes_after_ms)) in
            plan.services[0].steps.iter_mut().zip(sights)
        {
            step.sight = Some(PlannedSight {
                requests,
                errors,
                p95_ms,
                passes_after_ms,
            });
        }
        let text = plain(&text(&plan));
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        expect![[r#"
            release 5 into shop/production  takes over from release 4
              all traffic after 20m30s at the earliest
              web  rolls, 4 instances, after api
                by the last 3h (41.7/s, errors 0.1 %, p95 215 ms), in 9 of 10 cases:
                5 %    held for 10m  1 instance
                  1252 requests see errors from 0.1 % to 3.1 %, no rise of p95; never passes
                25 %   held for 10m  1 instance
                  6258 requests see errors from 0.1 % to 1.9 %, p95 from 215 ms to 290 ms;
                  passes after 5m13s
                100 %  once ready    4 instances
                  41720 requests; passes after 49m
                the revision before it is kept warm for 10m
            ! `web`: 5 % for 10m at 0.4 requests/s shows a rise of errors to 9 % at best;
              25 % would show one to 3 %
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn a_plan_that_changes_nothing_says_so() {
        let mut plan = plan();
        plan.services.truncate(1);
        plan.changes.clear();
        plan.warnings.clear();
        plan.from = None;
        expect![[r#"
            release 5 into shop/production  is the first one
              no service changes
              api  stays as it is
        "#]]
        .assert_eq(&plain(&text(&plan)));
    }
}
