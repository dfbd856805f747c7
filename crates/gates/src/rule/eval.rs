//! What comes of a rule that was checked.

use std::cmp::Ordering;
use std::rc::Rc;

use super::Held;
use super::parse::{Expr, Kind, Operator};
use super::value::Value;

/// How many steps a rule may take. One of the longest rules over the most findings takes fewer.
const STEPS_MOST: u32 = 2_000_000;

/// How long text may become.
const TEXT_MOST: usize = 10_000;

/// How many values are told.
const SEEN_MOST: usize = 6;

pub(super) fn holds(root: &Expr, text: &str, facts: &Value) -> Result<Held, String> {
    let mut evaluation = Evaluation {
        text,
        facts,
        variable: None,
        steps: 0,
        seen: Vec::new(),
    };
    match evaluation.of(root)? {
        Value::Bool(holds) => Ok(Held {
            holds,
            seen: evaluation.seen,
        }),
        _ => Err(UNCHECKED.to_owned()),
    }
}

/// What cannot be after the check.
const UNCHECKED: &str = "its parts are of other kinds than they should be";

struct Evaluation<'r> {
    text: &'r str,
    facts: &'r Value,
    variable: Option<(&'r str, Value)>,
    steps: u32,
    seen: Vec<(String, String)>,
}

impl<'r> Evaluation<'r> {
    fn of(&mut self, part: &'r Expr) -> Result<Value, String> {
        match self.looked_up(part)? {
            Value::Missing(why) => Err(why.to_string()),
            value => Ok(value),
        }
    }

    /// Returns a value that may be missing.
    fn looked_up(&mut self, part: &'r Expr) -> Result<Value, String> {
        self.steps += 1;
        if self.steps > STEPS_MOST {
            return Err(format!("it takes more than {STEPS_MOST} steps"));
        }
        let value = match &part.kind {
            Kind::Bool(truth) => Value::Bool(*truth),
            Kind::Int(number) => Value::Int(*number),
            Kind::Double(number) => Value::Double(*number),
            Kind::Text(text) => Value::Text(Rc::from(text.as_str())),
            Kind::List(parts) => {
                let items: Result<Vec<Value>, String> =
                    parts.iter().map(|part| self.of(part)).collect();
                Value::List(Rc::new(items?))
            }
            Kind::Name(name) => match &self.variable {
                Some((variable, value)) if variable == name => value.clone(),
                _ => field(self.facts, name),
            },
            Kind::Field(of, name) => {
                let value = match self.looked_up(of)? {
                    missing @ Value::Missing(_) => missing,
                    of => field(&of, name),
                };
                self.see(part, &value);
                value
            }
            Kind::Index(of, by) => {
                let (of, by) = (self.of(of)?, self.of(by)?);
                let value = index(&of, &by);
                self.see(part, &value);
                value
            }
            Kind::Call(name, parts) => self.call(name, parts)?,
            Kind::Method(of, name, parts) => self.method(of, name, parts)?,
            Kind::Not(of) => Value::Bool(!self.truth(of)?),
            Kind::Minus(of) => match self.of(of)? {
                Value::Int(number) => {
                    Value::Int(number.checked_neg().ok_or("a number is too large")?)
                }
                Value::Double(number) => Value::Double(-number),
                _ => return Err(UNCHECKED.to_owned()),
            },
            Kind::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Kind::Choice(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                let chosen = if self.truth(condition)? {
                    then
                } else {
                    otherwise
                };
                self.of(chosen)?
            }
        };
        Ok(value)
    }

    /// Remembers a single value of the facts, as it is written.
    fn see(&mut self, part: &Expr, value: &Value) {
        if self.variable.is_some() || self.seen.len() >= SEEN_MOST {
            return;
        }
        let written = self.text.get(part.at.clone()).unwrap_or_default();
        let shown = match value {
            Value::Bool(truth) => truth.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Double(number) => crate::words::number(*number),
            Value::Text(text) => format!("{text:?}"),
            Value::List(_) | Value::Map(_) | Value::Missing(_) => return,
        };
        if !self.seen.iter().any(|(known, _)| known == written) {
            self.seen.push((written.to_owned(), shown));
        }
    }

