//! What is asked for on the command line.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use super::{rules, scenario};

pub(crate) const USAGE: &str = "\
./dev bench judge [-- OPTIONS]

  --quick           few rollouts of few scenarios, in less than a minute
  --only NAMES      these scenarios, with commas between them
  --rules NAMES     these rules
  --rate NUMBERS    these requests per second
  --replicates N    so many rollouts of each scenario at each rate
  --last PERCENT    the canary's share in the last step (98)
  --seed N          the same random numbers as in a run that printed this seed
  --list            the names of scenarios and rules";

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) list: bool,
    /// Names of scenarios.
    pub(crate) only: Vec<String>,
    /// Names of rules.
    pub(crate) rules: Vec<String>,
    /// Requests per second.
    pub(crate) rates: Vec<f64>,
    /// Rollouts of each scenario at each rate: without a regression, and with one.
    pub(crate) replicates: [usize; 2],
    /// The canary's share in the last step, 0 to 1.
    pub(crate) last: f64,
    pub(crate) seed: u64,
}

impl Options {
    /// Reads arguments, without the program's name. Returns what is wrong with them, if anything.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.filter(|it| it != "--bench").peekable();
        let quick = arguments.next_if_eq("--quick").is_some();
        let mut options = if quick { Self::quick() } else { Self::full() };
        while let Some(name) = arguments.next() {
            if name == "--list" {
                options.list = true;
                continue;
            }
            let missing = || format!("`{name}` wants a value\n\n{USAGE}");
            let value = arguments.next().ok_or_else(missing)?;
            let wrong = |_| format!("`{name}` is a number, not `{value}`");
            let names = || value.split(',').map(str::to_owned);
            match name.as_str() {
                "--only" => {
                    let known: Vec<_> = scenario::ALL.iter().map(|it| it.name).collect();
                    options.only = named(names(), &known, "scenario")?;
                }
                "--rules" => {
                    let known: Vec<_> = rules::ALL.iter().map(|it| it.name).collect();
                    options.rules = named(names(), &known, "rule")?;
                }
                "--rate" => {
                    let rates = names().map(|rate| rate.parse());
                    options.rates = rates
                        .collect::<Result<_, _>>()
                        .map_err(|_| format!("`--rate` is one or more numbers, not `{value}`"))?;
                }
                "--replicates" => {
                    let replicates = value.parse().map_err(wrong)?;
                    options.replicates = [replicates; 2];
                }
                "--last" => {
                    let percent: f64 = value.parse().map_err(|_| wrong_percent(&value))?;
                    if !(percent > 0.0 && percent < 100.0) {
                        return Err(wrong_percent(&value));
                    }
                    options.last = percent / 100.0;
                }
                "--seed" => options.seed = value.parse().map_err(wrong)?,
                _ => return Err(format!("unknown option `{name}`\n\n{USAGE}")),
            }
        }
        Ok(options)
    }

    /// All there is. Of 300 rollouts without a rollback, 1 % is the upper limit.
    fn full() -> Self {
        let rules = rules::ALL.iter().filter(|it| it.usual);
        let scenarios = scenario::ALL.iter().filter(|it| it.usual);
        Self {
            list: false,
            only: scenarios.map(|it| it.name.to_owned()).collect(),
            rules: rules.map(|it| it.name.to_owned()).collect(),
            rates: vec![1.0, 10.0, 100.0, 1000.0],
            replicates: [300, 200],
            last: 0.98,
            seed: RandomState::new().build_hasher().finish(),
        }
    }

    fn quick() -> Self {
        let few = ["same", "bursts", "errors-5", "all-fail", "p95-2"];
        Self {
            only: few.map(str::to_owned).to_vec(),
            rates: vec![10.0, 100.0],
            replicates: [20, 20],
            ..Self::full()
        }
    }
}

fn wrong_percent(value: &str) -> String {
    format!("`--last` is a number between 0 and 100, not `{value}`")
}

/// Checks that all `names` are known.
fn named(
    names: impl Iterator<Item = String>,
    known: &[&str],
    what: &str,
) -> Result<Vec<String>, String> {
    let names: Vec<String> = names.collect();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!(
            "there is no {what} `{name}`, but {}",
            known.join(", ")
        )),
        None => Ok(names),
    }
}
