//! The built-in proxy as the engine's data plane.
//!
//! One proxy serves all environments of a machine, so each environment's routes are a part of one
//! table: an environment replaces its own part and leaves the others as they are. What belongs to
//! whom is told by the names in the table, so that a control that has just started can replace
//! one part without knowing the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use leadsman_core::id::{
    DeploymentNumber, EnvironmentId, InstanceId, ReleaseNumber, RevisionId, ServiceName,
};
use leadsman_core::route::{AcknowledgedRoutes, Draining, Routes, Tripped};
use leadsman_core::spec::Probe;
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_proxy::Window;
use leadsman_proxy::control::{Client, Status};
use leadsman_proxy::table::{
    HealthCheck, Instance, Listener, Rule, Service, Side, Slow, Table, Tripwire,
};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

use crate::data_plane::{BoxFuture, DataPlane, SideWindow};
use crate::entrance;

/// How often the proxy is asked for its status while nothing drains.
const CALM: Duration = Duration::from_secs(2);

/// How often it is asked while something drains or does not answer.
const BUSY: Duration = Duration::from_millis(100);

/// The built-in proxy, reached over its control socket.
#[derive(Debug)]
pub struct ProxyPlane {
    client: Client,
    /// What the proxy said last; `None` while it does not answer.
    status: Mutex<Option<Status>>,
    /// Held while a table is changed, so that two environments do not overwrite one another.
    changing: tokio::sync::Mutex<()>,
    heard: Notify,
    /// The series of windows that was read (`None` before the first time), and the last one of them.
    cursor: Mutex<Cursor>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    series: Option<u64>,
    sequence: u64,
}

impl ProxyPlane {
    /// Returns the proxy behind `client`; asks it for its status first.
    pub async fn connect(client: Client) -> Self {
        let plane = Self {
            client,
            status: Mutex::new(None),
            changing: tokio::sync::Mutex::new(()),
            heard: Notify::new(),
            cursor: Mutex::default(),
        };
        plane.refresh().await;
        plane
    }

    /// Asks the proxy for its status; returns whether it differs from what was known.
    async fn refresh(&self) -> bool {
        let status = self.client.status().await.ok();
        let mut known = lock(&self.status);
        let differs = *known != status;
        if let Some(status) = &status {
            say_what_was_cut_short(known.as_ref(), status);
        }
        *known = status;
        differs
    }

    fn is_calm(&self) -> bool {
        lock(&self.status)
            .as_ref()
            .is_some_and(|s| s.draining.is_empty() && s.problems.is_empty() && s.unsaved.is_none())
    }

    async fn change(&self, environment: &EnvironmentId, routes: &Routes) -> Result<(), String> {
        let _changing = self.changing.lock().await;
        // What is in force now, not what it was when it was last looked at.
        let status = self
            .client
            .status()
            .await
            .map_err(|error| error.to_string())?;
        let table = exchange(status.table, environment, routes);
        self.client
            .apply(&table)
            .await
            .map_err(|error| error.to_string())?;
        Ok(())
    }

    async fn next_windows(&self) -> Result<Vec<SideWindow>, String> {
        let in_words = |error: leadsman_proxy::control::ClientError| error.to_string();
        loop {
            let before = *lock(&self.cursor);
            let status = self.client.status().await.map_err(in_words)?;
            let Status {
                series, tripped, ..
            } = status;
            let known = lock(&self.status)
                .as_ref()
                .map(|status| status.tripped == tripped);
            if known == Some(false) {
                self.heard.notify_one();
            }
            // A process that crashed took its windows along: the next one has its own, and nobody
            // has read them. One that was succeeded handed them over.
            let same = before.series == Some(series);
            let after = if same { before.sequence } else { 0 };
            let windows = self.client.windows(after).await.map_err(in_words)?;
            let sequence = windows.iter().map(|window| window.sequence).max();
            let sequence = sequence.unwrap_or(after);
            *lock(&self.cursor) = Cursor {
                series: Some(series),
                sequence,
            };
            if !windows.is_empty() {
                let fresh = before.series.is_some();
                return Ok(windows
                    .into_iter()
                    .map(|window| sides(window, fresh))
                    .collect());
            }
        }
    }
}

