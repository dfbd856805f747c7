//! What is measured.

/// A load, and what answers it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) path: &'static str,
    /// Requests a second.
    pub(crate) rate: u64,
    pub(crate) connections: u32,
    /// Whether nginx stands still for a second in the middle.
    pub(crate) stalls: bool,
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "small",
        what: "nginx answers by itself, 2,000/s",
        path: "/small",
        rate: 2000,
        connections: 64,
        stalls: false,
    },
    Case {
        name: "slow",
        what: "a backend takes 20 to 120 ms, 1,000/s",
        path: "/slow",
        rate: 1000,
        connections: 400,
        stalls: false,
    },
    Case {
        name: "stall",
        what: "the same, 500/s, and nginx stands still for 1 s",
        path: "/slow",
        rate: 500,
        connections: 1000,
        stalls: true,
    },
];
