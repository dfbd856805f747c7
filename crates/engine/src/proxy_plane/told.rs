//! What the proxy tells, in the words of the engine.

use std::collections::{BTreeMap, BTreeSet};

use leadsman_core::id::{EnvironmentId, InstanceId, RevisionId, ServiceName};
use leadsman_core::route::{AcknowledgedRoutes, Certificate, Draining, Tripped};
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_proxy::Window;
use leadsman_proxy::control::{self, Status, Told};

use super::names::revision;
use crate::data_plane::{SideWindow, WindowId};

/// Returns what of `status` concerns the engine: not what changes with every connection or request, or it
/// would be woken by each of them.
pub(super) fn of_concern(status: Status) -> Status {
    Status {
        arrivals: BTreeMap::new(),
        told: Told::default(),
        ..status
    }
}

pub(super) fn acknowledged(status: &Status, environment: &EnvironmentId) -> AcknowledgedRoutes {
    let mut weights: BTreeMap<ServiceName, BTreeMap<RevisionId, Weight>> = BTreeMap::new();
    let mut instances = BTreeSet::new();
    let mut problem = None;
    let mut certificates = Vec::new();
    for listener in &status.table.listeners {
        let prefix = format!("{environment}/");
        let mut mine = listener
            .services
            .keys()
            .any(|name| name.starts_with(&prefix));
        for side in listener
            .services
            .values()
            .flat_map(|service| &service.sides)
        {
            let Some((of, revision)) = revision(&side.name) else {
                continue;
            };
            if of != *environment {
                continue;
            }
            mine = true;
            let weight = u16::try_from(side.weight).unwrap_or(u16::MAX);
            weights
                .entry(revision.service.clone())
                .or_default()
                .insert(revision, Weight::from_hundredths(weight));
            instances.extend(side.instances.keys().map(InstanceId::from_text));
        }
        if !mine {
            continue;
        }
        if let Some(why) = status.problems.get(&listener.address) {
            problem = Some(why.clone());
        }
        let shown = status.certificates.iter();
        let shown = shown.filter(|certificate| certificate.listener == listener.address);
        certificates.extend(shown.map(wire_certificate));
    }
    let draining = status
        .draining
        .iter()
        .map(|(id, draining)| (InstanceId::from_text(id), draining))
        .filter(|(id, _)| id.is_of(environment))
        .map(|(id, draining)| {
            let since = Timestamp::from_millis(draining.since_ms);
            (
                id,
                Draining {
                    since,
                    in_flight: draining.in_flight,
                },
            )
        })
        .collect();
    let tripped = status.tripped.iter().filter_map(|(name, tripped)| {
        let (of, revision) = revision(name)?;
        let tripped = Tripped {
            at: Timestamp::from_millis(tripped.at_ms),
            requests: tripped.seen.canary.answers,
            sentence: tripped.sentence.clone(),
        };
        (of == *environment).then_some((revision, tripped))
    });
    let tripped = tripped.collect();
    let unhealthy = status.unhealthy.iter().map(InstanceId::from_text);
    let unhealthy = unhealthy.filter(|id| id.is_of(environment)).collect();
    let unsaved = status
        .unsaved
        .as_ref()
        .map(|why| format!("the routes could not be saved: {why}"));
    AcknowledgedRoutes {
        generation: status.generation,
        weights,
        instances,
        draining,
        tripped,
        unhealthy,
        certificates,
        problem,
        unsaved,
    }
}

fn wire_certificate(certificate: &control::Certificate) -> Certificate {
    let control::Certificate {
        listener: _,
        chain,
        names,
        expires_at_ms,
        problem,
    } = certificate;
    Certificate {
        hosts: names.clone(),
        chain: chain.display().to_string(),
        expires_at: expires_at_ms.map(Timestamp::from_millis),
        problem: problem.clone(),
    }
}

