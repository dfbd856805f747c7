//! An environment as a project file that says everything, so that no default is left to guess.

use std::fmt::Display;
use std::time::Duration;

use leadsman_analysis::GaugeLimit;

use super::bundle::put_bundle;
use super::checklists;
use super::effective_gates::put_gates;
use super::effective_traffic::{put_traffic, route};
use super::metric_values::word;
use super::read::looks_typed;
use super::units;
use crate::entrance::{CertificateFiles, Entrance, Tls};
use crate::entry::{EntryRules, Voters};
use crate::metric::{MetricSource, PrometheusServer};
use crate::migration::Migration;
use crate::people::PersonName;
use crate::pipeline::SecretSource;
use crate::spec::{
    BaselineKind, EnvironmentSpec, OnInconclusive, Probe, ServiceSpec, Sizing, Step, Strategy,
};

/// Writes the file. Read again, it resolves to the same environment.
pub(super) fn written(spec: &EnvironmentSpec) -> String {
    let mut file = Lines::default();
    file.put(0, "application", &spec.application);
    file.open(0, "services");
    for (name, service) in &spec.services {
        file.open(1, name.as_str());
        put_service(&mut file, service);
    }
    file.open(0, "environments");
    file.open(1, spec.environment.as_str());
    file.put(2, "listen", scalar(&spec.listen.to_string()));
    put_entrance(&mut file, &spec.entrance);
    put_entry(&mut file, &spec.entry);
    checklists::put(&mut file, &spec.entry.checklists);
    if let Some(PrometheusServer { url, token_file }) = prometheus(spec) {
        file.open(2, "prometheus");
        file.put(3, "url", scalar(url));
        file.put(3, "token_file", or_null(token_file.as_deref().map(scalar)));
    }
    put_gates(&mut file, &spec.entry.gates);
    put_migration(&mut file, spec.migration.as_ref());
    if spec.routes.is_empty() {
        file.put(0, "routes", "[]");
    } else {
        file.open(0, "routes");
    }
    for rule in &spec.routes {
        file.line(1, &format!("- {}", route(rule)));
    }
    file.0
}

fn put_entrance(file: &mut Lines, entrance: &Entrance) {
    match &entrance.tls {
        Some(tls) => put_tls(file, tls),
        None => file.put(2, "tls", "null"),
    }
    if entrance.headers.is_empty() {
        file.put(2, "headers", "{}");
    } else {
        file.open(2, "headers");
    }
    for (name, text) in &entrance.headers {
        file.put(3, &scalar(name), scalar(text));
    }
    file.put(2, "trusted", list(&entrance.trusted));
    file.put(2, "proxy_protocol", list(&entrance.proxy_protocol));
}

fn put_entry(file: &mut Lines, entry: &EntryRules) {
    file.open(2, "entry");
    let or_taken = |is: bool| or_null(is.then_some(true));
    file.put(3, "automatic", or_taken(entry.automatic));
    file.put(3, "after", or_null(entry.after.as_ref()));
    for (key, patterns) in [("branches", &entry.branches), ("tags", &entry.tags)] {
        let names: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        file.put(3, key, list(&names));
    }
    if let Some(approvals) = &entry.approvals {
        file.open(3, "approvals");
        file.put(4, "count", approvals.count);
        let needs = approvals.needs.iter().map(|need| {
            let of = match &need.of {
                Voters::Team(team) => format!("team: {team}"),
                Voters::People(people) => {
                    let names: Vec<&str> = people.iter().map(PersonName::as_str).collect();
                    format!("people: [{}]", names.join(", "))
                }
            };
            format!("{{ {of}, count: {} }}", need.count)
        });
        let needs: Vec<String> = needs.collect();
        file.put(4, "needs", format!("[{}]", needs.join(", ")));
        file.put(4, "by_author", or_taken(approvals.by_author));
        file.put(4, "lasts", units::duration(approvals.lasts));
    } else {
        file.put(3, "approvals", "null");
    }
    let maintenance = entry.maintenance.iter().map(ToString::to_string);
    file.put(3, "maintenance", list(&maintenance.collect::<Vec<_>>()));
    let windows = entry.calendar.windows.iter().map(ToString::to_string);
    file.put(3, "windows", list(&windows.collect::<Vec<_>>()));
    file.put(3, "time_zone", scalar(&entry.calendar.time_zone));
    file.put(3, "waits", units::duration(entry.waits));
    let soak = entry.expedited.map(|way| units::duration(way.soak));
    file.put(3, "expedited", or_null(soak));
}

