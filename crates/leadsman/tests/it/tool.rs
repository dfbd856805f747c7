//! Where the programs are that are no part of this repository.

use std::path::PathBuf;

/// Returns why this machine cannot have a tool, if `./dev` found that out.
pub(crate) fn missing(name: &str) -> Option<String> {
    std::env::var(format!("LEADSMAN_WITHOUT_{}", name.to_uppercase())).ok()
}

/// Returns a tool: the one that is named, the machine's own, or the one that `./dev` brought.
///
/// # Errors
/// There is none; it says that the command `bringing` would bring it.
pub(crate) fn tool(name: &str, bringing: &str) -> Result<PathBuf, String> {
    let variable = format!("LEADSMAN_{}", name.to_uppercase());
    if let Some(named) = std::env::var_os(&variable) {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join(name));
    let program = std::env::current_exe().unwrap_or_default();
    let brought = program
        .ancestors()
        .map(|folder| folder.join("tools").join(name).join("run"));
    let found = installed.chain(brought).find(|program| program.is_file());
    found.ok_or_else(|| {
        format!("{name} is not here: `{bringing}` brings it, or name it in {variable}")
    })
}
