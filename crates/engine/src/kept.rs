//! How what was told is written down.
//!
//! A row of the figure store holds a list of things told, in order, as JSON. There is a row for
//! every few seconds of every rollout, so the form is short: lists instead of objects, one letter
//! for the kind, and nothing for what is empty. A histogram is a list of pairs: how many empty
//! buckets to pass over, then the count of the next one.
//!
//! What comes back is what was told, to the last bit: a replay is judged like the original.

use leadsman_analysis::{Failed, Figures, Histogram, History, Metric, Sample, Split, Told, Window};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::data_plane::WindowId;

/// Returns one thing told as it is kept: an item of a row's list.
///
/// Where it is a window of the data plane, `id` says which one.
pub(crate) fn item(told: &Told, id: Option<WindowId>) -> String {
    serde_json::to_string(&Item::of(told, id)).expect("the kept form has only text keys")
}

/// Returns the row of these items.
pub(crate) fn body<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: Vec<&str> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// Reads a row.
pub(crate) fn read(body: &str) -> serde_json::Result<Vec<Told>> {
    read_with_last(body).map(|(told, _)| told)
}

/// Reads a row, and which its last window is; `None` where it has none, or an older version wrote it.
pub(crate) fn read_with_last(body: &str) -> serde_json::Result<(Vec<Told>, Option<WindowId>)> {
    let items: Vec<Item> = serde_json::from_str(body)?;
    let last = items.iter().rev().find_map(|item| match item {
        Item::Window(.., id) => id.map(|[series, sequence]| WindowId { series, sequence }),
        Item::History(..) | Item::Step(..) | Item::Sample(..) | Item::Failed(..) => None,
    });
    Ok((items.into_iter().map(Item::told).collect(), last))
}

/// [`Told`] as it is kept. Each kind lists the fields of its namesake.
#[derive(Serialize, Deserialize)]
enum Item {
    /// Seconds; the baseline and its reference.
    #[serde(rename = "h")]
    History(Number, Arms),
    /// The canary's and the baseline's share.
    #[serde(rename = "s")]
    Step(Number, Number),
    /// Seconds, restarts; the canary, the baseline and its reference; series and number.
    #[serde(rename = "w")]
    Window(
        Number,
        u32,
        Arms,
        #[serde(default, skip_serializing_if = "Option::is_none")] Option<[u64; 2]>,
    ),
    /// Metric, seconds, canary, baseline.
    #[serde(rename = "m")]
    Sample(Metric, Number, Option<Number>, Option<Number>),
    /// Metric, seconds, why.
    #[serde(rename = "f")]
    Failed(Option<Metric>, Number, String),
}

/// Arms in their order, those behind the last one that is there left out.
type Arms = Vec<Option<Counted>>;

/// [`Figures`] as they are kept: requests, errors, latency, and what was counted exactly.
#[derive(Serialize, Deserialize)]
pub(crate) struct Counted(
    u64,
    u64,
    Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")] Option<[u64; 2]>,
);

/// A number that may be none: JSON has no words for those, and they must come back.
#[derive(Clone, Copy)]
pub(crate) struct Number(pub(crate) f64);

impl Item {
    fn of(told: &Told, id: Option<WindowId>) -> Self {
        match told {
            Told::History(History {
                seconds,
                baseline,
                reference,
            }) => Self::History(Number(*seconds), arms([Some(baseline), reference.as_ref()])),
            Told::Step(Split { canary, baseline }) => {
                Self::Step(Number(*canary), Number(*baseline))
            }
            Told::Window(Window {
                seconds,
                canary,
                baseline,
                reference,
                restarts,
            }) => {
                let arms = arms([Some(canary), baseline.as_ref(), reference.as_ref()]);
                let id = id.map(|id| [id.series, id.sequence]);
                Self::Window(Number(*seconds), *restarts, arms, id)
            }
            Told::Sample(Sample {
                metric,
                seconds,
                canary,
                baseline,
            }) => Self::Sample(
                metric.clone(),
                Number(*seconds),
                canary.map(Number),
                baseline.map(Number),
            ),
            Told::Failed(Failed {
                metric,
                seconds,
                why,
            }) => Self::Failed(metric.clone(), Number(*seconds), why.clone()),
        }
    }

    fn told(self) -> Told {
        match self {
            Self::History(Number(seconds), arms) => {
                let [baseline, reference] = figures(arms);
                Told::History(History {
                    seconds,
                    baseline: baseline.unwrap_or_default(),
                    reference,
                })
            }
            Self::Step(Number(canary), Number(baseline)) => Told::Step(Split { canary, baseline }),
            Self::Window(Number(seconds), restarts, arms, _) => {
                let [canary, baseline, reference] = figures(arms);
                Told::Window(Window {
                    seconds,
                    canary: canary.unwrap_or_default(),
                    baseline,
                    reference,
                    restarts,
                })
            }
            Self::Sample(metric, Number(seconds), canary, baseline) => Told::Sample(Sample {
                metric,
                seconds,
                canary: canary.map(|Number(value)| value),
                baseline: baseline.map(|Number(value)| value),
            }),
            Self::Failed(metric, Number(seconds), why) => Told::Failed(Failed {
                metric,
                seconds,
                why,
            }),
        }
    }
}

fn arms<const N: usize>(figures: [Option<&Figures>; N]) -> Arms {
    let mut arms: Arms = figures.map(|figures| figures.map(Counted::of)).into();
    while let Some(None) = arms.last() {
        arms.pop();
    }
    arms
}

fn figures<const N: usize>(arms: Arms) -> [Option<Figures>; N] {
    let mut arms = arms.into_iter().map(|arm| arm.map(Counted::figures));
    std::array::from_fn(|_| arms.next().flatten())
}

impl Counted {
    pub(crate) fn of(figures: &Figures) -> Self {
        let Figures {
            requests,
            errors,
            latency,
            over,
        } = figures;
        let mut pairs = Vec::new();
        let mut empty = 0;
        for count in latency.counts() {
            if *count == 0 {
                empty += 1;
            } else {
                pairs.extend([empty, *count]);
                empty = 0;
            }
        }
        Self(*requests, *errors, pairs, *over)
    }

    pub(crate) fn figures(self) -> Figures {
        let Self(requests, errors, pairs, over) = self;
        let mut next = 0_u64;
        let mut buckets = Vec::with_capacity(pairs.len() / 2);
        for pair in pairs.chunks_exact(2) {
            if let [empty, count] = pair {
                let bucket = next.saturating_add(*empty);
                buckets.push((u16::try_from(bucket).unwrap_or(u16::MAX), *count));
                next = bucket.saturating_add(1);
            }
        }
        Figures {
            requests,
            errors,
            latency: Histogram::from(buckets),
            over,
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else {
            serializer.collect_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self(number)),
            Written::Word(word) => word.parse().map(Self).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests;