fn put_migration(file: &mut Lines, migration: Option<&Migration>) {
    let Some(migration) = migration else {
        file.put(2, "migration", "null");
        return;
    };
    file.open(2, "migration");
    file.put(3, "service", &migration.service);
    file.put(3, "run", list(&migration.run));
    file.put(3, "back", or_null(migration.back.as_deref().map(list)));
    file.put(3, "schema", migration.schema);
    file.put(3, "works_with", migration.works_with);
    file.put(3, "timeout", units::duration(migration.timeout));
    if migration.secrets.is_empty() {
        file.put(3, "secrets", "{}");
    } else {
        file.open(3, "secrets");
    }
    for (name, source) in &migration.secrets {
        let (key, value) = match source {
            SecretSource::File(path) => ("file", scalar(path)),
            SecretSource::Variable(variable) => ("variable", scalar(variable)),
        };
        file.line(4, &format!("{name}: {{ {key}: {value} }}"));
    }
    file.put(3, "watch_old", units::duration(migration.watch_old));
    file.put(3, "smoke", or_null(migration.smoke.as_deref().map(list)));
}

fn put_tls(file: &mut Lines, tls: &Tls) {
    file.open(2, "tls");
    if tls.certificates.is_empty() {
        file.put(3, "certificates", "[]");
    } else {
        file.open(3, "certificates");
    }
    for CertificateFiles { chain, key } in &tls.certificates {
        let (chain, key) = (scalar(chain), scalar(key));
        file.line(4, &format!("- {{ chain: {chain}, key: {key} }}"));
    }
    if let Some(acme) = &tls.acme {
        file.open(3, "acme");
        file.put(4, "directory", scalar(&acme.directory));
        file.put(4, "hosts", list(&acme.hosts));
        file.put(4, "contact", list(&acme.contact));
        file.put(4, "challenge", word(acme.challenge));
        file.put(4, "roots", or_null(acme.roots.as_deref().map(scalar)));
    } else {
        file.put(3, "acme", "null");
    }
    file.put(3, "min", scalar(word(tls.min)));
    let from_http = tls.from_http.map(|address| scalar(&address.to_string()));
    file.put(3, "from_http", or_null(from_http));
}

fn put_service(file: &mut Lines, service: &ServiceSpec) {
    let artifact = or_null(service.artifact.as_deref().map(scalar));
    if let Some(bundle) = &service.serve {
        put_bundle(file, &artifact, bundle);
    } else {
        file.put(2, "artifact", artifact);
        file.put(2, "run", list(&service.run));
    }
    file.put(2, "instances", service.instances);
    file.put(2, "folder", scalar(&service.folder));
    if service.env.is_empty() {
        file.put(2, "env", "{}");
    } else {
        file.open(2, "env");
    }
    for (name, value) in &service.env {
        file.put(3, name, scalar(value));
    }
    file.put(2, "user", or_null(service.user.as_deref().map(scalar)));
    file.put(2, "memory", or_null(service.memory.map(units::size)));
    file.put(2, "files", or_null(service.files));
    file.put(2, "protocol", word(service.protocol));
    file.open(2, "ready");
    match &service.ready.probe {
        Probe::Http(path) => file.put(3, "http", scalar(path)),
        Probe::Tcp => file.put(3, "tcp", true),
        Probe::Command(words) => file.put(3, "command", list(words)),
    }
    file.put(3, "every", units::duration(service.ready.every));
    file.put(3, "timeout", units::duration(service.ready.timeout));
    file.put(3, "within", units::duration(service.ready.within));
    file.put(3, "steady", units::duration(service.ready.steady));
    file.open(2, "stop");
    file.put(3, "signal", &service.stop.signal);
    file.put(3, "drain", units::duration(service.stop.drain));
    file.put(3, "grace", units::duration(service.stop.grace));
    let after: Vec<&str> = service.after.iter().map(|name| name.as_str()).collect();
    file.put(2, "after", list(&after));
    put_strategy(file, &service.strategy);
    put_limits(file, service);
    put_traffic(file, &service.traffic);
}

fn put_strategy(file: &mut Lines, strategy: &Strategy) {
    file.open(2, "strategy");
    let kind = match strategy.sizing {
        Sizing::Proportional => "canary",
        Sizing::Full => "blue_green",
        Sizing::InTurn => "rolling",
    };
    file.open(3, kind);
    if strategy.sizing == Sizing::InTurn {
        // The steps follow from the number of instances, and each but the last is held alike.
        let soak = strategy.steps.first().and_then(|step| step.soak);
        file.put(4, "soak", or_null(soak.map(units::duration)));
    } else {
        file.open(4, "steps");
        for Step { weight, soak } in &strategy.steps {
            let (weight, soak) = (units::weight(*weight), or_null(soak.map(units::duration)));
            file.line(5, &format!("- {{ weight: {weight}, soak: {soak} }}"));
        }
    }
    if strategy.sizing == Sizing::Proportional {
        let baseline = match strategy.baseline {
            BaselineKind::Stable => "stable",
            BaselineKind::Fresh => "fresh",
        };
        file.put(4, "baseline", baseline);
    }
    file.put(3, "keep_warm", units::duration(strategy.keep_warm));
    file.put(3, "patience", units::duration(strategy.patience));
    let on_inconclusive = match strategy.on_inconclusive {
        OnInconclusive::Hold => "hold",
        OnInconclusive::Rollback => "rollback",
        OnInconclusive::Advance => "advance",
    };
    file.put(3, "on_inconclusive", on_inconclusive);
}

