//! From what is said of the pipeline to the jobs that run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use leadsman_gates::ReportKind;

use super::codes::{CONTRADICTION, CYCLE, MISSING_KEY, TOO_LARGE, UNKNOWN_NAME};
use super::model::File;
use super::pipeline::{self as keys, Job as Keys, Secret};
use super::pipeline_values::SecretKey;
use super::problem::{Span, quoted};
use super::read::{Located, Reader, Setting};
use super::shape::{List, Map, Short};
use super::values::{Name, VariableText};
use super::{load, resolve, suggest};
use crate::id::{EnvironmentName, ServiceName};
use crate::pipeline::{
    Beside, Cache, Job, JobName, LOAD_REPORT, Pipeline, Report, Retry, Schedule, SecretSource,
    Start, Step,
};

const TIMEOUT: Duration = Duration::from_secs(30 * 60);
const DISK: u64 = 20 << 30;
const PROCESSES: u32 = 2000;
/// How many jobs a pipeline has at most, those of matrices one by one.
const JOBS_MAX: usize = 500;

/// A job and where it is named.
type Named<'f> = (&'f Located<String>, &'f Keys);

/// What becomes of each job of the file: one job, or one for each combination of its matrix, with
/// the variables that tell them apart.
type Variants<'f> = BTreeMap<&'f str, Vec<(JobName, BTreeMap<String, String>)>>;

/// Returns the pipeline of a file, as far as it has one that can be used.
pub(super) fn resolve(file: &File, reader: &mut Reader) -> Option<Pipeline> {
    let pipeline = file.pipeline.get()?;
    let entries = pipeline.jobs.get().map_or(&[][..], |map| &map.entries);
    let named: Vec<Named<'_>> = entries
        .iter()
        .filter_map(|(name, job)| Some((name, job.get()?)))
        .collect();
    let known: Vec<&str> = entries
        .iter()
        .map(|(name, _)| name.value.as_str())
        .collect();
    refuse_unknown(file, &named, &known, reader);
    refuse_cycles(&named, reader);
    refuse_shared_artifacts(&named, reader);
    let variants: Variants<'_> = named
        .iter()
        .map(|(name, job)| (name.value.as_str(), expand(name, job, reader)))
        .collect();
    let mut jobs = BTreeMap::new();
    for (name, keys) in &named {
        let resolved = job(name, keys, &variants, reader);
        for (name, values) in variants.get(name.value.as_str()).into_iter().flatten() {
            let mut job = resolved.clone();
            job.env.extend(values.clone());
            jobs.insert(name.clone(), job);
        }
    }
    if jobs.len() > JOBS_MAX {
        let at = entries.first().map_or(Span::default(), |(name, _)| name.at);
        let message = format!("{} jobs are too many", jobs.len());
        reader.note(&TOO_LARGE, at, message, format!("{JOBS_MAX} is the most"));
    }
    Some(Pipeline {
        start: start(pipeline.start.get()),
        budget: pipeline.budget.get().map(|time| time.0),
        jobs,
    })
}

fn start(keys: Option<&keys::Start>) -> Start {
    let Some(keys) = keys else {
        return Start::default();
    };
    let texts = |list: &Setting<List<super::entry_values::ReferenceText, 50>>| {
        let items = list.get().into_iter().flat_map(|list| &list.items);
        items.map(|text| text.0.clone()).collect()
    };
    let schedule = keys.schedule.get().and_then(|short| {
        let keys = &short.0;
        Some(Schedule {
            cron: keys.cron.get()?.0.clone(),
            time_zone: keys
                .time_zone
                .get()
                .map_or("UTC", |zone| &zone.0)
                .to_owned(),
            branch: keys
                .branch
                .get()
                .map_or("main", |branch| &branch.0.0)
                .to_owned(),
        })
    });
    Start {
        push: texts(&keys.push),
        tag: texts(&keys.tag),
        schedule,
    }
}

