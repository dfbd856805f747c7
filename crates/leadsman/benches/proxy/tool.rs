//! The programs that the data plane stands beside, and the one that asks them.

#[path = "../../tests/it/tool.rs"]
mod any;

use std::path::PathBuf;

const TOOLS: [&str; 3] = ["nginx", "haproxy", "h2load"];

/// Returns why this machine cannot have one of the tools, if `./dev` found that out.
pub(crate) fn skipped() -> Option<String> {
    TOOLS
        .iter()
        .find_map(|tool| Some(format!("{tool}: {}", any::missing(tool)?)))
}

/// Returns a tool, wherever it is.
pub(crate) fn tool(name: &str) -> Result<PathBuf, String> {
    any::tool(name, "./dev bench proxy")
}
