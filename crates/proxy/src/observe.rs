//! What is asked to be seen of requests, beyond figures.

use std::fmt;
use std::path::PathBuf;

/// Where and how requests are written down, one line of JSON for each.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// The file. What was written earlier has `.1`, `.2` and so on appended to its name.
    pub path: PathBuf,
    /// The share of the requests that is written down, 0 to 1.
    pub share: f64,
    /// Whether those that failed (status 5xx, refused, or broken off) are written down in any case.
    pub failures: bool,
    /// Whether the query is written down, which may hold secrets.
    pub query: bool,
    /// How large the file becomes before a new one is begun, in bytes.
    pub bytes_max: u64,
    /// How many earlier files are kept.
    pub kept: usize,
}

impl AccessLog {
    /// Returns the usual way of writing down all requests in a file: up to 256 MiB, without queries.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            share: 1.0,
            failures: true,
            query: false,
            bytes_max: 64 * 1024 * 1024,
            kept: 3,
        }
    }
}

/// Which requests are told to a collector, as spans, and where that is.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// The collector's URL, with http and without `/v1/traces`.
    pub collector: String,
    /// The share of those requests whose trace begins here, or comes from who is not trusted, 0 to 1.
    /// In traces of who is trusted it is said there.
    pub share: f64,
    /// The name under which the data plane is known to the collector.
    pub service: String,
    /// How many spans wait for the collector, at most.
    pub queue_max: usize,
}

impl Traces {
    /// Returns the usual way of telling a collector of all requests.
    pub fn to(collector: impl Into<String>) -> Self {
        Self {
            collector: collector.into(),
            share: 1.0,
            service: "leadsman".to_owned(),
            queue_max: 2048,
        }
    }
}

/// A place in a trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    /// Which trace.
    pub(crate) trace: u128,
    /// This request in it.
    pub(crate) span: u64,
    /// What asked for it, if that is part of the trace.
    pub(crate) parent: Option<u64>,
    /// Whether it is to be exported.
    pub(crate) is_sampled: bool,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace,
            span,
            parent,
            is_sampled,
        } = self;
        write!(
            f,
            "{trace:032x}/{span:016x} of {parent:x?}, sampled: {is_sampled}"
        )
    }
}
