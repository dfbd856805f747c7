//! What the runtime measures of instances, as samples for the judge.

use leadsman_analysis::{Metric, Sample};
use leadsman_core::metric::{Measured, MetricSource};
use leadsman_core::workload::ObservedInstance;
use leadsman_core::{Observed, Revision, Rollout};

/// Returns the memory and the processor time of both arms: of each the instance that uses most,
/// because it is the one that will be killed, or that answers last.
pub(crate) fn samples(
    rollout: &Rollout,
    baseline: Option<&Revision>,
    observed: &Observed,
    seconds: f64,
) -> Vec<Sample> {
    let sample = |metric, of: &dyn Fn(&Revision) -> Option<f64>| Sample {
        metric,
        seconds,
        canary: of(&rollout.to),
        baseline: baseline.and_then(of),
    };
    let mut samples = Vec::new();
    // Without a limit there is nothing that it could be a share of.
    if rollout.to.service.spec.memory.is_some() {
        let memory = sample(Metric::Memory, &|of| memory(of, observed));
        samples.push(memory);
    }
    let cpu = sample(Metric::Cpu, &|of| cpu_of(of, observed));
    if cpu.canary.is_some() || rollout.to.service.spec.limits.cpu.is_some() {
        samples.push(cpu);
    }
    for (name, source) in &rollout.to.service.spec.metrics {
        let measured: &dyn Fn(&Revision) -> Option<f64> = match source {
            MetricSource::Measured(Measured::Memory) => &|of| bytes(of, observed),
            MetricSource::Measured(Measured::Cpu) => &|of| cpu_of(of, observed),
            MetricSource::Shown(_) | MetricSource::Queried(_) => continue,
        };
        samples.push(sample(Metric::Named(name.clone()), measured));
    }
    samples
}

/// The largest share of its memory limit that an instance uses.
fn memory(revision: &Revision, observed: &Observed) -> Option<f64> {
    let limit = revision.service.spec.memory?;
    Some(bytes(revision, observed)? / number(limit.max(1)))
}

/// The most memory that an instance uses, in bytes.
fn bytes(revision: &Revision, observed: &Observed) -> Option<f64> {
    let used = instances(revision, observed).filter_map(|seen| seen.memory);
    used.max().map(number)
}

/// The largest share of one core that an instance uses.
fn cpu_of(revision: &Revision, observed: &Observed) -> Option<f64> {
    let used = instances(revision, observed).filter_map(|seen| seen.cpu);
    used.max().map(|used| used.as_secs_f64())
}

/// Returns the instances of a revision.
pub(crate) fn instances<'a>(
    revision: &'a Revision,
    observed: &'a Observed,
) -> impl Iterator<Item = &'a ObservedInstance> {
    let mine = |seen: &&ObservedInstance| seen.revision == revision.id;
    observed.instances.values().filter(mine)
}

#[expect(clippy::cast_precision_loss, reason = "memory needs no 53 bits")]
fn number(bytes: u64) -> f64 {
    bytes as f64
}
