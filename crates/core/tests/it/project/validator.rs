//! A JSON Schema validator for exactly the words that our schema uses; it refuses to pass over
//! any other one.

use regex::Regex;
use serde_json::Value;

/// Returns why `value` is not valid by `schema`, or nothing if it is.
pub(super) fn violations(root: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    let words = schema.as_object().expect("a schema is an object");
    for (word, operand) in words {
        let valid = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" => true,
            "$ref" => {
                let name = operand.as_str().and_then(|r| r.strip_prefix("#/$defs/"));
                let target = &root["$defs"][name.expect("it refers to a definition")];
                violations.extend(self::violations(root, target, value));
                true
            }
            "anyOf" => array(operand)
                .iter()
                .any(|s| self::violations(root, s, value).is_empty()),
            "not" => !self::violations(root, operand, value).is_empty(),
            "type" => match operand {
                Value::Array(types) => types.iter().any(|t| is_of(value, t)),
                one => is_of(value, one),
            },
            "enum" => array(operand).contains(value),
            "const" => operand == value,
            "pattern" => {
                let text = operand.as_str().expect("a pattern is text");
                let regex = Regex::new(text).expect("the pattern is portable");
                value.as_str().is_none_or(|value| regex.is_match(value))
            }
            "minimum" => value.as_f64().is_none_or(|v| v >= number(operand)),
            "maximum" => value.as_f64().is_none_or(|v| v <= number(operand)),
            "minItems" => value
                .as_array()
                .is_none_or(|v| v.len() as f64 >= number(operand)),
            "maxItems" => value
                .as_array()
                .is_none_or(|v| v.len() as f64 <= number(operand)),
            "maxProperties" => value
                .as_object()
                .is_none_or(|v| v.len() as f64 <= number(operand)),
            "required" => value.as_object().is_none_or(|v| {
                array(operand)
                    .iter()
                    .all(|key| key.as_str().is_some_and(|key| v.contains_key(key)))
            }),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    violations.extend(self::violations(root, operand, item));
                }
                true
            }
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = operand.get(key) {
                        violations.extend(self::violations(root, schema, value));
                    }
                }
                true
            }
            "propertyNames" => {
                for key in value
                    .as_object()
                    .into_iter()
                    .flat_map(|object| object.keys())
                {
                    violations.extend(self::violations(root, operand, &key.as_str().into()));
                }
                true
            }
            "additionalProperties" => {
                let listed = words.get("properties").and_then(Value::as_object);
                for (key, value) in value.as_object().into_iter().flatten() {
                    if listed.is_some_and(|listed| listed.contains_key(key)) {
                        continue;
                    }
                    match operand {
                        Value::Bool(false) => violations.push(format!("unknown key `{key}`")),
                        schema => violations.extend(self::violations(root, schema, value)),
                    }
                }
                true
            }
            other => unreachable!("the validator does not know `{other}`"),
        };
        if !valid {
            violations.push(format!("{value} violates `{word}`: {operand}"));
        }
    }
    violations
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("a type is a word") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => unreachable!("the validator does not know the type `{other}`"),
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("a list is expected in the schema")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number is expected in the schema")
}
