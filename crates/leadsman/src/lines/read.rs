//! Lines in.
//!
//! A line is read straight into figures that are there already, because hundreds of thousands of
//! them may come in a second.

use std::fmt;

use leadsman_analysis::{BUCKETS, Figures, History, Split, Told, Window};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

/// Reads lines, in order.
pub(crate) struct Reader {
    /// Room for the figures of a line: canary, baseline, reference.
    arms: [Figures; 3],
    /// The last window, whose room is used again.
    window: Told,
    stepped: bool,
    /// The last moment that a line named.
    moment: f64,
}

/// Why a line is not understood.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Wrong {
    /// No JSON, or not what a line can have.
    #[error("{0}")]
    Json(String),
    /// The keys do not belong together.
    #[error("{0}")]
    Keys(&'static str),
    /// What an arm says of itself cannot be true.
    #[error("{arm}: {what}")]
    Arm {
        /// The arm.
        arm: &'static str,
        /// What cannot be.
        what: String,
    },
    /// A length, a share or a moment that cannot be.
    #[error("{what} cannot be {value}")]
    Value {
        /// What it is.
        what: &'static str,
        /// What it was said to be.
        value: f64,
    },
}

impl Reader {
    pub(crate) fn new() -> Self {
        let window = Window {
            seconds: 1.0,
            canary: Figures::default(),
            baseline: None,
            reference: None,
            restarts: 0,
        };
        Self {
            arms: Default::default(),
            window: Told::Window(window),
            stepped: false,
            moment: f64::NEG_INFINITY,
        }
    }

    /// Reads one line; returns what it tells the judge.
    pub(crate) fn read(&mut self, line: &[u8]) -> Result<&Told, Wrong> {
        let mut json = serde_json::Deserializer::from_slice(line);
        let keys = LineSeed(&mut self.arms)
            .deserialize(&mut json)
            .and_then(|keys| json.end().map(|()| keys))
            .map_err(|error| Wrong::Json(in_words(&error)))?;
        self.in_order(keys.t)?;
        if let Some(step) = keys.step {
            return self.step(&keys, step);
        }
        let Some(seconds) = keys.seconds else {
            return Err(Wrong::Keys("`seconds` is missing"));
        };
        if !(seconds.is_finite() && seconds > 0.0) {
            let what = "`seconds`";
            return Err(Wrong::Value {
                what,
                value: seconds,
            });
        }
        if keys.given[0] {
            return self.window(&keys, seconds);
        }
        self.history(&keys, seconds)
    }

    fn in_order(&mut self, moment: Option<f64>) -> Result<(), Wrong> {
        let Some(moment) = moment else { return Ok(()) };
        if moment.is_finite() && moment >= self.moment {
            self.moment = moment;
            return Ok(());
        }
        let what = "`t`, which must not go back,";
        Err(Wrong::Value {
            what,
            value: moment,
        })
    }

    fn step(&mut self, keys: &Line, step: Step) -> Result<&Told, Wrong> {
        if keys.seconds.is_some() || keys.given != [false; 3] || keys.restarts.is_some() {
            return Err(Wrong::Keys("a `step` stands alone in its line"));
        }
        let sum = step.weight + step.baseline_weight;
        for (what, value, most) in [
            ("`weight`", step.weight, 1.0),
            ("`baseline_weight`", step.baseline_weight, 1.0),
            // Shares that were rounded may come to a hair more.
            ("the sum of both weights", sum, 1.0 + 1e-9),
        ] {
            if !(0.0..=most).contains(&value) {
                return Err(Wrong::Value { what, value });
            }
        }
        self.stepped = true;
        let Step {
            weight: canary,
            baseline_weight: baseline,
        } = step;
        self.window = Told::Step(Split { canary, baseline });
        Ok(&self.window)
    }

    fn history(&mut self, keys: &Line, seconds: f64) -> Result<&Told, Wrong> {
        if !keys.given[1] {
            return Err(Wrong::Keys("neither `canary` nor `baseline` is there"));
        }
        if self.stepped {
            return Err(Wrong::Keys("`canary` is missing: a step has begun"));
        }
        if keys.restarts.is_some() {
            return Err(Wrong::Keys(
                "`restarts` are the canary's, which is not there",
            ));
        }
        let [_, baseline, reference] = &mut self.arms;
        self.window = Told::History(History {
            seconds,
            baseline: std::mem::take(baseline),
            reference: keys.given[2].then(|| std::mem::take(reference)),
        });
        Ok(&self.window)
    }

