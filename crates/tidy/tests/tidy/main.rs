//! The house norms: what we agreed on is a test here, or it is no rule.
//!
//! Each module holds rules of one kind. A rule is a pure function from what was read to
//! [`Finding`](finding::Finding)s, so that beside the test that applies it to the repository there
//! is one that shows it failing. The package depends on nothing of ours: it is built in seconds.

mod arrows;
mod dependencies;
mod dev_script;
mod error_codes;
mod failure_modes;
mod finding;
mod manifests;
mod markdown;
mod metadata;
mod purity;
mod rust_files;
mod spdx;
mod text;
mod tree;
