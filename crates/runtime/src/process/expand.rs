//! `$NAME` and `${NAME}` in a command.

use std::collections::BTreeMap;

/// A command names a variable that its instance does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpandError {
    /// There is no such variable.
    #[error("`{argument}` names the variable `{name}`, which is not set")]
    Unknown { argument: String, name: String },
    /// A brace is not closed, or holds something that is no name.
    #[error("`{0}` has a `${{` without a name and a `}}` after it")]
    Malformed(String),
}

/// Replaces `$NAME` and `${NAME}` in each argument by the variable's value, once: a value is taken
/// as it is, and stays one argument whatever it holds. `$$` is a dollar, and so is a `$` before
/// anything that begins no name.
pub(crate) fn expand(
    command: &[String],
    env: &BTreeMap<String, String>,
) -> Result<Vec<String>, ExpandError> {
    command
        .iter()
        .map(|argument| expand_argument(argument, env))
        .collect()
}

fn expand_argument(argument: &str, env: &BTreeMap<String, String>) -> Result<String, ExpandError> {
    let mut expanded = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let (name, after) = if let Some(braced) = after.strip_prefix('{') {
            braced
                .split_once('}')
                .filter(|(name, _)| !name.is_empty() && name_length(name) == name.len())
                .ok_or_else(|| ExpandError::Malformed(argument.to_owned()))?
        } else {
            after.split_at(name_length(after))
        };
        if name.is_empty() {
            expanded.push('$');
        } else {
            let value = env.get(name).ok_or_else(|| ExpandError::Unknown {
                argument: argument.to_owned(),
                name: name.to_owned(),
            })?;
            expanded.push_str(value);
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Returns how long the name is that `text` begins with.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_variables_and_nothing_else() {
        let env = [("PORT", "20001"), ("A_1", "two words"), ("D", "$PORT")];
        let env = env
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        for (argument, expanded) in [
            ("", ""),
            ("plain", "plain"),
            ("$PORT", "20001"),
            ("--port=$PORT", "--port=20001"),
            ("127.0.0.1:${PORT}/x", "127.0.0.1:20001/x"),
            ("${PORT}0", "200010"),
            ("$PORT$A_1", "20001two words"),
            ("$D", "$PORT"),
            ("$$PORT", "$PORT"),
            ("cost: 5$", "cost: 5$"),
            ("$1 $-", "$1 $-"),
        ] {
            assert_eq!(
                expand(&[argument.to_owned()], &env).unwrap(),
                [expanded],
                "{argument}"
            );
        }
        for (argument, problem) in [
            (
                "x$NOPE",
                "`x$NOPE` names the variable `NOPE`, which is not set",
            ),
            (
                "$PORTS",
                "`$PORTS` names the variable `PORTS`, which is not set",
            ),
            (
                "${PORT",
                "`${PORT` has a `${` without a name and a `}` after it",
            ),
            ("${}", "`${}` has a `${` without a name and a `}` after it"),
            (
                "${a b}",
                "`${a b}` has a `${` without a name and a `}` after it",
            ),
        ] {
            let error = expand(&[argument.to_owned()], &env).unwrap_err();
            assert_eq!(error.to_string(), problem);
        }
    }
}