pub(super) fn sides(window: Window, series: u64, fresh: bool) -> SideWindow {
    let mut sides = BTreeMap::new();
    let mut references = BTreeMap::new();
    for (name, side) in window.sides {
        let Some(revision) = revision(&name) else {
            continue;
        };
        references.extend(
            side.reference
                .map(|reference| (revision.clone(), reference)),
        );
        sides.insert(revision, side.figures);
    }
    SideWindow {
        id: WindowId {
            series,
            sequence: window.sequence,
        },
        started_at: Timestamp::from_millis(window.started_at_ms),
        fresh,
        seconds: window.seconds,
        generation: window.generation,
        sides,
        references,
        ejected: window
            .ejected
            .into_iter()
            .map(|(name, count)| (InstanceId::from_text(name), count))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use leadsman_analysis::Figures;
    use leadsman_analysis::tripwire::Trip;
    use leadsman_core::spec::RouteRule;
    use leadsman_proxy::SideFigures;
    use leadsman_proxy::table::Table;

    use super::super::samples::{environment, exchanged, rollout, web};
    use super::*;

    fn status(table: Table) -> Status {
        Status {
            pid: 1,
            program: String::new(),
            series: 1,
            generation: 1,
            table,
            tripped: BTreeMap::new(),
            bound: BTreeMap::new(),
            draining: BTreeMap::new(),
            problems: BTreeMap::new(),
            unhealthy: BTreeSet::new(),
            unsaved: None,
            certificates: Vec::new(),
            arrivals: BTreeMap::new(),
            told: Told::default(),
            metrics: None,
        }
    }

    #[test]
    fn connections_of_clients_are_no_news() {
        let address = "127.0.0.1:80".parse().unwrap();
        let quiet = status(exchanged(Table::default(), &environment(), &rollout()));
        let connections = leadsman_proxy::control::Arrivals {
            connections: 9,
            ..Default::default()
        };
        let busy = Status {
            arrivals: BTreeMap::from([(address, connections)]),
            ..quiet.clone()
        };
        assert_ne!(quiet, busy);
        assert_eq!(of_concern(quiet.clone()), of_concern(busy));
        let failing = Status {
            problems: BTreeMap::from([(address, "in use".to_owned())]),
            ..quiet.clone()
        };
        assert_ne!(of_concern(quiet), of_concern(failing));
    }

    #[test]
    fn what_was_cut_off_is_told_to_its_environment() {
        let table = exchanged(Table::default(), &environment(), &rollout());
        let mut seen = Trip::default();
        seen.canary.answers = 4;
        let tripped = leadsman_proxy::control::Tripped {
            at_ms: 5_000,
            seen,
            sentence: "4 of 4 answers failed".to_owned(),
            round: 0,
        };
        let status = Status {
            tripped: BTreeMap::from([("shop/production/web@r2.d7".to_owned(), tripped)]),
            ..status(table)
        };
        let mine = Tripped {
            at: Timestamp::from_millis(5_000),
            requests: 4,
            sentence: "4 of 4 answers failed".to_owned(),
        };
        let told = acknowledged(&status, &environment()).tripped;
        assert_eq!(told, BTreeMap::from([(web(2), mine)]));
        let other = EnvironmentId {
            environment: "staging".parse().unwrap(),
            ..environment()
        };
        assert_eq!(acknowledged(&status, &other).tripped, BTreeMap::new());
    }

    #[test]
    fn certificates_and_instances_are_told_to_whom_they_concern() {
        let mut table = exchanged(Table::default(), &environment(), &rollout());
        let other = EnvironmentId {
            environment: "staging".parse().unwrap(),
            ..environment()
        };
        let elsewhere = leadsman_core::route::Routes {
            listen: "127.0.0.1:8443".parse().unwrap(),
            rules: vec![RouteRule::to("web".parse().unwrap(), "/")],
            services: BTreeMap::new(),
            ..rollout()
        };
        table = exchanged(table, &other, &elsewhere);
        let certificate = |listener: &str, problem: Option<&str>| control::Certificate {
            listener: listener.parse().unwrap(),
            chain: "/etc/shop/a.pem".into(),
            names: vec!["shop.example".to_owned()],
            expires_at_ms: Some(7_000),
            problem: problem.map(str::to_owned),
        };
        let status = Status {
            certificates: vec![
                certificate("127.0.0.1:8080", None),
                certificate("127.0.0.1:8443", Some("it has expired")),
            ],
            unhealthy: ["shop.production.web.r2.d7.1", "shop.staging.web.r2.d7.1"]
                .map(str::to_owned)
                .into(),
            ..status(table)
        };
        for (environment, instance, problem) in [
            (environment(), "shop.production.web.r2.d7.1", None),
            (other, "shop.staging.web.r2.d7.1", Some("it has expired")),
        ] {
            let told = acknowledged(&status, &environment);
            let [certificate] = &told.certificates[..] else {
                unreachable!("one of each: {told:?}");
            };
            assert_eq!(certificate.problem.as_deref(), problem);
            assert_eq!(certificate.expires_at, Some(Timestamp::from_millis(7_000)));
            assert_eq!(told.unhealthy, [InstanceId::from_text(instance)].into());
        }
    }

    #[test]
    fn a_reference_is_told_beside_its_side() {
        let figures = |requests| Figures {
            requests,
            ..Figures::default()
        };
        let side = |reference| SideFigures {
            figures: figures(30),
            reference,
            ..SideFigures::default()
        };
        let window = Window {
            sequence: 1,
            started_at_ms: 0,
            seconds: 1.0,
            generation: Some(4),
            sides: BTreeMap::from([
                (
                    "shop/production/web@r1.d7".to_owned(),
                    side(Some(figures(10))),
                ),
                ("shop/production/web@r2.d7".to_owned(), side(None)),
            ]),
            testers: BTreeMap::new(),
            mirrored: BTreeMap::new(),
            refused: BTreeMap::new(),
            ejected: BTreeMap::from([("shop.production.web.r1.d7.2".to_owned(), 3)]),
        };
        let window = sides(window, 7, true);
        let key = |release| (environment(), web(release));
        assert_eq!(window.generation, Some(4));
        let both = [(key(1), figures(30)), (key(2), figures(30))];
        assert_eq!(window.sides, BTreeMap::from(both));
        let ejected = InstanceId::from_text("shop.production.web.r1.d7.2");
        assert_eq!(window.ejected, BTreeMap::from([(ejected, 3)]));
        assert_eq!(window.references, BTreeMap::from([(key(1), figures(10))]));
    }
}
