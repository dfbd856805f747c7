//! The part of the table that is an environment's.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use leadsman_core::id::{EnvironmentId, RevisionId, ServiceName};
use leadsman_core::route::Routes;
use leadsman_core::spec::{Probe, Protocol};
use leadsman_proxy::table::{
    self, HealthCheck, Instance, Listener, Service, Side, Slow, Table, Tripwire,
};

use super::names::side_name;
use super::{entrance, treatment};

/// Returns `table` with the part of `environment` exchanged, as the next generation; `None` if that
/// part is of a newer version.
pub(super) fn exchange(
    mut table: Table,
    environment: &EnvironmentId,
    version: u64,
    routes: &Routes,
) -> Option<Table> {
    let in_force = table.versions.entry(environment.to_string()).or_default();
    if *in_force > version {
        return None;
    }
    *in_force = version;
    let prefix = format!("{environment}/");
    table.generation += 1;
    for listener in &mut table.listeners {
        listener
            .rules
            .retain(|rule| !rule.service.starts_with(&prefix));
        listener
            .services
            .retain(|name, _| !name.starts_with(&prefix));
    }
    table
        .listeners
        .retain(|l| !l.services.is_empty() || l.address == routes.listen);
    if !table
        .listeners
        .iter()
        .any(|listener| listener.address == routes.listen)
    {
        table.listeners.push(Listener::at(routes.listen));
    }
    let mut leading = None;
    for listener in &mut table.listeners {
        if listener.address != routes.listen {
            continue;
        }
        // Where environments share a listener, one that asks for nothing leaves it to the others.
        let is_shared = !listener.services.is_empty() && listener.to_https.is_none();
        if !is_shared || !routes.entrance.is_default() {
            entrance::ask(listener, &routes.entrance);
        }
        leading = entrance::leading_to(listener, &prefix, &routes.entrance);
        let rules = routes.rules.iter();
        listener
            .rules
            .extend(rules.map(|rule| treatment::wire_rule(&prefix, rule)));
        // A rule whose service has nothing to answer yet is answered by the proxy itself.
        let named = routes.rules.iter().map(|rule| &rule.service);
        for service in routes.services.keys().chain(named) {
            let name = format!("{prefix}{service}");
            let service = wire_service(&prefix, routes, service);
            listener.services.insert(name, service);
        }
    }
    if let Some(leading) = leading {
        let address = leading.address;
        if table
            .listeners
            .iter()
            .any(|listener| listener.address == address)
        {
            tracing::warn!(%environment, %address, "clients are not led to https: the address is another's");
        } else {
            table.listeners.push(leading);
        }
    }
    Some(table)
}

fn wire_service(prefix: &str, routes: &Routes, service: &ServiceName) -> Service {
    let sides = routes.services.get(service).into_iter().flatten();
    let watch = routes.watches.get(service);
    let tripwire = watch.and_then(|watch| watch.tripwire.as_ref());
    let mut wired = Service {
        sides: sides.map(|side| wire_side(prefix, side)).collect(),
        slow: watch.map_or_else(Slow::default, |watch| Slow {
            over: watch.over,
            late: watch.late,
        }),
        tripwire: tripwire.map(|tripwire| Tripwire {
            canary: side_name(prefix, &tripwire.canary),
            baseline: side_name(prefix, &tripwire.baseline),
            limit: tripwire.limit,
            alpha: tripwire.alpha,
            round: 0,
        }),
        ..Service::default()
    };
    if let Some(asked) = routes.treatments.get(service) {
        treatment::treat(&mut wired, prefix, asked);
    }
    wired
}

fn wire_side(prefix: &str, side: &leadsman_core::route::Side) -> Side {
    let health = match &side.probe {
        Probe::Http(path) => Some(HealthCheck::Http { path: path.clone() }),
        Probe::Tcp => Some(HealthCheck::Tcp),
        // A command is the runtime's to run; the proxy sees whether connections are accepted.
        Probe::Command(_) => Some(HealthCheck::Tcp),
    };
    let instance = |address: &SocketAddr| Instance {
        address: (*address).into(),
        health: health.clone(),
    };
    Side {
        name: side_name(prefix, &side.revision),
        weight: u32::from(side.weight.hundredths()),
        instances: side
            .instances
            .iter()
            .map(|(id, address)| (id.as_str().to_owned(), instance(address)))
            .collect(),
        drain: Some(side.drain),
        protocol: match side.protocol {
            Protocol::Http1 => table::Protocol::Http1,
            Protocol::Http2 => table::Protocol::Http2,
        },
        labels: labels(prefix, &side.revision),
    }
}

