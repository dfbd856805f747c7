//! Plays all rollouts, one thread per core.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::options::Options;
use super::report::Cell;
use super::rollout::{Ending, Plan, play};
use super::rules::Kind;
use super::scenario::{self, Scenario, Truth};
use super::tally::Tally;
use super::traffic::Shapes;

/// What is to be played for one cell.
struct Task {
    scenario: &'static Scenario,
    plan: Plan,
    /// The number of the first rollout among all of them.
    first: usize,
    rollouts: usize,
    /// The endings so far, with their numbers: one per rule each.
    played: Mutex<Vec<(usize, Vec<Ending>)>>,
}

/// Plays all rollouts that are asked for. The same seed gives the same endings, however many
/// threads there are.
pub(crate) fn play_all(
    options: &Options,
    rules: &[&Kind],
    progress: &(dyn Fn(String) + Sync),
) -> Vec<Cell> {
    let tasks = tasks(options);
    let all = tasks.last().map_or(0, |task| task.first + task.rollouts);
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    let work = || {
        let mut shapes = Shapes::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks
                .iter()
                .rfind(|task| task.first <= number && number < all)
            else {
                return;
            };
            let number = number - task.first;
            let mut rng = SmallRng::seed_from_u64(seed(options.seed, task, number));
            let made = rules.iter().map(|rule| (rule.make)(task.scenario.warm_up));
            let mut made: Vec<_> = made.collect();
            let endings = play(task.scenario, &task.plan, &mut made, &mut shapes, &mut rng);
            let mut played = task.played.lock().expect("no rollout panics");
            played.push((number, endings));
            if played.len() == task.rollouts {
                let (title, rate) = (task.scenario.title, task.plan.rate);
                let (done, seconds) = (task.first + task.rollouts, begun.elapsed().as_secs());
                progress(format!(
                    "{done}/{all} rollouts, {seconds} s: {title}, {rate}/s"
                ));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    tasks
        .into_iter()
        .map(|task| task.into_cell(rules.len()))
        .collect()
}

fn tasks(options: &Options) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    for rate in &options.rates {
        let chosen = |name: &str| options.only.iter().any(|it| it == name);
        for scenario in scenario::ALL.iter().filter(|it| chosen(it.name)) {
            let [good, bad] = options.replicates;
            tasks.push(Task {
                scenario,
                plan: Plan {
                    rate: *rate,
                    steps: [0.05, 0.25, 0.5, options.last],
                },
                first: tasks.last().map_or(0, |task| task.first + task.rollouts),
                rollouts: if scenario.truth == Truth::Good {
                    good
                } else {
                    bad
                },
                played: Mutex::default(),
            });
        }
    }
    tasks
}

/// Returns the seed of one rollout: it depends on what is played, not on what else is.
fn seed(seed: u64, task: &Task, number: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, task.scenario.name, task.plan.rate.to_bits(), number).hash(&mut hasher);
    hasher.finish()
}

impl Task {
    fn into_cell(self, rules: usize) -> Cell {
        let mut played = self.played.into_inner().expect("no rollout panics");
        played.sort_unstable_by_key(|(number, _)| *number);
        let tallies = (0..rules).map(|rule| Tally {
            truth: self.scenario.truth,
            endings: played.iter().map(|(_, endings)| endings[rule]).collect(),
        });
        Cell {
            tallies: tallies.collect(),
            scenario: self.scenario,
            plan: self.plan,
        }
    }
}
