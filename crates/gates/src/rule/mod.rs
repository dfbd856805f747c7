//! Rules: conditions on facts, in a part of CEL, the Common Expression Language.
//!
//! What is here of CEL: whole numbers, fractions, text, truths and lists; comparison, arithmetic,
//! `&&`, `||`, `!`, `? :`, `in`, fields and indices; `has`, `size`, `contains`, `startsWith`,
//! `endsWith`, `int`, `double`, `string`, and `exists`, `all`, `exists_one`, `filter` and `map` over
//! lists. One thing is added: a whole number may stand beside a fraction.
//!
//! A rule ends. Its text, its depth and its steps are bounded; nothing repeats but the walk through
//! a list, no walk may hold another, and there are no patterns to match.

mod check;
mod eval;
mod parse;
mod token;
mod types;
mod value;

use std::ops::Range;

pub(crate) use value::Value;

/// What is wrong with a rule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleProblem {
    /// The bytes of the rule's text that it is about.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do; empty where `known` says it.
    pub hint: String,
    /// A name that is not known, and those that are known in its place.
    pub unknown: Option<(String, Vec<String>)>,
}

impl RuleProblem {
    fn new(at: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            hint: hint.into(),
            unknown: None,
        }
    }
}

/// A rule that was found to be in order.
#[derive(Debug)]
pub(crate) struct Rule {
    root: parse::Expr,
}

impl Rule {
    /// Reads and checks a rule.
    pub(crate) fn of(text: &str) -> Result<Self, Vec<RuleProblem>> {
        let root = parse::parse(text).map_err(|problem| vec![problem])?;
        let problems = check::check(&root);
        if problems.is_empty() {
            Ok(Self { root })
        } else {
            Err(problems)
        }
    }

    /// Says whether the rule holds, with the values that it looked at, or why that cannot be said.
    pub(crate) fn holds(&self, text: &str, facts: &Value) -> Result<Held, String> {
        eval::holds(&self.root, text, facts)
    }
}

/// What came of a rule.
#[derive(Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) holds: bool,
    /// What was looked at, as it is written, with its value.
    pub(crate) seen: Vec<(String, String)>,
}

/// Says what is wrong with a rule; nothing if it can be evaluated.
pub fn check_rule(text: &str) -> Vec<RuleProblem> {
    Rule::of(text).err().unwrap_or_default()
}

/// Returns every name that a rule can use, with its type and what it is, for the reference.
pub fn rule_names() -> Vec<(String, String, &'static str)> {
    types::reference()
}
