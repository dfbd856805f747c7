//! What is measured.

/// Bytes of a small body.
pub(crate) const SMALL: usize = 128;

/// Bytes of a large body.
pub(crate) const LARGE: usize = 64 * 1024;

/// How many connections idle.
const IDLE: usize = 10_000;

/// One thing that is measured.
pub(crate) struct Case {
    /// What it is chosen by.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) load: Load,
    /// How many connections idle meanwhile.
    pub(crate) idle: usize,
}

/// What a client speaks with the proxy. Behind the proxy it is always HTTP/1.1 in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    /// HTTP/1.1 over TLS 1.3.
    Tls,
    /// HTTP/2 over TLS 1.3.
    Http2,
}

/// What clients do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// Each connection keeps so many requests under way, and sends the next when one is answered.
    Closed {
        connections: usize,
        streams: usize,
        body: Body,
    },
    /// Requests for small bodies come at a fixed rate, whether or not others are answered: half of
    /// what the better of nginx and HAProxy can do.
    Half { connections: usize },
    /// Nothing after one request each.
    None,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Small,
    Large,
}

impl Body {
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Small => "/small",
            Self::Large => "/large",
        }
    }

    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Small => SMALL,
            Self::Large => LARGE,
        }
    }
}

pub(crate) const CASES: [Case; 8] = [
    Case {
        name: "small-64",
        title: "small responses, 64 connections",
        protocol: Protocol::Http1,
        load: closed(64, 1, Body::Small),
        idle: 0,
    },
    Case {
        name: "small-1000",
        title: "small responses, 1,000 connections",
        protocol: Protocol::Http1,
        load: closed(1000, 1, Body::Small),
        idle: 0,
    },
    Case {
        name: "large-64",
        title: "64 KiB bodies, 64 connections",
        protocol: Protocol::Http1,
        load: closed(64, 1, Body::Large),
        idle: 0,
    },
    Case {
        name: "tls-64",
        title: "small responses over TLS 1.3, 64 connections",
        protocol: Protocol::Tls,
        load: closed(64, 1, Body::Small),
        idle: 0,
    },
    Case {
        name: "http2-64",
        title: "small responses over HTTP/2, 64 connections with 10 streams each",
        protocol: Protocol::Http2,
        load: closed(64, 10, Body::Small),
        idle: 0,
    },
    Case {
        name: "half-load",
        title: "small responses at half load, 64 connections",
        protocol: Protocol::Http1,
        load: Load::Half { connections: 64 },
        idle: 0,
    },
    Case {
        name: "idle",
        title: "idle keep-alive connections",
        protocol: Protocol::Http1,
        load: Load::None,
        idle: IDLE,
    },
    Case {
        name: "busy-among-idle",
        title: "small responses, 1,000 connections beside idle ones",
        protocol: Protocol::Http1,
        load: closed(1000, 1, Body::Small),
        idle: IDLE,
    },
];

const fn closed(connections: usize, streams: usize, body: Body) -> Load {
    Load::Closed {
        connections,
        streams,
        body,
    }
}

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// Processor time of the proxy's processes for one request.
    Cpu,
    /// The part of it that the kernel used.
    Kernel,
    PerSecond,
    P50,
    P99,
    /// How much later than without a proxy, at the same rate.
    P99Added,
    /// Proportional set size: pages that several processes share are divided among them.
    Resident,
    /// How much it grows with each idle connection.
    PerIdle,
    /// How busy it keeps the cores that it has. Well below 100 % the load generator or the backends
    /// are what bounds the rate.
    OfItsCores,
}

impl Metric {
    /// Returns its name in tables, with the unit.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU µs per request",
            Self::Kernel => "of it in the kernel",
            Self::PerSecond => "requests/s",
            Self::P50 => "p50, ms",
            Self::P99 => "p99, ms",
            Self::P99Added => "p99 added, ms",
            Self::Resident => "memory, MiB",
            Self::PerIdle => "KiB per idle connection",
            Self::OfItsCores => "its cores' use, %",
        }
    }

    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_us_per_request",
            Self::Kernel => "kernel_us_per_request",
            Self::PerSecond => "requests_per_second",
            Self::P50 => "p50_ms",
            Self::P99 => "p99_ms",
            Self::P99Added => "p99_added_ms",
            Self::Resident => "memory_mib",
            Self::PerIdle => "kib_per_idle_connection",
            Self::OfItsCores => "of_its_cores_percent",
        }
    }

    /// Says which of two values is the better one; `None` where neither is.
    pub(crate) fn better(self) -> Option<fn(f64, f64) -> f64> {
        match self {
            Self::PerSecond => Some(f64::max),
            Self::Cpu | Self::P50 | Self::P99 | Self::P99Added | Self::Resident | Self::PerIdle => {
                Some(f64::min)
            }
            Self::Kernel | Self::OfItsCores => None,
        }
    }

    pub(crate) const fn digits(self) -> usize {
        match self {
            Self::PerSecond | Self::OfItsCores => 0,
            Self::Cpu | Self::Kernel | Self::Resident => 1,
            Self::P50 | Self::P99 | Self::P99Added | Self::PerIdle => 2,
        }
    }
}