impl DataPlane for ProxyPlane {
    fn apply<'a>(
        &'a self,
        environment: &'a EnvironmentId,
        routes: &'a Routes,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(problem) = self.change(environment, routes).await {
                tracing::warn!(%environment, problem, "the proxy did not take the routes");
            }
            self.refresh().await;
        })
    }

    fn acknowledged(&self, environment: &EnvironmentId) -> Option<AcknowledgedRoutes> {
        lock(&self.status)
            .as_ref()
            .map(|status| acknowledged(status, environment))
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let pause = if self.is_calm() { CALM } else { BUSY };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.heard.notified() => {}
                }
                if self.refresh().await {
                    return;
                }
            }
        })
    }

    fn windows(&self) -> BoxFuture<'_, Result<Vec<SideWindow>, String>> {
        Box::pin(async move {
            let windows = self.next_windows().await;
            if windows.is_err() {
                self.heard.notify_one();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            windows
        })
    }
}

/// A lock that is held for a few assignments only; what panicked meanwhile left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says which requests were cut short since `before`, once.
fn say_what_was_cut_short(before: Option<&Status>, now: &Status) {
    let known = |instance| before.and_then(|before| before.draining.get(instance));
    for (instance, draining) in &now.draining {
        let is_said = known(instance).is_some_and(|known| known.cut_short == draining.cut_short);
        if draining.cut_short.sum() > 0 && !is_said {
            let cut_short = draining.cut_short;
            tracing::warn!(instance, %cut_short, "its time to drain is up");
        }
    }
}

/// Returns `table` with the part of `environment` exchanged, as the next generation.
fn exchange(mut table: Table, environment: &EnvironmentId, routes: &Routes) -> Table {
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
        listener.rules.extend(routes.rules.iter().map(|rule| Rule {
            host: rule.host.clone(),
            path: rule.path.clone(),
            service: format!("{prefix}{}", rule.service),
            ..Rule::default()
        }));
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
    table
}

fn wire_service(prefix: &str, routes: &Routes, service: &ServiceName) -> Service {
    let sides = routes.services.get(service).into_iter().flatten();
    let watch = routes.watches.get(service);
    let tripwire = watch.and_then(|watch| watch.tripwire.as_ref());
    Service {
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
    }
}

fn side_name(prefix: &str, revision: &RevisionId) -> String {
    let RevisionId {
        service,
        release,
        deployment,
    } = revision;
    format!("{prefix}{service}@r{}.d{}", release.0, deployment.0)
}

fn wire_side(prefix: &str, side: &leadsman_core::route::Side) -> Side {
    let health = match &side.probe {
        Probe::Http(path) => Some(HealthCheck::Http { path: path.clone() }),
        Probe::Tcp => Some(HealthCheck::Tcp),
        // A command is the runtime's to run; the proxy sees whether connections are accepted.
        Probe::Command(_) => Some(HealthCheck::Tcp),
    };
    let instance = |address: &SocketAddr| Instance {
        address: *address,
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
    }
}

/// Reads the name that [`side_name`] gave.
fn revision(name: &str) -> Option<(EnvironmentId, RevisionId)> {
    let (path, version) = name.split_once('@')?;
    let (application, rest) = path.split_once('/')?;
    let (environment, service) = rest.split_once('/')?;
    let (release, deployment) = version.strip_prefix('r')?.split_once(".d")?;
    let environment = EnvironmentId {
        application: application.parse().ok()?,
        environment: environment.parse().ok()?,
    };
    let revision = RevisionId {
        service: service.parse().ok()?,
        release: ReleaseNumber(release.parse().ok()?),
        deployment: DeploymentNumber(deployment.parse().ok()?),
    };
    Some((environment, revision))
}

fn acknowledged(status: &Status, environment: &EnvironmentId) -> AcknowledgedRoutes {
    let mut weights: BTreeMap<ServiceName, BTreeMap<RevisionId, Weight>> = BTreeMap::new();
    let mut instances = BTreeSet::new();
    let mut problem = None;
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
        if mine && let Some(why) = status.problems.get(&listener.address) {
            problem = Some(why.clone());
        }
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
    let unsaved = status
        .unsaved
        .as_ref()
        .map(|why| format!("the routes could not be saved: {why}"));
    AcknowledgedRoutes {
        weights,
        instances,
        draining,
        tripped,
        problem,
        unsaved,
    }
}

fn sides(window: Window, fresh: bool) -> SideWindow {
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
        started_at: Timestamp::from_millis(window.started_at_ms),
        fresh,
        seconds: window.seconds,
        sides,
        references,
    }
}

#[cfg(test)]
mod tests {
    use leadsman_analysis::Figures;
    use leadsman_analysis::tripwire::Trip;
    use leadsman_core::entrance::{CertificateFiles, Entrance, Tls, TlsVersion};
    use leadsman_core::route::Watch;
    use leadsman_proxy::SideFigures;

