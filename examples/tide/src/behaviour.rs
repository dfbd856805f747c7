//! How a version misbehaves, so that a rehearsal has something to catch.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// The file that says it, in the folder that the service runs in.
const FILE: &str = "behaviour";

/// What a version does otherwise than it should. By default nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Behaviour {
    /// How long half of the requests take at most, when nothing is wrong.
    pub(crate) work: Duration,
    /// How many of 10,000 answers are errors; 0 to 10,000.
    pub(crate) errors: u64,
    /// How many times as long the work takes.
    pub(crate) slow: f64,
    /// Whether it ever becomes ready.
    pub(crate) ready: bool,
    /// How long after its first request it crashes.
    pub(crate) crash_after: Option<Duration>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            work: Duration::from_millis(4),
            errors: 0,
            slow: 1.0,
            ready: true,
            crash_after: None,
        }
    }
}

impl Behaviour {
    /// Reads `given` where there is one, else the file in the working folder, else nothing.
    pub(crate) fn load(given: Option<String>) -> anyhow::Result<Self> {
        let text = match given {
            Some(text) => text,
            None => match fs::read_to_string(FILE) {
                Ok(text) => text,
                Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
                Err(error) => return Err(error).context("failed to read the file `behaviour`"),
            },
        };
        Self::parse(&text)
    }

    /// Reads settings such as `errors=5% slow=2x`; what follows a `#` on a line is a comment.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut behaviour = Self::default();
        let code = text.lines().filter_map(|line| line.split('#').next());
        for setting in code.flat_map(str::split_whitespace) {
            behaviour
                .set(setting)
                .with_context(|| format!("cannot behave like `{setting}`"))?;
        }
        Ok(behaviour)
    }

    fn set(&mut self, setting: &str) -> anyhow::Result<()> {
        match setting
            .split_once('=')
            .context("a setting looks like `errors=5%`")?
        {
            ("work", median) => self.work = duration(median)?,
            ("errors", share) => self.errors = basis_points(share)?,
            ("slow", factor) => self.slow = times(factor)?,
            ("ready", "never") => self.ready = false,
            ("ready", _) => bail!("the only value of `ready` is `never`"),
            ("crash_after", after) => self.crash_after = Some(duration(after)?),
            _ => bail!("there are `work`, `errors`, `slow`, `ready` and `crash_after`"),
        }
        Ok(())
    }
}

fn basis_points(share: &str) -> anyhow::Result<u64> {
    let percent: f64 = share
        .strip_suffix('%')
        .context("a share looks like `5%`")?
        .parse()?;
    if !(0.0..=100.0).contains(&percent) {
        bail!("a share lies between 0% and 100%");
    }
    // In range, as was just checked, and whole: nothing is lost.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above"
    )]
    Ok((percent * 100.0).round() as u64)
}

fn times(factor: &str) -> anyhow::Result<f64> {
    let factor: f64 = factor
        .strip_suffix('x')
        .context("a factor looks like `2x`")?
        .parse()?;
    if !(0.0..=1000.0).contains(&factor) {
        bail!("a factor lies between 0x and 1000x");
    }
    Ok(factor)
}

fn duration(text: &str) -> anyhow::Result<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u32 = digits.parse().context("a duration looks like `60s`")?;
    let unit = match text.get(digits.len()..) {
        Some("ms") => Duration::from_millis(1),
        Some("s") => Duration::from_secs(1),
        Some("m") => Duration::from_secs(60),
        _ => bail!("a duration ends in `ms`, `s` or `m`"),
    };
    Ok(unit * count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let good = Behaviour::default();
        for (text, expected) in [
            ("", good.clone()),
            ("# all is well\n", good.clone()),
            (
                "errors=5%",
                Behaviour {
                    errors: 500,
                    ..good.clone()
                },
            ),
            (
                "errors=0.5%\nslow=2x",
                Behaviour {
                    errors: 50,
                    slow: 2.0,
                    ..good.clone()
                },
            ),
            (
                "work=40ms slow=2x",
                Behaviour {
                    work: Duration::from_millis(40),
                    slow: 2.0,
                    ..good.clone()
                },
            ),
            (
                "ready=never # ever",
                Behaviour {
                    ready: false,
                    ..good.clone()
                },
            ),
            (
                "crash_after=60s",
                Behaviour {
                    crash_after: Some(Duration::from_secs(60)),
                    ..good
                },
            ),
        ] {
            assert_eq!(Behaviour::parse(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for text in [
            "work=4",
            "errors",
            "errors=5",
            "errors=101%",
            "errors=NaN%",
            "slow=2",
            "slow=-1x",
            "ready=soon",
            "crash_after=60",
            "crash_after=-1s",
            "crash_after=s",
            "mood=bad",
        ] {
            let error = Behaviour::parse(text).unwrap_err();
            assert!(format!("{error:#}").contains(text), "{text:?}: {error:#}");
        }
    }
}