    fn window(&mut self, keys: &Line, seconds: f64) -> Result<&Told, Wrong> {
        if !self.stepped {
            return Err(Wrong::Keys(
                "no `step` has said how requests are split so far",
            ));
        }
        if keys.given[2] && !keys.given[1] {
            return Err(Wrong::Keys("a `reference` is a part of the `baseline`"));
        }
        if !matches!(self.window, Told::Window(_)) {
            self.window = Self::new().window;
        }
        if let Told::Window(window) = &mut self.window {
            let [canary, baseline, reference] = &mut self.arms;
            window.seconds = seconds;
            window.restarts = keys.restarts.unwrap_or(0);
            std::mem::swap(&mut window.canary, canary);
            swap(&mut window.baseline, baseline, keys.given[1]);
            swap(&mut window.reference, reference, keys.given[2]);
        }
        Ok(&self.window)
    }
}

/// Exchanges what a window has for what was read, where something was.
fn swap(kept: &mut Option<Figures>, read: &mut Figures, given: bool) {
    if given {
        std::mem::swap(kept.get_or_insert_default(), read);
    } else {
        *kept = None;
    }
}

/// Says where in the line something is wrong: its number is known to the caller alone.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(what, _)| what);
    format!("{what} (column {})", error.column())
}

/// The keys of a line; its arms are read elsewhere.
#[derive(Debug, Default)]
struct Line {
    t: Option<f64>,
    seconds: Option<f64>,
    step: Option<Step>,
    restarts: Option<u32>,
    given: [bool; 3],
}

/// How requests are split.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    weight: f64,
    baseline_weight: f64,
}

const KEYS: &[&str] = &[
    "t",
    "seconds",
    "step",
    "canary",
    "baseline",
    "reference",
    "restarts",
];
const ARMS: [&str; 3] = ["canary", "baseline", "reference"];
const ARM_KEYS: &[&str] = &["requests", "errors", "latency", "over"];

/// Reads a line, and its arms into what is there.
struct LineSeed<'a>(&'a mut [Figures; 3]);

impl<'de> DeserializeSeed<'de> for LineSeed<'_> {
    type Value = Line;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Line, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LineSeed<'_> {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `step`, or with `seconds` and the figures of both arms")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
        let mut line = Line::default();
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "t" => once(&mut line.t, "t", &mut map)?,
                "seconds" => once(&mut line.seconds, "seconds", &mut map)?,
                "step" => once(&mut line.step, "step", &mut map)?,
                "restarts" => once(&mut line.restarts, "restarts", &mut map)?,
                other => {
                    let Some(arm) = ARMS.iter().position(|arm| *arm == other) else {
                        return Err(de::Error::unknown_field(other, KEYS));
                    };
                    if std::mem::replace(&mut line.given[arm], true) {
                        return Err(de::Error::duplicate_field(ARMS[arm]));
                    }
                    let figures = &mut self.0[arm];
                    map.next_value_seed(ArmSeed(figures))?;
                    check(ARMS[arm], figures).map_err(de::Error::custom)?;
                }
            }
        }
        Ok(line)
    }
}

fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    place: &mut Option<T>,
    key: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if place.replace(map.next_value()?).is_some() {
        return Err(de::Error::duplicate_field(key));
    }
    Ok(())
}

/// Checks that an arm can be true.
fn check(arm: &'static str, figures: &Figures) -> Result<(), Wrong> {
    let requests = figures.requests;
    let latencies = figures.latency.count();
    for (name, count) in [("errors", figures.errors), ("latencies", latencies)] {
        if count > requests {
            let what = format!("{count} {name} of {requests} requests");
            return Err(Wrong::Arm { arm, what });
        }
    }
    if let Some(over) = figures
        .over
        .into_iter()
        .flatten()
        .find(|over| *over > latencies)
    {
        let what = format!("{over} over a limit of {latencies} latencies");
        return Err(Wrong::Arm { arm, what });
    }
    Ok(())
}

/// Reads the figures of an arm into what is there.
struct ArmSeed<'a>(&'a mut Figures);

impl<'de> DeserializeSeed<'de> for ArmSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ArmSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `requests` and `errors`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let figures = self.0;
        figures.latency.clear();
        figures.over = None;
        let (mut requests, mut errors, mut latency) = (None, None, false);
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "requests" => once(&mut requests, "requests", &mut map)?,
                "errors" => once(&mut errors, "errors", &mut map)?,
                "over" => once(&mut figures.over, "over", &mut map)?,
                "latency" => {
                    if std::mem::replace(&mut latency, true) {
                        return Err(de::Error::duplicate_field("latency"));
                    }
                    map.next_value_seed(LatencySeed(figures))?;
                }
                other => return Err(de::Error::unknown_field(other, ARM_KEYS)),
            }
        }
        figures.requests = requests.ok_or_else(|| de::Error::missing_field("requests"))?;
        figures.errors = errors.ok_or_else(|| de::Error::missing_field("errors"))?;
        Ok(())
    }
}

/// Reads the pairs of bucket and count.
struct LatencySeed<'a>(&'a mut Figures);