    use super::*;

    fn environment() -> EnvironmentId {
        EnvironmentId {
            application: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
        }
    }

    /// Revision `release` of `web`, as deployment 7 brought it in.
    fn web(release: u64) -> RevisionId {
        RevisionId {
            service: "web".parse().unwrap(),
            release: ReleaseNumber(release),
            deployment: DeploymentNumber(7),
        }
    }

    /// A canary beside stable, watched over.
    fn rollout() -> Routes {
        let side = |release, weight| leadsman_core::route::Side {
            revision: web(release),
            weight: Weight::percent(weight),
            instances: BTreeMap::from([(
                InstanceId::from_text(format!("web-{release}")),
                ([127, 0, 0, 1], 4000).into(),
            )]),
            probe: Probe::Tcp,
            drain: Duration::from_secs(30),
        };
        let service: ServiceName = "web".parse().unwrap();
        let watch = Watch {
            over: [None, Some(Duration::from_secs(2))],
            late: Duration::from_secs(12),
            tripwire: Some(leadsman_core::route::Tripwire {
                canary: web(2),
                baseline: web(1),
                limit: 0.05,
                alpha: 0.001,
            }),
        };
        Routes {
            listen: ([127, 0, 0, 1], 8080).into(),
            entrance: Entrance::default(),
            rules: Vec::new(),
            services: BTreeMap::from([(service.clone(), vec![side(1, 95), side(2, 5)])]),
            watches: BTreeMap::from([(service, watch)]),
        }
    }

    #[test]
    fn what_is_watched_for_travels_with_the_table() {
        let table = exchange(Table::default(), &environment(), &rollout());
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
        let table = exchange(Table::default(), &environment(), &encrypted());
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
        let again = exchange(table.clone(), &environment(), &encrypted());
        assert_eq!(again.listeners, table.listeners);
        let plain = exchange(again, &environment(), &rollout());
        let never = exchange(Table::default(), &environment(), &rollout());
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
        let table = exchange(Table::default(), &environment(), &encrypted());
        assert_eq!(encrypts(&table), [true, false]);
        // One that asks for nothing leaves what the other asks.
        let both = exchange(table.clone(), &other, &routes);
        assert_eq!(encrypts(&both), [true, false]);
        // One that accepts requests where others are only led away has them answered.
        routes.listen = ([127, 0, 0, 1], 8081).into();
        let taken = exchange(table, &other, &routes);
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
        let back = exchange(taken, &environment(), &encrypted());
        assert_eq!((encrypts(&back), back.check()), (vec![true, false], Ok(())));
    }

    #[test]
    fn what_was_cut_off_is_told_to_its_environment() {
        let table = exchange(Table::default(), &environment(), &rollout());
        let mut seen = Trip::default();
        seen.canary.answers = 4;
        let tripped = leadsman_proxy::control::Tripped {
            at_ms: 5_000,
            seen,
            sentence: "4 of 4 answers failed".to_owned(),
            round: 0,
        };
        let status = Status {
            pid: 1,
            program: String::new(),
            series: 1,
            generation: 1,
            table,
            tripped: BTreeMap::from([("shop/production/web@r2.d7".to_owned(), tripped)]),
            bound: BTreeMap::new(),
            draining: BTreeMap::new(),
            problems: BTreeMap::new(),
            unhealthy: BTreeSet::new(),
            unsaved: None,
            certificates: Vec::new(),
            arrivals: BTreeMap::new(),
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
            ejected: BTreeMap::new(),
        };
        let window = sides(window, true);
        let key = |release| (environment(), web(release));
        let both = [(key(1), figures(30)), (key(2), figures(30))];
        assert_eq!(window.sides, BTreeMap::from(both));
        assert_eq!(window.references, BTreeMap::from([(key(1), figures(10))]));
    }

    #[test]
    fn a_side_is_found_again_by_its_name() {
        let environment = EnvironmentId {
            application: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
        };
        let side = leadsman_core::route::Side {
            revision: RevisionId {
                service: "web-2".parse().unwrap(),
                release: ReleaseNumber(256),
                deployment: DeploymentNumber(300),
            },
            weight: Weight::percent(5),
            instances: BTreeMap::new(),
            probe: Probe::Tcp,
            drain: Duration::from_secs(30),
        };
        let wire = wire_side("shop/production/", &side);
        assert_eq!(wire.name, "shop/production/web-2@r256.d300");
        assert_eq!(revision(&wire.name), Some((environment, side.revision)));
        assert_eq!(revision("shop/production/web-2"), None);
    }
}
