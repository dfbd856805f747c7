//! The subcommands: one file each, with its arguments and what it does.

pub(crate) mod abort;
pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod down;
pub(crate) mod explain;
mod give;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod judge;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod promote;
pub(crate) mod proxy;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod rollback;
pub(crate) mod schema;
pub(crate) mod shim;
pub(crate) mod ship;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod why;