/// Returns the jobs that one of the file stands for.
fn expand(
    name: &Located<String>,
    keys: &Keys,
    reader: &mut Reader,
) -> Vec<(JobName, BTreeMap<String, String>)> {
    let mut variants = vec![(name.value.clone(), BTreeMap::new())];
    for (variable, values) in keys.matrix.get().into_iter().flat_map(|map| &map.entries) {
        let Some(values) = values.get() else { continue };
        let mut seen = BTreeSet::new();
        let mut more = Vec::new();
        for value in values.items.iter().map(|text| &text.0) {
            if !seen.insert(&value.value) {
                let message = format!("{} is given twice", quoted(&value.value));
                reader.note(&CONTRADICTION, value.at, message, "take one of them out");
                continue;
            }
            for (name, known) in &variants {
                let mut known: BTreeMap<String, String> = known.clone();
                known.insert(variable.value.clone(), value.value.clone());
                more.push((format!("{name}.{}", value.value), known));
            }
        }
        if values.items.is_empty() {
            let message = format!("{} has no values", quoted(&variable.value));
            let hint = "name at least one, or take it out";
            reader.note(&MISSING_KEY, values.at, message, hint);
        }
        if more.len() > JOBS_MAX {
            let message = format!("the matrix of `{}` has too many combinations", name.value);
            let hint = format!("{JOBS_MAX} is the most");
            reader.note(&TOO_LARGE, variable.at, message, hint);
            return Vec::new();
        }
        variants = more;
    }
    let mut jobs = Vec::new();
    let mut seen = BTreeSet::new();
    for (text, values) in variants {
        match JobName::try_from(text.clone()) {
            Ok(job) if seen.insert(job.clone()) => jobs.push((job, values)),
            _ => {
                let message = format!(
                    "two jobs would be called {}, or it is too long",
                    quoted(&text)
                );
                let hint = "choose values that tell the jobs apart, and are short";
                reader.note(&CONTRADICTION, name.at, message, hint);
                return Vec::new();
            }
        }
    }
    jobs
}

fn job(name: &Located<String>, keys: &Keys, variants: &Variants<'_>, reader: &mut Reader) -> Job {
    if keys.run.is_missing() && keys.script.is_missing() && keys.load.is_missing() {
        let message = format!("job `{}` has no `run`, `script` or `load`", name.value);
        let hint = "add what it does, such as `run: make test`";
        reader.note(&MISSING_KEY, name.at, message, hint);
    }
    refuse_same_variables(name, keys, reader);
    let lines = keys.run.get().into_iter().flat_map(|lines| &lines.0);
    let mut steps: Vec<Step> = lines.map(|line| Step::Command(line.clone())).collect();
    steps.extend(
        keys.script
            .get()
            .map(|script| Step::Script(script.0.clone())),
    );
    let load = keys
        .load
        .get()
        .and_then(|keys| load::resolve(keys, name.at, reader));
    if let Some(load) = &load
        && load.server.is_none()
        && keys.after.is_missing()
    {
        let message = format!("the load of job `{}` names no server", name.value);
        let hint = "say `after: staging`, and it is made there; or write a whole URL in `url`";
        reader.note(&MISSING_KEY, name.at, message, hint);
    }
    steps.extend(load.map(|load| Step::Load(Box::new(load))));
    let needs: BTreeSet<JobName> = needed(keys)
        .flat_map(|need| variants.get(need.value.as_str()).into_iter().flatten())
        .map(|(name, _)| name.clone())
        .collect();
    Job {
        steps,
        needs: needs.into_iter().collect(),
        after: keys
            .after
            .get()
            .and_then(|name| EnvironmentName::try_from(name.0.value.clone()).ok()),
        timeout: keys.timeout.get().map_or(TIMEOUT, |time| time.0),
        budget: keys.budget.get().map(|time| time.0),
        retry: retry(keys),
        env: texts(keys.env.get()),
        secrets: secrets(&keys.secrets),
        folder: keys
            .folder
            .get()
            .map_or_else(|| ".".to_owned(), |path| path.0.clone()),
        inputs: patterns(keys.inputs.get()),
        tools: entries(keys.tools.get())
            .map(|(name, tool)| (name.value.clone(), tool.0.clone()))
            .collect(),
        reports: reports(keys),
        artifacts: entries(keys.artifacts.get())
            .filter_map(|(name, path)| {
                let service = ServiceName::try_from(name.value.clone()).ok()?;
                Some((service, path.0.clone()))
            })
            .collect(),
        services: entries(keys.services.get())
            .filter_map(|(name, beside)| {
                let service = ServiceName::try_from(name.value.clone()).ok()?;
                let beside = Beside {
                    run: beside.run.get()?.0.clone(),
                    ready: resolve::readiness(&beside.ready),
                    env: texts(beside.env.get()),
                };
                Some((service, beside))
            })
            .collect(),
        cache: keys
            .cache
            .get()
            .into_iter()
            .flat_map(|list| &list.items)
            .filter_map(|short| {
                Some(Cache {
                    path: short.0.path.get()?.0.clone(),
                    key: patterns(short.0.key.get()),
                })
            })
            .collect(),
        disk: keys.disk.get().map_or(DISK, |size| size.0),
        processes: keys.processes.get().map_or(PROCESSES, |number| {
            u32::try_from(number.0).unwrap_or(u32::MAX)
        }),
    }
}

