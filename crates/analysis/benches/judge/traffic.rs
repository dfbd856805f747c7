//! Requests, second by second: how many, how many fail, how long they take.
//!
//! Requests arrive as a Poisson process. Latencies are lognormal, and are drawn straight into the
//! judge's buckets: a table of the chance of each bucket is made once per shape, and a draw from it
//! takes a few nanoseconds, whatever the shape.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use leadsman_analysis::{BUCKETS, Histogram};
use rand::rngs::SmallRng;
use rand_distr::{Distribution as _, Gamma, Poisson};

use super::alias::Alias;
use super::normal;
use super::scenario::{Behaviour, Bursts};

/// The median latency of stable, in seconds.
const MEDIAN: f64 = 0.08;

/// The standard deviation of the logarithm of a latency.
const SIGMA: f64 = 0.6;

/// How many standard deviations above the median 95 of 100 latencies end.
pub(crate) const Q95: f64 = 1.644_853_626_951_472_2;

/// How many standard deviations above the median 99 of 100 latencies end.
pub(crate) const Q99: f64 = 2.326_347_874_040_841;

/// The thresholds in seconds beyond which requests are counted exactly: the buckets' edges do not
/// meet them. 0.5 s is what peers' documentation uses, the others are the absolute limits.
pub(crate) const THRESHOLDS: [f64; 3] = [0.5, 1.0, 2.0];

/// What was counted of one arm in one interval.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    /// Requests slower than 0.5, 1 and 2 s.
    pub(crate) over: [u64; 3],
    /// Requests by bucket of latency.
    pub(crate) buckets: Vec<u32>,
    /// Outside of this range `buckets` are all zeros.
    pub(crate) touched: Range<usize>,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            requests: 0,
            errors: 0,
            over: [0; 3],
            buckets: vec![0; BUCKETS],
            touched: 0..0,
        }
    }
}

impl Counted {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.buckets[self.touched.clone()].fill(0);
        self.requests = 0;
        self.errors = 0;
        self.over = [0; 3];
        self.touched = 0..0;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        for (mine, theirs) in self.over.iter_mut().zip(other.over) {
            *mine += theirs;
        }
        for bucket in other.touched.clone() {
            self.buckets[bucket] += other.buckets[bucket];
        }
        self.touch(&other.touched);
    }

    /// Counts `count` requests of one cell.
    fn put(&mut self, cell: Cell, count: u32) {
        self.buckets[cell.bucket] += count;
        for over in &mut self.over[..cell.over] {
            *over += u64::from(count);
        }
        self.touch(&(cell.bucket..cell.bucket + 1));
    }

    fn touch(&mut self, range: &Range<usize>) {
        if self.touched.is_empty() {
            self.touched = range.clone();
        } else if !range.is_empty() {
            self.touched.start = self.touched.start.min(range.start);
            self.touched.end = self.touched.end.max(range.end);
        }
    }

    /// Returns the counts as the judge's histogram.
    pub(crate) fn histogram(&self) -> Histogram {
        let counts = self
            .touched
            .clone()
            .zip(&self.buckets[self.touched.clone()]);
        let counts = counts.filter(|(_, count)| **count > 0);
        let pairs = counts.map(|(bucket, count)| (bucket as u16, u64::from(*count)));
        Histogram::from(pairs.collect::<Vec<_>>())
    }
}

/// A part of a bucket that lies between two of the thresholds.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) bucket: usize,
    /// How many of the thresholds it lies beyond.
    pub(crate) over: usize,
}

/// How the latencies of an arm are distributed.
pub(crate) struct Shape {
    pub(crate) cells: Vec<Cell>,
    /// The chance of each cell; together 1.
    pub(crate) chances: Vec<f64>,
    alias: Alias,
    /// The chance of a request slower than 1.2 times stable's 95th percentile.
    pub(crate) slow: f64,
}

impl Shape {
    /// All latencies are `slower` times stable's, a share of `tail` of them ten times more.
    pub(crate) fn new(slower: f64, tail: f64) -> Self {
        let (mut cells, mut chances) = (Vec::new(), Vec::new());
        // Where the last cell ended, and the chance of all that lies above.
        let (mut last, mut left) = (f64::NEG_INFINITY, 1.0);
        for bucket in 0..BUCKETS {
            let edge = if bucket == BUCKETS - 1 {
                f64::INFINITY
            } else {
                Histogram::edge(bucket).as_secs_f64()
            };
            let over = THRESHOLDS.iter().filter(|it| **it <= last).count();
            let inside = THRESHOLDS[over..].iter().copied();
            let ends = inside.take_while(|it| *it < edge).chain([edge]);
            for (end, over) in ends.zip(over..) {
                let above = above(end, slower, tail);
                if left - above > 1e-15 {
                    cells.push(Cell { bucket, over });
                    chances.push(left - above);
                }
                (last, left) = (end, above);
            }
        }
        Self {
            alias: Alias::new(&chances),
            cells,
            chances,
            slow: above(1.2 * MEDIAN * (SIGMA * Q95).exp(), slower, tail),
        }
    }
}

