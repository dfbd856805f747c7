//! The metrics of a service: their limits, and where their values come from.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_analysis::{GaugeLimit, Worse};

use super::codes::{CONTRADICTION, MISSING_KEY, SAME_ON_BOTH_SIDES};
use super::metric_values::Amount;
use super::model::{Limits, Metric, Prometheus};
use super::problem::Span;
use super::read::{Located, Reader, Setting};
use super::shape::Short;
use crate::metric::{Fold, MetricSource, PrometheusServer, Queried, Selector, Shown};

/// How often a page of metrics is read.
const EVERY: Duration = Duration::from_secs(5);
/// How long a window of Prometheus is: its own default from one scrape to the next is 15 s too.
const WINDOW: Duration = Duration::from_secs(15);
/// The path where services show their metrics.
pub(super) const PATH: &str = "/metrics";

/// Returns the limits of the metrics that `limits` names, or notes what is wrong with them.
pub(super) fn limits(
    limits: &Setting<Limits>,
    reader: &mut Reader,
) -> BTreeMap<String, GaugeLimit> {
    let mut found = BTreeMap::new();
    for (name, keys) in given(limits) {
        found.insert(name.value.clone(), limit(name, keys, reader));
    }
    found
}

/// Returns where the values of these metrics come from, or notes what is wrong with that.
pub(super) fn sources(
    limits: &Setting<Limits>,
    prometheus: &Setting<Short<Prometheus>>,
    reader: &mut Reader,
) -> BTreeMap<String, MetricSource> {
    let mut found = BTreeMap::new();
    for (name, keys) in given(limits) {
        let source = source(name, keys, prometheus, reader);
        found.extend(source.map(|source| (name.value.clone(), source)));
    }
    found
}

fn given(limits: &Setting<Limits>) -> impl Iterator<Item = (&Located<String>, &Metric)> {
    let metrics = limits.get().and_then(|limits| limits.metrics.get());
    let entries = metrics.into_iter().flat_map(|map| &map.entries);
    entries.filter_map(|(name, keys)| Some((name, keys.get()?)))
}

fn limit(name: &Located<String>, keys: &Metric, reader: &mut Reader) -> GaugeLimit {
    let amount = |setting: &Setting<Amount>| setting.get().map(|amount| amount.0);
    let (at_most, at_least) = (amount(&keys.at_most), amount(&keys.at_least));
    let missing =
        keys.at_most.is_missing() && keys.at_least.is_missing() && keys.against_stable.is_missing();
    if missing {
        let message = format!("`{}` has no limit", name.value);
        let hint = "add one, such as `at_most: 100` or `against_stable: 20%`";
        reader.note(&MISSING_KEY, name.at, message, hint);
    }
    if let (Some(most), Some(least)) = (at_most, at_least)
        && most < least
    {
        let message = format!("no value is at least {least} and at most {most}");
        let hint = "exchange the two, or take one out";
        reader.note(&CONTRADICTION, name.at, message, hint);
    }
    GaugeLimit {
        at_most,
        at_least,
        against_stable: keys.against_stable.get().map(|share| share.0),
        worse: worse(keys),
        hold: keys.r#for.get().map_or(GaugeLimit::HOLD, |time| time.0),
        outage: keys.outage.get().map_or(GaugeLimit::OUTAGE, |time| time.0),
    }
}

/// What has only a least value is worse the less it is.
fn worse(keys: &Metric) -> Worse {
    match keys.worse.get() {
        Some(word) => word.0,
        None if keys.at_most.is_missing() && keys.at_least.is_present() => Worse::Less,
        None => Worse::More,
    }
}

fn source(
    name: &Located<String>,
    keys: &Metric,
    prometheus: &Setting<Short<Prometheus>>,
    reader: &mut Reader,
) -> Option<MetricSource> {
    let only_of_shown = [
        ("path", keys.path.is_present()),
        ("counter", keys.counter.is_present()),
        ("series", keys.series.is_present()),
        ("instances", keys.instances.is_present()),
    ];
    if keys.metric.is_present() {
        return keys.metric.get().map(|text| shown(&text.0, keys));
    }
    let (kind, instead) = if keys.prometheus.is_present() {
        (
            "prometheus",
            "say it in the query, such as `sum(rate(x[1m]))`",
        )
    } else if keys.instance.is_present() {
        (
            "instance",
            "take it out: of the instances the largest one counts",
        )
    } else {
        let message = format!("`{}` does not say where it comes from", name.value);
        let hint = "add `metric: NAME`, `prometheus: QUERY`, or `instance: memory`";
        reader.note(&MISSING_KEY, name.at, message, hint);
        return None;
    };
    for (key, present) in only_of_shown {
        if present {
            contradiction(name, key, kind, instead, reader);
        }
    }
    if let Some(measured) = keys.instance.get() {
        if keys.every.is_present() {
            let instead = "take it out: it is measured every second";
            contradiction(name, "every", kind, instead, reader);
        }
        return Some(MetricSource::Measured(measured.0));
    }
    let query = keys.prometheus.get()?.0.clone();
    if keys.against_stable.is_present() && !query.tells_sides_apart() {
        let message = format!(
            "the query of `{}` asks the same of both revisions",
            name.value
        );
        let hint = "have it ask about `$INSTANCES`, `$RELEASE` or `$REVISION`";
        reader.note(&SAME_ON_BOTH_SIDES, name.at, message, hint);
    }
    Some(MetricSource::Queried(Queried {
        server: server(name.at, prometheus, reader)?,
        query,
        every: keys.every.get().map_or(WINDOW, |time| time.0),
    }))
}

fn shown(selector: &Selector, keys: &Metric) -> MetricSource {
    let worst = match worse(keys) {
        Worse::More => Fold::Max,
        Worse::Less => Fold::Min,
    };
    MetricSource::Shown(Shown {
        selector: selector.clone(),
        path: keys
            .path
            .get()
            .map_or_else(|| PATH.to_owned(), |path| path.0.clone()),
        counter: keys.counter.is_present(),
        series: keys.series.get().map(|fold| fold.0),
        instances: keys.instances.get().map_or(worst, |fold| fold.0),
        every: keys.every.get().map_or(EVERY, |time| time.0),
    })
}

fn contradiction(
    name: &Located<String>,
    key: &str,
    kind: &str,
    instead: &str,
    reader: &mut Reader,
) {
    let message = format!("`{key}` of `{}` does not go with `{kind}`", name.value);
    reader.note(&CONTRADICTION, name.at, message, instead);
}

/// Returns where Prometheus is, or notes that nothing says so.
fn server(
    at: Span,
    prometheus: &Setting<Short<Prometheus>>,
    reader: &mut Reader,
) -> Option<PrometheusServer> {
    let keys = prometheus.get().map(|short| &short.0);
    let nowhere = prometheus.is_missing() || keys.is_some_and(|keys| keys.url.is_missing());
    if nowhere {
        let message = "nothing says where Prometheus is";
        let hint = "add it at the top level, such as `prometheus: http://127.0.0.1:9090`";
        reader.note(&MISSING_KEY, at, message, hint);
    }
    let keys = keys?;
    Some(PrometheusServer {
        url: keys.url.get()?.0.clone(),
        token_file: keys.token_file.get().map(|file| file.0.clone()),
    })
}
