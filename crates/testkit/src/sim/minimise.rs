//! Makes a script that shows something shorter, until nothing can be left out of it.

use super::play::play;
use super::script::Script;

/// Returns the shortest script that could be found, by leaving things out of `script`, in which
/// the same invariant does not hold; and how many worlds were played for it.
pub fn minimise(script: &Script, invariant: &str) -> (Script, usize) {
    let mut shortest = script.clone();
    let mut played = 0;
    let mut part = shortest.acts.len().div_ceil(2).max(1);
    loop {
        let before = shortest.acts.len();
        let mut from = 0;
        while from < shortest.acts.len() {
            let to = (from + part).min(shortest.acts.len());
            let mut shorter = shortest.clone();
            shorter.acts.drain(from..to);
            played += 1;
            let violations = play(&shorter, false).violations;
            if violations.iter().any(|it| it.invariant == invariant) {
                shortest = shorter;
            } else {
                from = to;
            }
        }
        if part == 1 && shortest.acts.len() == before {
            return (shortest, played);
        }
        part = (part / 2).max(1);
    }
}
