//! What shipping would do.

use leadsman_api::{Plan, PlannedAction, PlannedService};

use super::table::Table;
use super::words::{clean, count, duration, percent, wrapped};
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
    for line in table.to_lines(4) {
        text.push_str(&line);
        text.push('\n');
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
