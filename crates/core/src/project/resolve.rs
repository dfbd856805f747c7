//! From what a file says to what an environment is: layers merged, defaults filled in, names
//! looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use leadsman_analysis::{AgainstStable, Limits, Risk};

use super::codes::{
    CONTRADICTION, CYCLE, MISSING_KEY, READINESS_UNKNOWN, SAME_ADDRESS, UNKNOWN_NAME,
};
use super::model::{self, Environment, File, Prometheus, Service};
use super::problem::{Span, quoted};
use super::read::{Located, Merge as _, Reader, Setting};
use super::shape::{List, Short};
use super::values::Name;
use super::{
    bundle, checklists, entrance, entry, gates, metrics, migration, routes, strategy, suggest,
    traffic,
};
use crate::entry::EntryRules;
use crate::id::{ApplicationName, EnvironmentName, ServiceName};
use crate::spec::{EnvironmentSpec, Probe, Protocol, Readiness, ServiceSpec, Stop};

const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const ENVIRONMENT: &str = "production";

/// One service of one environment while it is being resolved.
pub(super) struct Resolved {
    /// Where its name stands.
    pub(super) at: Span,
    pub(super) keys: Service,
    pub(super) after: Vec<Located<ServiceName>>,
}

/// The services of one environment, by name; those that are broken included.
pub(super) type Services = BTreeMap<ServiceName, Resolved>;

/// Resolves every environment, in the order of the file, or notes what stands in the way.
pub(super) fn environments(file: &File, reader: &mut Reader) -> Vec<EnvironmentSpec> {
    let mut specs = Vec::new();
    let mut addresses: Vec<(Located<String>, SocketAddr)> = Vec::new();
    let default = [(
        Located {
            value: ENVIRONMENT.to_owned(),
            at: Span::default(),
        },
        Setting::Absent,
    )];
    let given = file.environments.get().map(|map| map.entries.as_slice());
    for (name, keys) in given.filter(|given| !given.is_empty()).unwrap_or(&default) {
        let keys = keys.get().cloned().unwrap_or_default();
        for address in listen(&keys).into_iter().chain(entrance::from_http(&keys)) {
            refuse_same_address(name, address, &addresses, reader);
            addresses.push((name.clone(), address));
        }
        specs.extend(environment(file, name, &keys, reader));
    }
    specs
}

fn listen(keys: &Environment) -> Option<SocketAddr> {
    match &keys.listen {
        Setting::Given(listen) => Some(listen.0),
        Setting::Absent | Setting::Removed => Some(LISTEN),
        Setting::Broken => None,
    }
}

fn refuse_same_address(
    name: &Located<String>,
    listen: SocketAddr,
    taken: &[(Located<String>, SocketAddr)],
    reader: &mut Reader,
) {
    let same = |other: &SocketAddr| {
        other.port() == listen.port()
            && (other.ip() == listen.ip()
                || other.ip().is_unspecified()
                || listen.ip().is_unspecified())
    };
    if let Some((other, address)) = taken.iter().find(|(_, address)| same(address)) {
        let message = format!(
            "`{}` listens on {listen}, and `{}` on {address}: the same port",
            name.value, other.value
        );
        let hint = "give each environment a port of its own with `listen`";
        reader.note(&SAME_ADDRESS, name.at, message, hint);
    }
}

fn environment(
    file: &File,
    name: &Located<String>,
    keys: &Environment,
    reader: &mut Reader,
) -> Option<EnvironmentSpec> {
    let services = layered(file, keys, reader);
    refuse_cycles(&services, reader);
    let routes = routes::resolve(file, keys, &services, reader);
    let routed: BTreeSet<&ServiceName> =
        routes.iter().flatten().map(|rule| &rule.service).collect();
    let prometheus = file.prometheus.clone().under(keys.prometheus.clone());
    let mut specs = BTreeMap::new();
    for (service, resolved) in &services {
        if routes.is_some() && !routed.contains(service) && resolved.keys.ready.is_missing() {
            let message = format!("`{service}` has no route, and nothing says when it is ready");
            let hint = "write `ready: tcp` if it listens on $PORT, else `ready: { command: ... }`";
            reader.note(&READINESS_UNKNOWN, resolved.at, message, hint);
        }
        let spec = spec(file, service, resolved, &prometheus, reader);
        specs.extend(spec.map(|spec| (service.clone(), spec)));
    }
    let routes = routes?;
    routes::refuse_shared_cookies(&specs, &services, &routes, reader);
    let entrance = entrance::resolve(name, keys, &routes, reader);
    let gates = gates::resolve(&file.gates.clone().under(keys.gates.clone()), reader);
    let entry = entry::resolve(file, name, keys, reader);
    let checklists = checklists::resolve(keys, reader);
    let migration = file.migration.clone().under(keys.migration.clone());
    let migration = migration::resolve(&migration, name.at, &services, reader);
    Some(EnvironmentSpec {
        application: ApplicationName::try_from(file.application.get()?.0.value.clone()).ok()?,
        environment: EnvironmentName::try_from(name.value.clone()).ok()?,
        listen: listen(keys)?,
        entrance: entrance?,
        entry: EntryRules {
            gates,
            checklists: checklists?,
            ..entry?
        },
        services: specs,
        routes,
        migration: migration?,
    })
}

