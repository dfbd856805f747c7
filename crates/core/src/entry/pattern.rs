//! Which branches and tags are meant.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name, or several by `*`, which stands for any number of any characters: `main`, `release/*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefPattern(pub String);

impl RefPattern {
    /// Whether `name` is meant.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        // Split always has a first part.
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let mut last = None;
        for part in parts {
            if let Some(part) = last.replace(part) {
                // The first place is as good as any: what follows may lie anywhere behind it.
                match rest.find(part) {
                    Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                    None => return false,
                }
            }
        }
        match last {
            Some(last) => rest.ends_with(last),
            None => rest.is_empty(),
        }
    }
}

impl fmt::Display for RefPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched() {
        for (pattern, matching, others) in [
            ("main", &["main"][..], &["", "mai", "main2", "xmain"][..]),
            (
                "release/*",
                &["release/1", "release/", "release/1/2"],
                &["release", "x/release/1"],
            ),
            ("v*", &["v", "v1.2"], &["1.2", "wv"]),
            ("*", &["", "anything"], &[]),
            ("*-rc*", &["1-rc1", "-rc", "a-rc-rc"], &["rc", "1-r"]),
            ("a*b*a", &["aba", "axbxa", "abba"], &["ab", "aa", "a"]),
            ("a*a", &["aa", "aba"], &["a"]),
        ] {
            let pattern = RefPattern(pattern.to_owned());
            for name in matching {
                assert!(pattern.matches(name), "`{pattern}` means `{name}`");
            }
            for name in others {
                assert!(!pattern.matches(name), "`{pattern}` does not mean `{name}`");
            }
        }
    }
}