/// Returns the entries of a mapping that can be used.
fn entries<K, T, const MOST: usize>(
    map: Option<&Map<K, T, MOST>>,
) -> impl Iterator<Item = (&Located<String>, &T)> {
    let entries = map.into_iter().flat_map(|map| &map.entries);
    entries.filter_map(|(name, value)| Some((name, value.get()?)))
}

fn texts<K, const MOST: usize>(
    map: Option<&Map<K, VariableText, MOST>>,
) -> BTreeMap<String, String> {
    entries(map)
        .map(|(name, text)| (name.value.clone(), text.0.clone()))
        .collect()
}

fn patterns<const MOST: usize>(
    list: Option<&List<super::pipeline_values::InputPattern, MOST>>,
) -> Vec<crate::bundle::Pattern> {
    let items = list.into_iter().flat_map(|list| &list.items);
    items.map(|pattern| pattern.0.clone()).collect()
}

fn retry(keys: &Keys) -> Retry {
    let Some(keys) = keys.retry.get().map(|short| &short.0) else {
        return Retry::default();
    };
    Retry {
        times: keys
            .times
            .get()
            .map_or(1, |number| u32::try_from(number.0).unwrap_or(u32::MAX)),
        backoff: keys
            .backoff
            .get()
            .map_or(Retry::default().backoff, |time| time.0),
    }
}

/// Returns where the values of secrets are.
pub(super) fn secrets(
    secrets: &Setting<Map<SecretKey, Short<Secret>, 100>>,
) -> BTreeMap<String, SecretSource> {
    entries(secrets.get())
        .filter_map(|(name, short)| {
            let source = match (short.0.file.get(), short.0.variable.get()) {
                (Some(file), _) => SecretSource::File(file.0.clone()),
                (None, Some(variable)) => SecretSource::Variable(variable.0.clone()),
                (None, None) => return None,
            };
            Some((name.value.clone(), source))
        })
        .collect()
}

fn reports(keys: &Keys) -> Vec<Report> {
    let mut reports = Vec::new();
    if keys.load.is_present() {
        reports.push(Report {
            kind: ReportKind::Load,
            path: LOAD_REPORT.to_owned(),
            numbers: BTreeMap::new(),
        });
    }
    let Some(keys) = keys.reports.get() else {
        return reports;
    };
    let files = [
        (ReportKind::Junit, &keys.junit),
        (ReportKind::Lcov, &keys.lcov),
        (ReportKind::Cobertura, &keys.cobertura),
        (ReportKind::Sarif, &keys.sarif),
        (ReportKind::Trivy, &keys.trivy),
        (ReportKind::Grype, &keys.grype),
        (ReportKind::Cyclonedx, &keys.cyclonedx),
        (ReportKind::K6, &keys.k6),
        (ReportKind::Load, &keys.load),
    ];
    for (kind, paths) in files {
        for path in paths.get().into_iter().flat_map(|paths| &paths.0) {
            reports.push(Report {
                kind,
                path: path.clone(),
                numbers: BTreeMap::new(),
            });
        }
    }
    for (name, number) in entries(keys.numbers.get()) {
        if let (Some(file), Some(at)) = (number.file.get(), number.at.get()) {
            reports.push(Report {
                kind: ReportKind::Numbers,
                path: file.0.clone(),
                numbers: [(name.value.clone(), at.0.clone())].into(),
            });
        }
    }
    reports
}

fn needed(keys: &Keys) -> impl Iterator<Item = &Located<String>> {
    let items = keys.needs.get().into_iter().flat_map(|list| &list.items);
    items.map(|Name(name)| name)
}

/// Notes variables that are given in two ways.
fn refuse_same_variables(name: &Located<String>, keys: &Keys, reader: &mut Reader) {
    let env: Vec<&str> = keys
        .env
        .get()
        .into_iter()
        .flat_map(|map| map.keys())
        .collect();
    let matrix = keys.matrix.get().into_iter().flat_map(|map| &map.entries);
    let secrets = keys.secrets.get().into_iter().flat_map(|map| &map.entries);
    let mut seen: BTreeSet<&str> = env.into_iter().collect();
    let others = matrix
        .map(|(key, _)| key)
        .chain(secrets.map(|(key, _)| key));
    for key in others {
        if !seen.insert(&key.value) {
            let message = format!("`{}` is given to job `{}` twice", key.value, name.value);
            let hint = "keep it in one of `env`, `secrets` and `matrix`";
            reader.note(&CONTRADICTION, key.at, message, hint);
        }
    }
}

