//! What somebody can do, in words and numbers.

use super::{percent, rate};
use crate::{Choice, Command, EnvironmentStatus, RolloutStage, ServiceStatus, Side};

/// Returns a choice as it stands on a button.
pub fn label(choice: &Choice) -> String {
    if let Command::Confirm { item, release, .. } = &choice.command {
        return match release {
            Some(release) => format!("Confirm {item} of release {release}"),
            None => format!("Confirm {item}"),
        };
    }
    let (verb, release) = match choice.name.split_once('-') {
        Some((verb @ ("approve" | "reject"), release)) => (verb, Some(release)),
        _ => (&*choice.name, None),
    };
    let verb = match verb {
        "promote" => "Go on to the next step",
        "promote-all" => "Give it all requests",
        "pause" => "Pause",
        "resume" => "Resume",
        "abort" => "Abort",
        "rollback" => "Roll back",
        "retry" => "Try again",
        "approve" => "Approve",
        "reject" => "Reject",
        other => other,
    };
    match release {
        Some(release) => format!("{verb} release {release}"),
        None => verb.to_owned(),
    }
}

/// Whether it takes something away.
pub fn is_grave(choice: &Choice) -> bool {
    matches!(&*choice.name, "abort" | "rollback") || choice.name.starts_with("reject-")
}

/// Says in numbers what a choice means for users' requests, a line for each service; and of an item
/// of a checklist what it asks.
pub fn means(status: &EnvironmentStatus, choice: &Choice) -> Vec<String> {
    if let Command::Confirm {
        item,
        when,
        release,
        ..
    } = &choice.command
    {
        let lists = status.checklists.iter();
        let lists = lists.filter(|list| Some(&list.when) == when.as_ref());
        let lists = lists.filter(|list| Some(list.release) == *release);
        let asked = lists.flat_map(|list| &list.items);
        let asked = asked.filter(|asked| asked.name == *item);
        return asked.map(|it| format!("it asks: {}", it.asks)).collect();
    }
    let services = status.services.iter();
    let said = services.filter_map(|service| {
        let name = &service.name;
        let line = match &*choice.name {
            "abort" => {
                let (canary, stable) = (service.canary.as_ref()?, service.stable.as_ref());
                format!("{} go {}", taken(canary), to(stable))
            }
            "rollback" => {
                let from = service.canary.as_ref().or(service.stable.as_ref())?;
                let back = match &service.canary {
                    Some(_) => service.stable.as_ref(),
                    None => service.warm.as_ref(),
                };
                format!("{} go {}", taken(from), to(back))
            }
            "promote" | "promote-all" => {
                let canary = service.canary.as_ref()?;
                let next = next(service, choice.name == "promote-all");
                let next = next.map(|weight| format!(", and gets {}", percent(weight)));
                let (release, has) = (canary.release, share(canary));
                format!(
                    "release {release} has {has} so far{}",
                    next.unwrap_or_default()
                )
            }
            "pause" => {
                let canary = service.canary.as_ref()?;
                format!("release {} keeps {}", canary.release, share(canary))
            }
            _ => return None,
        };
        Some(format!("`{name}`: {line}"))
    });
    said.collect()
}

/// Returns how many percent of all requests the new revision gets once the present step is passed,
/// or all that are left; `None` where that is not known.
fn next(service: &ServiceStatus, is_last: bool) -> Option<f64> {
    let rollout = service.rollout.as_ref()?;
    // Before a step soaks it is not that one that is passed.
    let soaks = rollout.stage == RolloutStage::Soaking;
    let weights = soaks.then_some(&rollout.weights_percent)?;
    let at = if is_last {
        weights.len().checked_sub(1)?
    } else {
        usize::from(rollout.step)
    };
    weights.get(at).copied()
}

/// Says which requests go elsewhere.
fn taken(side: &Side) -> String {
    format!("the {} that release {} has", share(side), side.release)
}

/// Says how many of all requests a side has.
fn share(side: &Side) -> String {
    let percent = percent(side.weight_percent);
    match &side.figures {
        Some(figures) => {
            let rate = rate(figures.requests_per_second);
            format!("{percent} of requests ({rate})")
        }
        None => format!("{percent} of requests"),
    }
}

/// Says where requests go, and who is there to take them.
fn to(side: Option<&Side>) -> String {
    match side {
        Some(side) => {
            let (release, ready, wanted) = (side.release, side.ready(), side.wanted);
            format!("to release {release}, which has {ready} of {wanted} instances ready")
        }
        None => "to an earlier release, whose instances are started first".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rollout, Wanted};

    fn choice(name: &str) -> Choice {
        Choice {
            name: name.to_owned(),
            command: Command::Pause {},
            reason: Wanted::No,
            follows: None,
            refused: None,
        }
    }

    fn side(release: u64, weight_percent: f64) -> Side {
        Side {
            release,
            deployment: release,
            weight_percent,
            wanted: 2,
            instances: Vec::new(),
            figures: None,
            cut_off: None,
        }
    }

    fn status() -> EnvironmentStatus {
        let mut status: EnvironmentStatus = serde_json::from_value(serde_json::json!({
            "application": "shop", "environment": "production", "version": 1, "at": 0,
            "services": [], "reasons": []
        }))
        .unwrap();
        status.services.push(ServiceStatus {
            name: "web".to_owned(),
            stable: Some(side(3, 75.0)),
            canary: Some(side(4, 25.0)),
            baseline: None,
            warm: None,
            rollout: Some(Rollout {
                stage: RolloutStage::Soaking,
                step: 2,
                steps: 4,
                weight_percent: 25.0,
                weights_percent: vec![5.0, 25.0, 50.0, 100.0],
                soak_ms: None,
                soaked_ms: 0,
                verdict: None,
            }),
            closed: None,
        });
        status
    }

    #[test]
    fn a_choice_has_its_words() {
        for (name, expected, grave) in [
            ("promote", "Go on to the next step", false),
            ("approve-7", "Approve release 7", false),
            ("reject-7", "Reject release 7", true),
            ("rollback", "Roll back", true),
            ("something-new", "something-new", false),
        ] {
            let choice = choice(name);
            assert_eq!((&*label(&choice), is_grave(&choice)), (expected, grave));
        }
    }

    #[test]
    fn a_choice_is_told_in_numbers() {
        for (name, expected) in [
            (
                "abort",
                "`web`: the 25 % of requests that release 4 has go to release 3, which has 0 of 2 \
                 instances ready",
            ),
            (
                "promote",
                "`web`: release 4 has 25 % of requests so far, and gets 50 %",
            ),
            (
                "promote-all",
                "`web`: release 4 has 25 % of requests so far, and gets 100 %",
            ),
            ("pause", "`web`: release 4 keeps 25 % of requests"),
            ("resume", ""),
        ] {
            let said = means(&status(), &choice(name)).join("\n");
            assert_eq!(said, expected, "{name}");
        }
        let mut status = status();
        let rollout = status.services[0].rollout.as_mut().unwrap();
        rollout.stage = RolloutStage::Preparing;
        let said = means(&status, &choice("promote")).join("\n");
        assert_eq!(said, "`web`: release 4 has 25 % of requests so far");
    }
}