    fn truth(&mut self, part: &'r Expr) -> Result<bool, String> {
        match self.of(part)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(UNCHECKED.to_owned()),
        }
    }

    fn call(&mut self, name: &str, parts: &'r [Expr]) -> Result<Value, String> {
        let [argument] = parts else {
            return Err(UNCHECKED.to_owned());
        };
        if name == "has" {
            let is_there = !matches!(self.looked_up(argument)?, Value::Missing(_));
            return Ok(Value::Bool(is_there));
        }
        let value = self.of(argument)?;
        match (name, &value) {
            ("size", of) => size(of),
            ("string", Value::Text(_)) => Ok(value),
            ("string", Value::Int(number)) => Ok(Value::Text(Rc::from(number.to_string()))),
            ("string", Value::Double(number)) => Ok(Value::Text(Rc::from(number.to_string()))),
            ("string", Value::Bool(truth)) => Ok(Value::Text(Rc::from(truth.to_string()))),
            ("int", Value::Int(_)) | ("double", Value::Double(_)) => Ok(value),
            ("int", Value::Double(number)) => whole(*number),
            ("int", Value::Text(text)) => {
                let number = text.parse().map_err(|_| no_number(text))?;
                Ok(Value::Int(number))
            }
            ("double", Value::Int(number)) => Ok(Value::Double(fraction(*number))),
            ("double", Value::Text(text)) => {
                let number: Option<f64> = text.parse().ok();
                let number = number.filter(|number| number.is_finite());
                number.map(Value::Double).ok_or_else(|| no_number(text))
            }
            _ => Err(UNCHECKED.to_owned()),
        }
    }

    fn method(&mut self, of: &'r Expr, name: &str, parts: &'r [Expr]) -> Result<Value, String> {
        let of = self.of(of)?;
        match (of, parts) {
            (of, []) if name == "size" => size(&of),
            (Value::Text(text), [argument]) => {
                let Value::Text(part) = self.of(argument)? else {
                    return Err(UNCHECKED.to_owned());
                };
                Ok(Value::Bool(match name {
                    "contains" => text.contains(&*part),
                    "startsWith" => text.starts_with(&*part),
                    "endsWith" => text.ends_with(&*part),
                    _ => return Err(UNCHECKED.to_owned()),
                }))
            }
            (Value::List(items), [variable, body]) => self.walk(&items, name, variable, body),
            _ => Err(UNCHECKED.to_owned()),
        }
    }

    fn walk(
        &mut self,
        items: &[Value],
        name: &str,
        variable: &'r Expr,
        body: &'r Expr,
    ) -> Result<Value, String> {
        let Kind::Name(variable) = &variable.kind else {
            return Err(UNCHECKED.to_owned());
        };
        let mut kept = Vec::new();
        let mut count = 0_usize;
        // What cannot be said of one counts only where no other one decides.
        let mut trouble = None;
        for item in items {
            self.variable = Some((variable, item.clone()));
            let result = self.of(body);
            self.variable = None;
            match (name, result) {
                ("map", result) => kept.push(result?),
                ("exists", Ok(Value::Bool(true))) => return Ok(Value::Bool(true)),
                ("all", Ok(Value::Bool(false))) => return Ok(Value::Bool(false)),
                ("exists" | "all", Err(why)) => trouble = trouble.or(Some(why)),
                ("exists" | "all", Ok(_)) => {}
                (_, Err(why)) => return Err(why),
                (_, Ok(Value::Bool(true))) => {
                    count += 1;
                    kept.push(item.clone());
                }
                (_, Ok(_)) => {}
            }
        }
        if let Some(why) = trouble {
            return Err(why);
        }
        Ok(match name {
            "exists" => Value::Bool(false),
            "all" => Value::Bool(true),
            "exists_one" => Value::Bool(count == 1),
            _ => Value::List(Rc::new(kept)),
        })
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &'r Expr,
        right: &'r Expr,
    ) -> Result<Value, String> {
        // What decides is enough: the other side may be what cannot be said.
        let decides = match operator {
            Operator::Or => Some(true),
            Operator::And => Some(false),
            _ => None,
        };
        if let Some(decides) = decides {
            let one = self.truth(left);
            if one == Ok(decides) {
                return Ok(Value::Bool(decides));
            }
            let other = self.truth(right);
            if other == Ok(decides) {
                return Ok(Value::Bool(decides));
            }
            return one.and(other).map(Value::Bool);
        }
        let (one, other) = (self.of(left)?, self.of(right)?);
        let ordering = || compare(&one, &other).ok_or_else(|| UNCHECKED.to_owned());
        Ok(match operator {
            Operator::Less => Value::Bool(ordering()?.is_lt()),
            Operator::LessOrEqual => Value::Bool(ordering()?.is_le()),
            Operator::Greater => Value::Bool(ordering()?.is_gt()),
            Operator::GreaterOrEqual => Value::Bool(ordering()?.is_ge()),
            Operator::Equal => Value::Bool(equal(&one, &other)),
            Operator::NotEqual => Value::Bool(!equal(&one, &other)),
            Operator::In => match (&one, &other) {
                (_, Value::List(items)) => {
                    // A step for each item: so long is the way through them.
                    let walked = u32::try_from(items.len()).unwrap_or(u32::MAX);
                    self.steps = self.steps.saturating_add(walked);
                    Value::Bool(items.iter().any(|item| equal(item, &one)))
                }
                (Value::Text(name), Value::Map(fields)) => {
                    Value::Bool(fields.contains_key(&**name))
                }
                _ => return Err(UNCHECKED.to_owned()),
            },
            Operator::Or | Operator::And => return Err(UNCHECKED.to_owned()),
            Operator::Plus
            | Operator::Minus
            | Operator::Times
            | Operator::Over
            | Operator::Rest => arithmetic(operator, &one, &other)?,
        })
    }
}