/// Returns the chance that a latency is longer than `seconds`.
pub(crate) fn above(seconds: f64, slower: f64, tail: f64) -> f64 {
    let one = |factor: f64| {
        if seconds <= 0.0 {
            1.0
        } else {
            normal::above((seconds / (MEDIAN * factor)).ln() / SIGMA)
        }
    };
    (1.0 - tail) * one(slower) + tail * one(10.0 * slower)
}

/// Returns the latency, in seconds, that lies `deviations` above stable's median.
pub(crate) fn latency(deviations: f64) -> f64 {
    MEDIAN * (SIGMA * deviations).exp()
}

/// The shapes that were needed so far.
#[derive(Default)]
pub(crate) struct Shapes(HashMap<(u64, u64), Rc<Shape>>);

impl Shapes {
    /// Returns the shape of a behaviour. A slowdown is taken in steps of 1 %.
    pub(crate) fn of(&mut self, behaviour: &Behaviour) -> Rc<Shape> {
        let slower = (behaviour.slower * 100.0).round() / 100.0;
        let key = (slower.to_bits(), behaviour.tail.to_bits());
        let made = self.0.entry(key);
        Rc::clone(made.or_insert_with(|| Rc::new(Shape::new(slower, behaviour.tail))))
    }
}

/// Draws the requests of a second: `expected` of them on average, of which a share of `errors`
/// fail. They are added to `counted`.
pub(crate) fn arrive(
    counted: &mut Counted,
    expected: f64,
    errors: f64,
    shape: &Shape,
    rng: &mut SmallRng,
) {
    let failed = poisson(expected * errors, rng);
    let requests = failed + poisson(expected * (1.0 - errors), rng);
    counted.errors += failed;
    counted.requests += requests;
    for _ in 0..requests {
        counted.put(shape.cells[shape.alias.draw(rng)], 1);
    }
}

/// Draws a Poisson number.
fn poisson(mean: f64, rng: &mut SmallRng) -> u64 {
    // A mean of zero is no distribution to `rand_distr`; one this small is as good as zero.
    if mean < 1e-12 {
        return 0;
    }
    let drawn: f64 = Poisson::new(mean)
        .expect("the mean is positive")
        .sample(rng);
    drawn as u64
}

/// A fresh copy of stable that answers as many requests as the canary: what one would start beside
/// it for a comparison of equals. It is only looked at once a minute, and drawn then.
#[derive(Default)]
pub(crate) struct Twin {
    failed: f64,
    expected: Vec<(Rc<Shape>, f64)>,
}

impl Twin {
    /// Notes what is to be expected of one second.
    pub(crate) fn expect(&mut self, expected: f64, errors: f64, shape: &Rc<Shape>) {
        self.failed += expected * errors;
        match self.expected.last_mut() {
            Some((last, sum)) if Rc::ptr_eq(last, shape) => *sum += expected,
            _ => self.expected.push((Rc::clone(shape), expected)),
        }
    }

    /// Draws what arrived since the last time.
    pub(crate) fn draw(&mut self, rng: &mut SmallRng) -> Counted {
        let mut counted = Counted::default();
        for (shape, expected) in self.expected.drain(..) {
            for (cell, chance) in shape.cells.iter().zip(&shape.chances) {
                let drawn = poisson(expected * chance, rng);
                counted.requests += drawn;
                if drawn > 0 {
                    counted.put(*cell, drawn as u32);
                }
            }
        }
        counted.errors = poisson(self.failed, rng).min(counted.requests);
        self.failed = 0.0;
        counted
    }
}

/// The factors by which errors come in bursts: each is drawn from a gamma distribution with mean 1
/// and kept for some seconds.
pub(crate) struct Weather {
    bursts: Option<Bursts>,
    /// For the canary, the baseline, and the baseline's fresh copy.
    pub(crate) factors: [f64; 3],
}

impl Weather {
    pub(crate) fn new(bursts: Option<Bursts>) -> Self {
        Self {
            bursts,
            factors: [1.0; 3],
        }
    }

    /// Goes on to the second that begins at `at`.
    pub(crate) fn turn(&mut self, at: i32, rng: &mut SmallRng) {
        let Some(bursts) = self.bursts else { return };
        if at.rem_euclid(bursts.seconds) != 0 {
            return;
        }
        // Mean 1 and standard deviation `variation`.
        let scale = bursts.variation * bursts.variation;
        let factor = Gamma::new(1.0 / scale, scale).expect("the variation is positive");
        self.factors = if bursts.shared {
            [factor.sample(rng); 3]
        } else {
            [(); 3].map(|()| factor.sample(rng))
        };
    }
}
