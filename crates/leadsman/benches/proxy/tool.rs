//! Where the programs are that are no part of this repository.

use std::path::PathBuf;

use crate::Error;

const TOOLS: [&str; 3] = ["nginx", "haproxy", "h2load"];

/// Returns why this machine cannot have one of the tools, if `./dev` found that out.
pub(crate) fn skipped() -> Option<String> {
    TOOLS.iter().find_map(|tool| {
        let variable = format!("LEADSMAN_WITHOUT_{}", tool.to_uppercase());
        Some(format!("{tool}: {}", std::env::var(variable).ok()?))
    })
}

/// Returns a tool: the one that is named, the machine's own, or the one that `./dev` brought.
pub(crate) fn tool(name: &str) -> Result<PathBuf, Error> {
    let variable = format!("LEADSMAN_{}", name.to_uppercase());
    if let Some(named) = std::env::var_os(&variable) {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join(name));
    let program = std::env::current_exe()?;
    let brought = program
        .ancestors()
        .map(|folder| folder.join("tools").join(name).join("run"));
    let found = installed.chain(brought).find(|program| program.is_file());
    found.ok_or_else(|| {
        format!("{name} is not here: `./dev bench proxy` brings it, or name it in {variable}")
            .into()
    })
}