impl<'de> DeserializeSeed<'de> for LatencySeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for LatencySeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of pairs of bucket and count")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        while let Some((bucket, count)) = pairs.next_element::<(usize, u64)>()? {
            if bucket >= BUCKETS {
                let last = BUCKETS - 1;
                let what = format!("there is no bucket {bucket}, the last one is {last}");
                return Err(de::Error::custom(what));
            }
            self.0.latency.count_in(bucket, count);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Result<Told, Wrong> {
        let mut reader = Reader::new();
        let (last, before) = lines.split_last().unwrap();
        for line in before {
            reader.read(line.as_bytes()).unwrap();
        }
        reader.read(last.as_bytes()).cloned()
    }

    const STEP: &str = r#"{"step":{"weight":0.05,"baseline_weight":0.95}}"#;

    #[test]
    fn every_kind_of_line_is_understood() {
        let step = Told::Step(Split {
            canary: 0.05,
            baseline: 0.95,
        });
        assert_eq!(told(&[STEP]), Ok(step));

        let mut arm = Figures {
            requests: 5,
            errors: 1,
            ..Figures::default()
        };
        arm.latency.count_in(263, 4);
        let text = r#"{"requests":5,"errors":1,"latency":[[263,4]]}"#;
        let history = Told::History(History {
            seconds: 1.5,
            baseline: arm.clone(),
            reference: None,
        });
        let line = format!(r#"{{"seconds":1.5,"baseline":{text},"t":7}}"#);
        assert_eq!(told(&[&line]), Ok(history));

        let line = format!(
            r#"{{"seconds":1,"canary":{text},"baseline":{{"requests":9,"errors":0,"over":[0,0]}},"restarts":3}}"#
        );
        let window = Told::Window(Window {
            seconds: 1.0,
            canary: arm,
            baseline: Some(Figures {
                requests: 9,
                over: Some([0, 0]),
                ..Figures::default()
            }),
            reference: None,
            restarts: 3,
        });
        // What an earlier line had does not stay.
        let fuller =
            format!(r#"{{"seconds":1,"canary":{text},"baseline":{text},"reference":{text}}}"#);
        assert_eq!(told(&[STEP, &fuller, &line]), Ok(window.clone()));
        assert_eq!(told(&[STEP, &line, &fuller, &line]), Ok(window));
    }

    #[test]
    fn nothing_is_guessed() {
        let arm = r#"{"requests":1,"errors":0}"#;
        let window = format!(r#"{{"seconds":1,"canary":{arm},"baseline":{arm}}}"#);
        let with = |more: &str| format!(r#"{{"seconds":1,"canary":{arm},{more}}}"#);
        let lines = [
            String::new(),
            "[]".to_owned(),
            window.replace("canary", "canarry"),
            window.replace(r#""seconds":1,"#, ""),
            window.replace(r#""seconds":1"#, r#""seconds":0"#),
            format!("{window} {window}"),
            with(r#""canary":{"requests":1,"errors":0}"#),
            with(r#""baseline":{"requests":1}"#),
            with(r#""baseline":{"requests":1,"errors":2}"#),
            with(r#""baseline":{"requests":1,"errors":0,"latency":[[600,1]]}"#),
            with(r#""baseline":{"requests":1,"errors":0,"over":[1,0]}"#),
            with(r#""baseline":{"requests":1,"errors":-1}"#),
            with(r#""reference":{"requests":1,"errors":0}"#),
            with(r#""step":{"weight":1,"baseline_weight":0}"#),
            r#"{"step":{"weight":0.5,"baseline_weight":0.75}}"#.to_owned(),
            format!(r#"{{"seconds":1,"baseline":{arm}}}"#),
        ];
        let complaints = lines.map(|line| told(&[STEP, &line]).unwrap_err().to_string());
        expect_test::expect![[r#"
            EOF while parsing a value (column 0)
            invalid type: sequence, expected an object with `step`, or with `seconds` and the figures of both arms (column 0)
            unknown field `canarry`, expected one of `t`, `seconds`, `step`, `canary`, `baseline`, `reference`, `restarts` (column 22)
            `seconds` is missing
            `seconds` cannot be 0
            trailing characters (column 87)
            duplicate field `canary` (column 56)
            missing field `errors` (column 73)
            baseline: 2 errors of 1 requests (column 85)
            there is no bucket 600, the last one is 599 (column 103)
            baseline: 1 over a limit of 0 latencies (column 98)
            invalid value: integer `-1`, expected u64 (column 84)
            a `reference` is a part of the `baseline`
            a `step` stands alone in its line
            the sum of both weights cannot be 1.25
            `canary` is missing: a step has begun"#]].assert_eq(&complaints.join("\n"));
        let wrong = told(&[&window]).unwrap_err().to_string();
        assert_eq!(wrong, "no `step` has said how requests are split so far");
        let line = |t: u32| format!(r#"{{"t":{t},"seconds":1,"baseline":{arm}}}"#);
        let wrong = told(&[&line(2), &line(1)]).unwrap_err().to_string();
        assert_eq!(wrong, "`t`, which must not go back, cannot be 1");
    }
}
