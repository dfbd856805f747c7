//! Lines in.
//!
//! A line is read straight into figures that are there already, because hundreds of thousands of
//! them may come in a second.

use leadsman_analysis::{BUCKETS, Figures, Histogram, History, Split, Told, Window};

use super::cursor::{Cursor, Read};

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
    /// No JSON, not what a line can have, or what cannot be true.
    #[error("{what} (column {column})")]
    Json {
        /// What is wrong.
        what: String,
        /// Where it is, counted in bytes from 1.
        column: usize,
    },
    /// The keys do not belong together.
    #[error("{0}")]
    Keys(&'static str),
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
        let keys = read_line(&mut Cursor::new(line), &mut self.arms).map_err(|wrong| *wrong)?;
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
#[derive(Clone, Copy, Debug)]
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
const STEP_KEYS: &[&str] = &["weight", "baseline_weight"];
const ARM_KEYS: &[&str] = &["requests", "errors", "latency", "over"];

/// Reads a line, and its arms into what is there.
fn read_line(cursor: &mut Cursor<'_>, arms: &mut [Figures; 3]) -> Read<Line> {
    let mut line = Line::default();
    cursor.object(
        "an object with `step`, or with `seconds` and the figures of both arms",
        |cursor, key| match key {
            b"t" => once(cursor, &mut line.t, key, Cursor::number),
            b"seconds" => once(cursor, &mut line.seconds, key, Cursor::number),
            b"step" => once(cursor, &mut line.step, key, read_step),
            b"restarts" => once(cursor, &mut line.restarts, key, |cursor| {
                let restarts = cursor.whole()?;
                u32::try_from(restarts).map_err(|_| cursor.wrong("more restarts than can be"))
            }),
            other => {
                let Some(arm) = ARMS.iter().position(|arm| arm.as_bytes() == other) else {
                    return Err(unknown(cursor, key, KEYS));
                };
                if std::mem::replace(&mut line.given[arm], true) {
                    return Err(twice(cursor, key));
                }
                read_arm(cursor, ARMS[arm], &mut arms[arm])
            }
        },
    )?;
    cursor.end()?;
    Ok(line)
}

fn read_step(cursor: &mut Cursor<'_>) -> Read<Step> {
    let (mut weight, mut baseline_weight) = (None, None);
    cursor.object("an object with two weights", |cursor, key| match key {
        b"weight" => once(cursor, &mut weight, key, Cursor::number),
        b"baseline_weight" => once(cursor, &mut baseline_weight, key, Cursor::number),
        _ => Err(unknown(cursor, key, STEP_KEYS)),
    })?;
    Ok(Step {
        weight: weight.ok_or_else(|| missing(cursor, "weight"))?,
        baseline_weight: baseline_weight.ok_or_else(|| missing(cursor, "baseline_weight"))?,
    })
}

/// Reads the figures of an arm into what is there.
fn read_arm(cursor: &mut Cursor<'_>, arm: &'static str, figures: &mut Figures) -> Read<()> {
    figures.latency.clear();
    figures.over = None;
    let (mut requests, mut errors, mut latency) = (None, None, None);
    cursor.object(
        "an object with `requests` and `errors`",
        |cursor, key| match key {
            b"requests" => once(cursor, &mut requests, key, Cursor::whole),
            b"errors" => once(cursor, &mut errors, key, Cursor::whole),
            b"over" => once(cursor, &mut figures.over, key, |cursor| {
                cursor.pair("two counts, over the limits on p95 and p99")
            }),
            b"latency" => once(cursor, &mut latency, key, |cursor| {
                read_latencies(cursor, &mut figures.latency)
            }),
            _ => Err(unknown(cursor, key, ARM_KEYS)),
        },
    )?;
    figures.requests = requests.ok_or_else(|| missing(cursor, "requests"))?;
    figures.errors = errors.ok_or_else(|| missing(cursor, "errors"))?;
    check(figures).map_err(|what| cursor.wrong(format!("{arm}: {what}")))
}

fn read_latencies(cursor: &mut Cursor<'_>, latencies: &mut Histogram) -> Read<()> {
    cursor.list("a list of pairs of bucket and count", |cursor| {
        let [bucket, count] = cursor.pair("a pair of bucket and count")?;
        let bucket = usize::try_from(bucket).unwrap_or(usize::MAX);
        if bucket >= BUCKETS {
            let last = BUCKETS - 1;
            return Err(cursor.wrong(format!(
                "there is no bucket {bucket}, the last one is {last}"
            )));
        }
        latencies.count_in(bucket, count);
        Ok(())
    })
}

/// Reads a value into its place, where none is yet.
fn once<'a, T>(
    cursor: &mut Cursor<'a>,
    place: &mut Option<T>,
    key: &[u8],
    read: impl FnOnce(&mut Cursor<'a>) -> Read<T>,
) -> Read<()> {
    if place.is_some() {
        return Err(twice(cursor, key));
    }
    *place = Some(read(cursor)?);
    Ok(())
}

fn twice(cursor: &Cursor<'_>, key: &[u8]) -> Box<Wrong> {
    let key = key.escape_ascii();
    cursor.wrong(format!("`{key}` is there twice"))
}

fn missing(cursor: &Cursor<'_>, key: &str) -> Box<Wrong> {
    cursor.wrong(format!("`{key}` is missing"))
}

fn unknown(cursor: &Cursor<'_>, key: &[u8], known: &[&str]) -> Box<Wrong> {
    let (key, known) = (key.escape_ascii(), known.join("`, `"));
    cursor.wrong(format!("`{key}` is not known, only `{known}`"))
}

/// Checks that an arm can be true; says why not.
fn check(figures: &Figures) -> Result<(), String> {
    let requests = figures.requests;
    let latencies = figures.latency.count();
    for (name, count) in [("errors", figures.errors), ("latencies", latencies)] {
        if count > requests {
            return Err(format!("{count} {name} of {requests} requests"));
        }
    }
    let over = figures.over.into_iter().flatten();
    match over.max().filter(|over| *over > latencies) {
        Some(over) => Err(format!("{over} over a limit of {latencies} latencies")),
        None => Ok(()),
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
            expected an object with `step`, or with `seconds` and the figures of both arms, but the line ends here (column 1)
            expected an object with `step`, or with `seconds` and the figures of both arms, but something else is here (column 1)
            `canarry` is not known, only `t`, `seconds`, `step`, `canary`, `baseline`, `reference`, `restarts` (column 24)
            `seconds` is missing
            `seconds` cannot be 0
            nothing may follow (column 87)
            `canary` is there twice (column 58)
            `errors` is missing (column 74)
            baseline: 2 errors of 1 requests (column 85)
            there is no bucket 600, the last one is 599 (column 103)
            baseline: 1 over a limit of 0 latencies (column 98)
            expected a whole number that is not negative (column 83)
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