/// Lays everything over one another that is said about each service of an environment.
fn layered(file: &File, keys: &Environment, reader: &mut Reader) -> Services {
    let mut services = Services::new();
    let base = file.services.get();
    if let Some(changed) = keys.services.get() {
        for (name, _) in &changed.entries {
            let known = base.into_iter().flat_map(|map| map.keys());
            if !known.clone().any(|known| known == name.value) {
                refuse_unknown_service(name, known, reader);
            }
        }
    }
    for (name, own) in base.into_iter().flat_map(|map| &map.entries) {
        let here = keys
            .services
            .get()
            .and_then(|map| map.get(&name.value))
            .cloned();
        let here = here.unwrap_or_default();
        let Ok(service) = ServiceName::try_from(name.value.clone()) else {
            continue;
        };
        if matches!(here, Setting::Removed) {
            continue;
        }
        let of_all = Service {
            env: file.env.clone(),
            limits: file.limits.clone(),
            strategy: file.strategy.clone(),
            traffic: file.traffic.clone(),
            ..Service::default()
        };
        let of_environment = Service {
            env: keys.env.clone(),
            limits: keys.limits.clone(),
            strategy: keys.strategy.clone(),
            traffic: keys.traffic.clone(),
            ..Service::default()
        };
        let broken = matches!(own, Setting::Broken) || matches!(here, Setting::Broken);
        let own = own.get().cloned().unwrap_or_default();
        let here = here.get().cloned().unwrap_or_default();
        let mut merged = of_all.under(own).under(of_environment).under(here);
        if broken {
            // What it lacks is already known to be somewhere in what could not be read.
            (merged.run, merged.ready) = (Setting::Broken, Setting::Broken);
            merged.serve = Setting::Absent;
        }
        services.insert(
            service,
            Resolved {
                at: name.at,
                keys: merged,
                after: Vec::new(),
            },
        );
    }
    let present: Vec<ServiceName> = services.keys().cloned().collect();
    for resolved in services.values_mut() {
        resolved.after = after(resolved.keys.after.get(), file, &present, reader);
    }
    services
}

/// Looks up the services that come first. One that this environment leaves out is not waited for.
fn after(
    names: Option<&List<Name, 100>>,
    file: &File,
    present: &[ServiceName],
    reader: &mut Reader,
) -> Vec<Located<ServiceName>> {
    let mut after: Vec<Located<ServiceName>> = Vec::new();
    for Name(name) in names.into_iter().flat_map(|list| &list.items) {
        let known = file.services.get().into_iter().flat_map(|map| map.keys());
        if !known.clone().any(|known| known == name.value) {
            refuse_unknown_service(name, known, reader);
        }
        if let Some(service) = present.iter().find(|known| known.as_str() == name.value)
            && !after.iter().any(|earlier| earlier.value == *service)
        {
            after.push(Located {
                value: service.clone(),
                at: name.at,
            });
        }
    }
    after
}

pub(super) fn refuse_unknown_service<'k>(
    name: &Located<String>,
    known: impl Iterator<Item = &'k str> + Clone,
    reader: &mut Reader,
) {
    let message = format!("there is no service {}", quoted(&name.value));
    reader.note(
        &UNKNOWN_NAME,
        name.at,
        message,
        suggest::hint(&name.value, known),
    );
}

