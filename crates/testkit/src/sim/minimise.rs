//! Makes a script that shows something shorter, until nothing can be left out of it.

use super::script::Script;

/// Returns the shortest script that could be found, by leaving things out of `script`, of which
/// `shows` says that it still shows what it should; and how many were tried for it.
pub fn minimise(script: &Script, mut shows: impl FnMut(&Script) -> bool) -> (Script, usize) {
    let mut shortest = script.clone();
    let mut tried = 0;
    let mut part = shortest.acts.len().div_ceil(2).max(1);
    loop {
        let before = shortest.acts.len();
        let mut from = 0;
        while from < shortest.acts.len() {
            let to = (from + part).min(shortest.acts.len());
            let mut shorter = shortest.clone();
            shorter.acts.drain(from..to);
            tried += 1;
            if shows(&shorter) {
                shortest = shorter;
            } else {
                from = to;
            }
        }
        if part == 1 && shortest.acts.len() == before {
            return (shortest, tried);
        }
        part = (part / 2).max(1);
    }
}
