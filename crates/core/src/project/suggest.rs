//! Which known word somebody may have meant.

use super::problem::quoted;

/// Words longer than this are not compared: nobody types them by mistake.
const LONGEST: usize = 64;

/// Returns the one of `known` that is closest to `word`, if it is close enough to be meant.
pub(super) fn closest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = normal(word);
    let tolerated = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(&word, &normal(candidate)), candidate))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns a hint that names the closest of `known`, or all of them.
pub(super) fn hint<'k>(word: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    if let Some(candidate) = closest(word, known.clone()) {
        return format!("did you mean `{candidate}`?");
    }
    let known: Vec<String> = known.into_iter().map(quoted).collect();
    match known.as_slice() {
        [] => "there is none here; take it out".to_owned(),
        [only] => format!("only {only} is known here"),
        [most @ .., last] => format!("known here are {} and {last}", most.join(", ")),
    }
}

/// Spelling that does not count as a difference.
fn normal(word: &str) -> String {
    word.to_lowercase().replace(['-', ' '], "_")
}

/// Returns how many letters must be put in, taken out, changed or swapped with the next one.
#[expect(
    clippy::indexing_slicing,
    reason = "`i` and `j` stay within the words and the table"
)]
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(left[i - 1] != right[j - 1]);
                let mut least = (table[i - 1][j] + 1)
                    .min(table[i][j - 1] + 1)
                    .min(table[i - 1][j - 1] + change);
                if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                    least = least.min(table[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    table[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_recognised() {
        let known = ["instances", "memory", "keep_warm", "env"];
        for (word, meant) in [
            ("instnces", Some("instances")),
            ("Instances", Some("instances")),
            ("keep-warm", Some("keep_warm")),
            ("evn", Some("env")),
            ("replicas", None),
            ("", None),
        ] {
            assert_eq!(closest(word, known), meant, "{word}");
        }
    }
}