/// Notes each circle of services that wait for one another, once and as a whole.
fn refuse_cycles(services: &Services, reader: &mut Reader) {
    // Services that wait for none of the others that are left can move; what stays is in a circle
    // or waits for one.
    let mut left: BTreeSet<&ServiceName> = services.keys().collect();
    loop {
        let free: Vec<&ServiceName> = left
            .iter()
            .copied()
            .filter(|service| {
                services[*service]
                    .after
                    .iter()
                    .all(|a| !left.contains(&a.value))
            })
            .collect();
        if free.is_empty() {
            break;
        }
        left.retain(|service| !free.contains(service));
    }
    while let Some(start) = left.first().copied() {
        // Every service left waits for another one left, so this walk must meet itself.
        let mut walk = vec![start];
        let (mut last, mut at) = (start, Span::default());
        let circle = loop {
            let next = services[last]
                .after
                .iter()
                .find(|after| left.contains(&after.value));
            let Some(next) = next else { break None };
            at = next.at;
            if let Some(begin) = walk.iter().position(|service| **service == next.value) {
                break Some(walk.split_off(begin));
            }
            last = &next.value;
            walk.push(last);
        };
        if let Some(circle) = &circle {
            let names: Vec<String> = circle
                .iter()
                .chain(circle.first())
                .map(|name| format!("`{name}`"))
                .collect();
            let message = format!("services wait for each other: {}", names.join(" after "));
            reader.note(&CYCLE, at, message, "take out one of these `after`");
        }
        for service in walk.into_iter().chain(circle.into_iter().flatten()) {
            left.remove(service);
        }
    }
}

fn spec(
    file: &File,
    name: &ServiceName,
    resolved: &Resolved,
    prometheus: &Setting<Short<Prometheus>>,
    reader: &mut Reader,
) -> Option<ServiceSpec> {
    let keys = &resolved.keys;
    refuse_what_cannot_start(name, resolved, reader);
    let serve = keys.serve.get().map(|short| &short.0);
    let instances = keys.instances.get().map_or(1, |number| number.0);
    let instances = u16::try_from(instances).unwrap_or(u16::MAX);
    let strategy = strategy::resolve(&keys.strategy, instances, resolved.at, file, reader);
    let variables = keys.env.get().into_iter().flat_map(|map| &map.entries);
    let variable = |(name, text): &(Located<String>, Setting<_>)| {
        let text: &super::values::VariableText = text.get()?;
        Some((name.value.clone(), text.0.clone()))
    };
    Some(ServiceSpec {
        instances,
        run: match serve {
            Some(_) => Vec::new(),
            None => keys.run.get()?.0.clone(),
        },
        serve: serve.map(bundle::resolve),
        artifact: match serve {
            Some(serve) => Some(serve.root.get()?.0.clone()),
            None => keys.artifact.get().map(|path| path.0.clone()),
        },
        folder: keys
            .folder
            .get()
            .map_or_else(|| ".".to_owned(), |path| path.0.clone()),
        env: variables.filter_map(variable).collect(),
        user: keys.user.get().map(|user| user.0.clone()),
        memory: keys.memory.get().map(|size| size.0),
        files: keys.files.get().map(|number| number.0),
        protocol: keys.protocol.get().map(|word| word.0).unwrap_or_default(),
        ready: readiness(&keys.ready),
        stop: stop(keys),
        after: resolved
            .after
            .iter()
            .map(|name| name.value.clone())
            .collect(),
        strategy: strategy?,
        limits: limits(&keys.limits, reader),
        metrics: metrics::sources(&keys.limits, prometheus, reader),
        traffic: traffic::resolve(&keys.traffic, name),
    })
}

/// Notes it if there is not exactly one thing that an instance of the service does.
fn refuse_what_cannot_start(name: &ServiceName, resolved: &Resolved, reader: &mut Reader) {
    let keys = &resolved.keys;
    if keys.run.is_missing() && keys.serve.is_missing() {
        let message = format!("service `{name}` has neither `run` nor `serve`");
        let hint = "add the command that starts it, such as `run: ./server`, or the folder that is \
                    served, such as `serve: dist`";
        reader.note(&MISSING_KEY, resolved.at, message, hint);
    }
    if keys
        .serve
        .get()
        .is_some_and(|serve| serve.0.root.is_missing())
    {
        let message = format!("`serve` of service `{name}` has no `root`");
        let hint = "add the folder, such as `root: dist`";
        reader.note(&MISSING_KEY, resolved.at, message, hint);
    }
    for (other, is_there, hint) in [
        ("run", keys.run.is_present(), "keep the one that is meant"),
        (
            "artifact",
            keys.artifact.is_present(),
            "take `artifact` out: what is served is what is packed",
        ),
        (
            "protocol: http2",
            matches!(&keys.protocol, Setting::Given(word) if word.0 == Protocol::Http2),
            "take `protocol` out: files are served by HTTP/1.1, and clients speak what they like",
        ),
    ] {
        if keys.serve.is_present() && is_there {
            let message =
                format!("service `{name}` has `serve` and `{other}`, which exclude each other");
            reader.note(&CONTRADICTION, resolved.at, message, hint);
        }
    }
}