fn put_limits(file: &mut Lines, service: &ServiceSpec) {
    let limits = &service.limits;
    let share = |limit: Option<f64>| or_null(limit.map(units::share));
    let time = |limit: Option<Duration>| or_null(limit.map(units::duration));
    file.open(2, "limits");
    file.put(3, "errors", share(limits.errors));
    file.put(3, "p95", time(limits.p95));
    file.put(3, "p99", time(limits.p99));
    file.put(3, "memory", share(limits.memory));
    file.put(3, "cpu", share(limits.cpu));
    file.put(3, "restarts", or_null(limits.restarts));
    file.put(3, "requests", limits.requests);
    file.put(3, "warm_up", units::duration(limits.warm_up));
    file.put(3, "risk", units::share(limits.risk.in_all()));
    file.open(3, "against_stable");
    file.put(4, "errors", share(limits.against_stable.errors));
    file.put(4, "p95", share(limits.against_stable.p95));
    file.put(4, "p99", share(limits.against_stable.p99));
    if !limits.metrics.is_empty() {
        file.open(3, "metrics");
    }
    for (name, limit) in &limits.metrics {
        file.open(4, name);
        if let Some(source) = service.metrics.get(name) {
            put_source(file, source);
        }
        put_limit(file, limit);
    }
}

/// Returns where Prometheus is; of all metrics in an environment it is the same one.
fn prometheus(spec: &EnvironmentSpec) -> Option<&PrometheusServer> {
    let mut sources = spec.services.values().flat_map(|s| s.metrics.values());
    sources.find_map(|source| match source {
        MetricSource::Queried(queried) => Some(&queried.server),
        MetricSource::Shown(_) | MetricSource::Measured(_) => None,
    })
}

fn put_source(file: &mut Lines, source: &MetricSource) {
    match source {
        MetricSource::Shown(shown) => {
            file.put(5, "metric", scalar(&shown.selector.to_string()));
            file.put(5, "path", scalar(&shown.path));
            if shown.counter {
                file.put(5, "counter", true);
            }
            file.put(5, "series", or_null(shown.series.map(word)));
            file.put(5, "instances", word(shown.instances));
            file.put(5, "every", units::duration(shown.every));
        }
        MetricSource::Queried(queried) => {
            file.put(5, "prometheus", scalar(queried.query.as_str()));
            file.put(5, "every", units::duration(queried.every));
        }
        MetricSource::Measured(measured) => file.put(5, "instance", word(*measured)),
    }
}

fn put_limit(file: &mut Lines, limit: &GaugeLimit) {
    file.put(5, "at_most", or_null(limit.at_most));
    file.put(5, "at_least", or_null(limit.at_least));
    let share = limit.against_stable.map(units::share);
    file.put(5, "against_stable", or_null(share));
    file.put(5, "worse", word(limit.worse));
    file.put(5, "for", units::duration(limit.hold));
    file.put(5, "outage", units::duration(limit.outage));
}

/// The lines of a file, indented by two blanks for each level.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn line(&mut self, level: usize, text: &str) {
        self.0.push_str(&"  ".repeat(level));
        self.0.push_str(text);
        self.0.push('\n');
    }

    pub(super) fn open(&mut self, level: usize, key: &str) {
        self.line(level, &format!("{key}:"));
    }

    pub(super) fn put(&mut self, level: usize, key: &str, value: impl Display) {
        self.line(level, &format!("{key}: {value}"));
    }
}

pub(super) fn or_null(value: Option<impl Display>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

pub(super) fn list(words: &[impl AsRef<str>]) -> String {
    let words: Vec<String> = words.iter().map(|word| scalar(word.as_ref())).collect();
    format!("[{}]", words.join(", "))
}

/// Writes text so that every reader of YAML takes it for that text.
pub(super) fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "./$_".contains(c))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "./$_-=%@+:".contains(c))
        && !text.ends_with(':')
        && !looks_typed(text)
        && !matches!(
            &*text.to_lowercase(),
            "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain {
        return text.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' => quoted.push(c),
            c if c.is_alphanumeric() => quoted.push(c),
            // Whatever cannot be seen, or is not the same everywhere, by its number.
            c => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        for (text, written) in [
            ("./server", "./server"),
            ("$PORT", "$PORT"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("--quiet", "\"--quiet\""),
            ("1.10", "\"1.10\""),
            ("true", "\"true\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("a\nb\"\\", "\"a\\nb\\\"\\\\\""),
            ("\u{85}\u{202e}é", "\"\\U00000085\\U0000202Eé\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }
}