fn field(of: &Value, name: &str) -> Value {
    let Value::Map(fields) = of else {
        return Value::Missing(Rc::from(UNCHECKED));
    };
    fields.get(name).cloned().unwrap_or_else(|| {
        let known: Vec<&str> = fields.keys().take(8).map(String::as_str).collect();
        let known = match known.as_slice() {
            [] => "there are none".to_owned(),
            known => format!("there are {}", known.join(", ")),
        };
        Value::Missing(Rc::from(format!("no report says `{name}`: {known}")))
    })
}

fn index(of: &Value, by: &Value) -> Value {
    match (of, by) {
        (Value::Map(_), Value::Text(name)) => field(of, name),
        (Value::List(items), Value::Int(at)) => {
            let found = usize::try_from(*at).ok().and_then(|at| items.get(at));
            found.cloned().unwrap_or_else(|| {
                let why = format!("a list of {} has nothing at {at}", items.len());
                Value::Missing(Rc::from(why))
            })
        }
        _ => Value::Missing(Rc::from(UNCHECKED)),
    }
}

fn size(of: &Value) -> Result<Value, String> {
    let size = match of {
        Value::Text(text) => text.chars().count(),
        Value::List(items) => items.len(),
        Value::Map(fields) => fields.len(),
        Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Missing(_) => {
            return Err(UNCHECKED.to_owned());
        }
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => Some(one.cmp(other)),
        (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
        (one, other) => number(one)?.partial_cmp(&number(other)?),
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (one, other) => compare(one, other) == Some(Ordering::Equal),
    }
}

fn number(of: &Value) -> Option<f64> {
    match of {
        Value::Int(number) => Some(fraction(*number)),
        Value::Double(number) => Some(*number),
        Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) | Value::Missing(_) => {
            None
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of reports are far from where a float loses one"
)]
fn fraction(number: i64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the bounds were compared before"
)]
fn whole(number: f64) -> Result<Value, String> {
    let fits = number.abs() < 9e18;
    let number = fits.then_some(number as i64);
    number
        .map(Value::Int)
        .ok_or_else(|| "a number is too large".to_owned())
}

fn no_number(text: &str) -> String {
    format!("{:?} is not a number", crate::facts::bounded(text, 60))
}

fn arithmetic(operator: Operator, one: &Value, other: &Value) -> Result<Value, String> {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => {
            if *other == 0 && matches!(operator, Operator::Over | Operator::Rest) {
                return Err("it divides by zero".to_owned());
            }
            let result = match operator {
                Operator::Plus => one.checked_add(*other),
                Operator::Minus => one.checked_sub(*other),
                Operator::Times => one.checked_mul(*other),
                Operator::Over => one.checked_div(*other),
                Operator::Rest => one.checked_rem(*other),
                _ => return Err(UNCHECKED.to_owned()),
            };
            result
                .map(Value::Int)
                .ok_or_else(|| "a number is too large".to_owned())
        }
        (Value::Text(one), Value::Text(other)) if operator == Operator::Plus => {
            if one.len() + other.len() > TEXT_MOST {
                return Err(format!("text becomes longer than {TEXT_MOST} bytes"));
            }
            Ok(Value::Text(Rc::from(format!("{one}{other}"))))
        }
        (one, other) => {
            let (Some(one), Some(other)) = (number(one), number(other)) else {
                return Err(UNCHECKED.to_owned());
            };
            let result = match operator {
                Operator::Plus => one + other,
                Operator::Minus => one - other,
                Operator::Times => one * other,
                Operator::Over if other == 0.0 => return Err("it divides by zero".to_owned()),
                Operator::Over => one / other,
                _ => return Err(UNCHECKED.to_owned()),
            };
            // Out of range is no number that could be compared.
            if result.is_finite() {
                Ok(Value::Double(result))
            } else {
                Err("a number is too large".to_owned())
            }
        }
    }
}