pub(super) fn readiness(ready: &Setting<Short<model::Ready>>) -> Readiness {
    let keys = ready.get().map(|short| short.0.clone()).unwrap_or_default();
    let probe = match (keys.http.get(), keys.command.get()) {
        (Some(path), _) => Probe::Http(path.0.clone()),
        (None, Some(command)) => Probe::Command(command.0.clone()),
        (None, None) => Probe::Tcp,
    };
    Readiness {
        probe,
        every: keys
            .every
            .get()
            .map_or(Duration::from_millis(500), |time| time.0),
        timeout: keys
            .timeout
            .get()
            .map_or(Duration::from_secs(1), |time| time.0),
        within: keys
            .within
            .get()
            .map_or(Duration::from_secs(60), |time| time.0),
        steady: keys.steady.get().map_or(Duration::ZERO, |time| time.0),
    }
}

fn stop(keys: &Service) -> Stop {
    let keys = keys
        .stop
        .get()
        .map(|short| short.0.clone())
        .unwrap_or_default();
    Stop {
        signal: keys.signal.get().map_or("TERM", |word| word.0.0).to_owned(),
        drain: keys
            .drain
            .get()
            .map_or(Duration::from_secs(30), |time| time.0),
        grace: keys
            .grace
            .get()
            .map_or(Duration::from_secs(10), |time| time.0),
    }
}

/// Returns the limits that are given, over those that the judge has where nothing is said.
pub(super) fn limits(setting: &Setting<model::Limits>, reader: &mut Reader) -> Limits {
    let keys = setting.get().cloned().unwrap_or_default();
    let relative = keys.against_stable.get().cloned().unwrap_or_default();
    let default = Limits::default();
    let beside = default.against_stable;
    let errors = match &keys.success {
        Setting::Given(success) => Some(rounded(1.0 - success.0)),
        Setting::Removed => None,
        Setting::Absent | Setting::Broken => {
            given_or(&keys.errors, default.errors, |share| share.0)
        }
    };
    Limits {
        errors,
        p95: given_or(&keys.p95, default.p95, |time| time.0),
        p99: given_or(&keys.p99, default.p99, |time| time.0),
        memory: given_or(&keys.memory, default.memory, |share| share.0),
        cpu: given_or(&keys.cpu, default.cpu, |share| share.0),
        restarts: given_or(&keys.restarts, default.restarts, |n| {
            u32::try_from(n.0).unwrap_or(u32::MAX)
        }),
        against_stable: AgainstStable {
            errors: given_or(&relative.errors, beside.errors, |share| share.0),
            p95: given_or(&relative.p95, beside.p95, |share| share.0),
            p99: given_or(&relative.p99, beside.p99, |share| share.0),
        },
        requests: keys
            .requests
            .get()
            .map_or(default.requests, |number| number.0),
        warm_up: keys.warm_up.get().map_or(default.warm_up, |time| time.0),
        risk: keys
            .risk
            .get()
            .map_or(default.risk, |share| Risk::of(share.0)),
        metrics: metrics::limits(setting, reader),
    }
}

/// Returns what a limit is: as given, none where it was taken out, else the default.
fn given_or<K, T>(setting: &Setting<K>, default: Option<T>, value: impl Fn(&K) -> T) -> Option<T> {
    match setting {
        Setting::Given(key) => Some(value(key)),
        Setting::Removed => None,
        Setting::Absent | Setting::Broken => default,
    }
}

/// Rounds to ten-thousandths of a percent, in which shares are written.
fn rounded(share: f64) -> f64 {
    (share * 1_000_000.0).round() / 1_000_000.0
}