/// Notes names of jobs, services and environments that there are not.
fn refuse_unknown(file: &File, named: &[Named<'_>], known: &[&str], reader: &mut Reader) {
    let environments: Vec<&str> = match file.environments.get() {
        Some(map) if !map.is_empty() => map.keys().collect(),
        _ => vec!["production"],
    };
    let services: Vec<&str> = file
        .services
        .get()
        .into_iter()
        .flat_map(|map| map.keys())
        .collect();
    let is_after = |name: &str| {
        let job = named.iter().find(|(known, _)| known.value == name);
        job.is_some_and(|(_, job)| job.after.is_present())
    };
    for (name, job) in named {
        for need in needed(job) {
            if !known.contains(&need.value.as_str()) {
                let message = format!("there is no job {}", quoted(&need.value));
                let hint = suggest::hint(&need.value, known.iter().copied());
                reader.note(&UNKNOWN_NAME, need.at, message, hint);
            } else if is_after(&need.value) && !job.after.is_present() {
                let message = format!(
                    "`{}` needs `{}`, which begins only once there is a release",
                    name.value, need.value
                );
                let hint = "give it the same `after`, or take it out of `needs`";
                reader.note(&CONTRADICTION, need.at, message, hint);
            }
        }
        if let Some(Name(after)) = job.after.get()
            && !environments.contains(&after.value.as_str())
        {
            let message = format!("there is no environment {}", quoted(&after.value));
            let hint = suggest::hint(&after.value, environments.iter().copied());
            reader.note(&UNKNOWN_NAME, after.at, message, hint);
        }
        for (service, _) in job.artifacts.get().into_iter().flat_map(|map| &map.entries) {
            if !services.contains(&service.value.as_str()) {
                resolve::refuse_unknown_service(service, services.iter().copied(), reader);
            }
        }
    }
}

/// Notes artifacts that more than one job would make.
fn refuse_shared_artifacts(named: &[Named<'_>], reader: &mut Reader) {
    let mut makers: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, job) in named {
        for (service, _) in job.artifacts.get().into_iter().flat_map(|map| &map.entries) {
            let hint = "have one job make it";
            if let Some(other) = makers.insert(&service.value, &name.value) {
                let message = format!(
                    "`{other}` and `{}` both make the artifact of `{}`",
                    name.value, service.value
                );
                reader.note(&CONTRADICTION, service.at, message, hint);
            } else if job.matrix.get().is_some_and(|map| !map.is_empty()) {
                let message = format!(
                    "each job of the matrix of `{}` would make the artifact of `{}`",
                    name.value, service.value
                );
                reader.note(&CONTRADICTION, service.at, message, hint);
            } else if job.after.is_present() {
                let message = format!(
                    "`{}` begins once there is a release, and can make nothing for it",
                    name.value
                );
                reader.note(&CONTRADICTION, service.at, message, "take `after` out");
            }
        }
    }
}

/// Notes each circle of jobs that need one another, once and as a whole.
fn refuse_cycles(named: &[Named<'_>], reader: &mut Reader) {
    let needs: BTreeMap<&str, Vec<&Located<String>>> = named
        .iter()
        .map(|(name, job)| (name.value.as_str(), needed(job).collect()))
        .collect();
    let mut left: BTreeSet<&str> = needs.keys().copied().collect();
    let open = |left: &BTreeSet<&str>, job: &str| {
        let needs = needs.get(job).into_iter().flatten();
        needs
            .copied()
            .find(|need| left.contains(need.value.as_str()))
    };
    loop {
        let free: Vec<&str> = left
            .iter()
            .copied()
            .filter(|job| open(&left, job).is_none())
            .collect();
        if free.is_empty() {
            break;
        }
        left.retain(|job| !free.contains(job));
    }
    // Every job that is left needs another one that is left, so a walk must meet itself.
    while let Some(first) = left.first().copied() {
        let mut walk = vec![first];
        let mut last = first;
        while let Some(next) = open(&left, last) {
            if let Some(begin) = walk.iter().position(|job| *job == next.value) {
                let circle = walk.get(begin..).unwrap_or_default();
                let names: Vec<String> = circle
                    .iter()
                    .chain(circle.first())
                    .map(|name| format!("`{name}`"))
                    .collect();
                let message = format!("jobs wait for each other: {}", names.join(" needs "));
                reader.note(&CYCLE, next.at, message, "take out one of these `needs`");
                break;
            }
            last = &next.value;
            walk.push(last);
        }
        left.retain(|job| !walk.contains(job));
    }
}
