//! Which symbolic links stay inside an artifact.

use std::path::{Component, Path};

/// Whether a link at `path` (relative to the artifact) to `target` can only lead inside.
///
/// The target must be relative, go up only at its beginning, and no higher than the artifact. A
/// later `..` is refused even where it seems to stay inside: after a folder that is itself a link
/// it would go up from somewhere else. With this rule, and with no entry below a link, every chain
/// of links stays inside: going up happens in real folders only, and each further link is again
/// such a one.
pub(super) fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    let mut descending = false;
    for component in target.components() {
        match component {
            Component::ParentDir if !descending && depth > 0 => depth -= 1,
            Component::Normal(_) => descending = true,
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    !target.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_that_cannot_leave_are_inside() {
        for (path, target, inside) in [
            ("a", "b", true),
            ("a", "./b/c", true),
            ("bin/a", "../lib/a", true),
            ("a/b/c", "../..", true),
            ("a", ".", true),
            ("a", "..", false),
            ("a", "../a", false),
            ("bin/a", "../../etc", false),
            ("bin/a", "b/../../..", false),
            ("bin/a", "b/..", false),
            ("a", "/etc/passwd", false),
            ("a", "", false),
        ] {
            assert_eq!(
                stays_inside(path.as_ref(), target.as_ref()),
                inside,
                "{path} -> {target}"
            );
        }
    }
}