/// Returns what tells a side's metrics from others', in the words of whoever looks at them.
fn labels(prefix: &str, revision: &RevisionId) -> BTreeMap<String, String> {
    // Made of two names, neither of which has a slash.
    let (application, environment) = prefix.split_once('/').unwrap_or((prefix, ""));
    let labels = [
        ("application", application.to_owned()),
        ("environment", environment.trim_end_matches('/').to_owned()),
        ("service", revision.service.to_string()),
        ("release", revision.release.0.to_string()),
        ("deployment", revision.deployment.0.to_string()),
    ];
    labels.map(|(name, value)| (name.to_owned(), value)).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use leadsman_core::entrance::{CertificateFiles, Tls, TlsVersion};

    use super::super::samples::{environment, exchanged, rollout};
    use super::*;

    #[test]
    fn what_instances_speak_travels_with_the_table() {
        let mut routes = rollout();
        for side in routes.services.values_mut().flatten() {
            side.protocol = Protocol::Http2;
        }
        let table = exchanged(Table::default(), &environment(), &routes);
        let listener = table.listeners.first().unwrap();
        let service = listener.services.get("shop/production/web").unwrap();
        let is_http2 = |side: &Side| side.protocol == table::Protocol::Http2;
        assert!(service.sides.len() > 1 && service.sides.iter().all(is_http2));
    }

    #[test]
    fn what_was_planned_on_an_older_version_changes_nothing() {
        let at = |table, version| exchange(table, &environment(), version, &rollout());
        let table = at(Table::default(), 7).unwrap();
        assert_eq!(at(table.clone(), 6), None);
        let again = at(table.clone(), 7).unwrap();
        assert_eq!(again.generation, 2);
        let other = EnvironmentId {
            environment: "staging".parse().unwrap(),
            ..environment()
        };
        let mut elsewhere = rollout();
        elsewhere.services.clear();
        let both = exchange(table, &other, 1, &elsewhere).unwrap();
        assert_eq!(both.versions.into_values().collect::<Vec<_>>(), [7, 1]);
    }

    #[test]
    fn what_is_watched_for_travels_with_the_table() {
        let table = exchanged(Table::default(), &environment(), &rollout());
        assert_eq!(table.check(), Ok(()));
        let listener = table.listeners.first().unwrap();
        let service = listener.services.get("shop/production/web").unwrap();
        let slow = Slow {
            over: [None, Some(Duration::from_secs(2))],
            late: Duration::from_secs(12),
        };
        assert_eq!(service.slow, slow);
        let tripwire = service.tripwire.as_ref().unwrap();
        assert_eq!(tripwire.canary, "shop/production/web@r2.d7");
        assert_eq!(tripwire.baseline, "shop/production/web@r1.d7");
        assert_eq!((tripwire.limit, tripwire.alpha), (0.05, 0.001));
    }

    /// The same, encrypted, with another address to be led there from.
    fn encrypted() -> Routes {
        let mut routes = rollout();
        let files = CertificateFiles {
            chain: "/etc/a.pem".to_owned(),
            key: "/etc/a.key".to_owned(),
        };
        routes.entrance.tls = Some(Tls {
            certificates: vec![files],
            acme: None,
            min: TlsVersion::V1_3,
            from_http: Some(([127, 0, 0, 1], 8081).into()),
        });
        let header = ("x-frame-options".to_owned(), "DENY".to_owned());
        routes.entrance.headers.extend([header]);
        routes.entrance.trusted = vec!["10.0.0.0/8".to_owned()];
        routes
    }

    #[test]
    fn what_is_asked_at_the_entrance_comes_and_goes() {
        let table = exchanged(Table::default(), &environment(), &encrypted());
        assert_eq!(table.check(), Ok(()));
        let [main, leading] = &table.listeners[..] else {
            unreachable!("there are two listeners: {table:?}");
        };
        let tls = main.tls.as_ref().unwrap();
        let files = tls.certificates.first().unwrap();
        assert_eq!(files.chain.display().to_string(), "/etc/a.pem");
        assert_eq!(tls.min, leadsman_proxy::table::TlsVersion::V1_3);
        assert_eq!(main.answer_headers.values().collect::<Vec<_>>(), ["DENY"]);
        assert_eq!(main.trusted, ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(
            (leading.address.port(), leading.to_https),
            (8081, Some(8080))
        );
        // The same again changes nothing but the generation; without, all of it is gone.
        let again = exchanged(table.clone(), &environment(), &encrypted());
        assert_eq!(again.listeners, table.listeners);
        let plain = exchanged(again, &environment(), &rollout());
        let never = exchanged(Table::default(), &environment(), &rollout());
        assert_eq!(plain.listeners, never.listeners);
    }

    #[test]
    fn environments_that_share_an_address_take_nothing_from_each_other() {
        let other = EnvironmentId {
            environment: "staging".parse().unwrap(),
            ..environment()
        };
        let mut routes = rollout();
        routes.services.clear();
        let encrypts = |table: &Table| {
            let encrypts = table
                .listeners
                .iter()
                .map(|listener| listener.tls.is_some());
            encrypts.collect::<Vec<_>>()
        };
        let table = exchanged(Table::default(), &environment(), &encrypted());
        assert_eq!(encrypts(&table), [true, false]);
        // One that asks for nothing leaves what the other asks.
        let both = exchanged(table.clone(), &other, &routes);
        assert_eq!(encrypts(&both), [true, false]);
        // One that accepts requests where others are only led away has them answered.
        routes.listen = ([127, 0, 0, 1], 8081).into();
        let taken = exchanged(table, &other, &routes);
        assert_eq!(
            (encrypts(&taken), taken.check()),
            (vec![true, false], Ok(()))
        );
        assert!(
            taken
                .listeners
                .iter()
                .all(|listener| listener.to_https.is_none())
        );
        let back = exchanged(taken, &environment(), &encrypted());
        assert_eq!((encrypts(&back), back.check()), (vec![true, false], Ok(())));
    }
}
