//! The gate on licences.

use serde::{Deserialize, Serialize};

use super::findings::{Excepted, Exception};
use super::{GateResult, quoted};
use crate::day::Day;
use crate::facts::Facts;
use crate::words::{count, counted, some_of};

/// How deep an expression may be nested.
const DEPTH_MOST: usize = 20;

/// Under which licences components may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LicencesGate {
    /// The licences that are let pass; empty for every one that is not denied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// The licences that are not let pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Components that are let pass all the same, by name, with or without their version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
}

impl LicencesGate {
    pub(super) fn evaluate(&self, facts: &Facts, today: Day) -> GateResult {
        let name = "licences";
        let Some(components) = facts.components() else {
            return GateResult::missing(name, "components", "`cyclonedx` or `trivy`");
        };
        if components.total == 0 {
            let why = "a report says that the release is made of nothing";
            return GateResult::unknown(name, why, "see what the tool was pointed at");
        }
        let mut excepted = Excepted::default();
        let (mut blocking, mut blocked, mut unstated) = (Vec::new(), 0_u64, 0);
        for (licence, under) in &components.licences {
            let lets_pass = if licence.is_empty() {
                unstated = under.total;
                self.allow.is_empty()
            } else {
                is_met(licence, &|id| self.lets_pass(id))
            };
            if lets_pass {
                continue;
            }
            let unnamed = under.total.saturating_sub(under.names.len() as u64);
            blocked = blocked.saturating_add(unnamed);
            for component in &under.names {
                let bare = component
                    .rsplit_once('@')
                    .map_or(&**component, |(bare, _)| bare);
                let is = |id: &str| id == component || id == bare;
                if excepted.lets_pass(&self.exceptions, today, is) {
                    continue;
                }
                blocked = blocked.saturating_add(1);
                let licence = match licence.as_str() {
                    "" => "no licence stated".to_owned(),
                    licence => quoted(licence),
                };
                blocking.push(format!("{} ({licence})", quoted(component)));
            }
        }
        let total = counted(components.total, "component");
        let verb = if blocked == 1 { "is" } else { "are" };
        let mut why = match blocked {
            0 => format!("all licences of {total} are let pass"),
            blocked => format!(
                "{} of {total} {verb} under licences that are not let pass: {}",
                count(blocked),
                some_of(&blocking, 3)
            ),
        };
        excepted.tell(&mut why);
        if unstated > 0 && self.allow.is_empty() {
            why.push_str(&format!(", {} state none", count(unstated)));
        }
        GateResult {
            expires: excepted.ends(),
            ..GateResult::open_if(name, blocked == 0, &why)
        }
    }

    fn lets_pass(&self, licence: &str) -> bool {
        // An exception to a licence only ever permits more.
        let bare = licence
            .split_once(" WITH ")
            .map_or(licence, |(bare, _)| bare);
        let is_in = |list: &[String]| {
            let mut list = list.iter();
            list.any(|known| {
                let known = known.trim();
                known.eq_ignore_ascii_case(licence) || known.eq_ignore_ascii_case(bare.trim())
            })
        };
        (self.allow.is_empty() || is_in(&self.allow)) && !is_in(&self.deny)
    }
}

/// Says whether an SPDX expression is met by licences that `lets_pass`. What is between `AND`, `OR`
/// and brackets is the name of a licence, which may have blanks. What cannot be read is not met.
fn is_met(expression: &str, lets_pass: &dyn Fn(&str) -> bool) -> bool {
    if lets_pass(expression) {
        return true;
    }
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        lets_pass,
    };
    reader
        .any_of(0)
        .is_some_and(|met| met && reader.words.is_empty())
}

struct Reader<'e> {
    words: &'e [&'e str],
    lets_pass: &'e dyn Fn(&str) -> bool,
}

impl Reader<'_> {
    fn takes(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(word) => {
                self.words = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn any_of(&mut self, depth: usize) -> Option<bool> {
        let mut met = self.all_of(depth)?;
        while self.takes("OR") {
            met |= self.all_of(depth)?;
        }
        Some(met)
    }

    fn all_of(&mut self, depth: usize) -> Option<bool> {
        let mut met = self.one(depth)?;
        while self.takes("AND") {
            met &= self.one(depth)?;
        }
        Some(met)
    }

    fn one(&mut self, depth: usize) -> Option<bool> {
        if depth > DEPTH_MOST {
            return None;
        }
        if self.takes("(") {
            let met = self.any_of(depth + 1)?;
            return self.takes(")").then_some(met);
        }
        let is_sign = |word: &&str| {
            matches!(*word, "(" | ")")
                || word.eq_ignore_ascii_case("and")
                || word.eq_ignore_ascii_case("or")
        };
        let length = self.words.iter().position(is_sign);
        let (name, rest) = self.words.split_at(length.unwrap_or(self.words.len()));
        self.words = rest;
        (!name.is_empty()).then(|| (self.lets_pass)(&name.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_as_they_bind() {
        let gate = LicencesGate {
            allow: ["MIT", "Apache-2.0", "Custom licence of right"]
                .map(str::to_owned)
                .to_vec(),
            ..LicencesGate::default()
        };
        for (expression, met) in [
            ("MIT", true),
            ("mit", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT AND Apache-2.0", true),
            ("(GPL-3.0-only OR MIT) AND Apache-2.0", true),
            ("(GPL-3.0-only OR MIT) AND Zlib", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-3.0-only WITH Classpath-exception-2.0", false),
            ("Custom licence of right", true),
            ("Custom licence of right AND MIT", true),
            ("Custom licence", false),
            ("(MIT", false),
            ("MIT)", false),
            ("MIT OR", false),
            ("", false),
        ] {
            assert_eq!(
                is_met(expression, &|id| gate.lets_pass(id)),
                met,
                "{expression}"
            );
        }
        let deep = format!("{}MIT{}", "(".repeat(5000), ")".repeat(5000));
        assert!(!is_met(&deep, &|id| gate.lets_pass(id)));
    }
}
