//! Gates that are rules.

use std::collections::BTreeMap;

use super::{Evidence, GateResult};
use crate::facts::bounded;
use crate::rule::{Rule, Value};

pub(super) fn evaluate(
    rules: &BTreeMap<String, String>,
    evidence: &Evidence<'_>,
) -> Vec<GateResult> {
    if rules.is_empty() {
        return Vec::new();
    }
    let everything = Value::everything(evidence.facts, evidence.promoted, evidence.about);
    let rules = rules.iter();
    rules
        .map(|(name, text)| one(&format!("rules.{name}"), text, &everything))
        .collect()
}

fn one(name: &str, text: &str, everything: &Value) -> GateResult {
    let shown = bounded(text, 200);
    let rule = match Rule::of(text) {
        Ok(rule) => rule,
        Err(problems) => {
            let why = problems
                .first()
                .map_or("", |problem| problem.message.as_str());
            let why = format!("`{shown}` is no rule that can be evaluated: {why}");
            return GateResult::unknown(name, &why, "mend it in the project file");
        }
    };
    match rule.holds(text, everything) {
        Ok(held) => {
            let seen = held
                .seen
                .iter()
                .map(|(what, value)| format!("{what} is {value}"));
            let seen: Vec<String> = seen.collect();
            let seen = match seen.as_slice() {
                [] => String::new(),
                seen => format!("; {}", seen.join(", ")),
            };
            let holds = if held.holds { "holds" } else { "does not hold" };
            GateResult::open_if(name, held.holds, &format!("`{shown}` {holds}{seen}"))
        }
        Err(why) => {
            let why = format!("`{shown}` cannot be said: {}", bounded(&why, 300));
            let way_out = "a report has to say it, or the rule to ask with `has(...)` first";
            GateResult::unknown(name, &why, way_out)
        }
    }
}
