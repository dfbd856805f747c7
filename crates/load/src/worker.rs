//! One thread that makes requests.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::connect::Connector;
use crate::exchange::{Answer, Beside, Link, NoAnswer, ask_beside};
use crate::lanes::{Given, Job, Lanes};
use crate::prepared::Prepared;
use crate::profile::Arrivals;
use crate::report::{Failure, Figures, micros};
use crate::scenario::{Model, STREAMS, Scenario, Version};
use crate::timer::Timer;
use crate::users::Users;

/// So many requests are begun in a row before answers are looked at.
const BATCH: usize = 64;

/// How long requests under way may take when it is ended early.
const GRACE: Duration = Duration::from_millis(500);

/// What all workers share.
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) prepared: Vec<Prepared>,
    pub(crate) connector: Connector,
    /// When it begins.
    pub(crate) begin: Instant,
    pub(crate) workers: usize,
    pub(crate) cancel: watch::Receiver<bool>,
}

impl Plan {
    /// Says whether what is due now is part of the figures.
    fn counts(&self, due: Duration) -> bool {
        due >= self.scenario.warm_up
    }

    /// Returns when what is measured ends.
    fn end(&self) -> Instant {
        self.begin + self.scenario.length()
    }
}

/// What a worker counts, for others to look at meanwhile.
pub(crate) struct Counted {
    /// By kind of request.
    pub(crate) figures: Mutex<Vec<Figures>>,
    /// Requests under way.
    pub(crate) under_way: AtomicU64,
}

impl Counted {
    pub(crate) fn new(kinds: usize) -> Self {
        Self {
            figures: Mutex::new(vec![Figures::default(); kinds]),
            under_way: AtomicU64::new(0),
        }
    }

    fn count(&self, request: usize, count: impl FnOnce(&mut Figures)) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(figures) = figures.get_mut(request) {
            count(figures);
        }
    }
}

/// Makes the requests of one worker, on this thread, until none is left.
pub(crate) fn run(plan: &Arc<Plan>, number: usize, counted: &Arc<Counted>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    let (plan, counted) = (Arc::clone(plan), Arc::clone(counted));
    let done = local.block_on(&runtime, async move {
        let worker = Rc::new(Worker::new(plan, number, counted));
        worker.drive(&Timer::new()?).await
    });
    // Connections that are still open are closed with their tasks.
    drop(local);
    done
}

struct Worker {
    plan: Arc<Plan>,
    number: usize,
    counted: Arc<Counted>,
    lanes: Lanes,
    users: Option<RefCell<Users>>,
    /// Connections that several lanes use.
    links: RefCell<Vec<Rc<tokio::sync::Mutex<Option<Link>>>>>,
    under_way: Cell<u64>,
    /// An answer has come.
    answered: Notify,
}

impl Worker {
    fn new(plan: Arc<Plan>, number: usize, counted: Arc<Counted>) -> Self {
        let (lanes, users) = match &plan.scenario.model {
            Model::Rate(_) => {
                let connections = share(plan.scenario.connections, number, plan.workers);
                let lanes = match plan.scenario.version {
                    Version::Http1 => connections,
                    Version::Http2 => connections.saturating_mul(STREAMS),
                };
                (Lanes::shared(lanes), None)
            }
            Model::Users { users, think } => {
                let users = Users::new(users, *think, number, plan.workers);
                (Lanes::owned(users.count()), Some(RefCell::new(users)))
            }
        };
        Self {
            plan,
            number,
            counted,
            lanes,
            users,
            links: RefCell::new(Vec::new()),
            under_way: Cell::new(0),
            answered: Notify::new(),
        }
    }

    /// Makes every request when it is due, and waits for the last answers.
    async fn drive(self: &Rc<Self>, timer: &Timer) -> io::Result<()> {
        let mut cancel = self.plan.cancel.clone();
        let cancelled = async move {
            // If nobody is left who could cancel it, nobody does.
            if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            driven = self.make_all(timer) => driven,
            () = cancelled => {
                let end = Instant::now() + GRACE;
                while self.under_way.get() > 0 {
                    tokio::select! {
                        () = self.answered.notified() => {}
                        ended = timer.until(end) => return ended,
                    }
                }
                Ok(())
            }
        }
    }

    async fn make_all(self: &Rc<Self>, timer: &Timer) -> io::Result<()> {
        match &self.plan.scenario.model {
            Model::Rate(rate) => {
                let mut arrivals = Arrivals::new(rate, self.number, self.plan.workers).peekable();
                while let Some((_, due)) = arrivals.peek() {
                    timer.until(self.plan.begin + *due).await?;
                    for _ in 0..BATCH {
                        let now = self.plan.begin.elapsed();
                        let Some((number, due)) = arrivals.next_if(|(_, due)| *due <= now) else {
                            break;
                        };
                        self.begin(due, now, number, number, None);
                    }
                }
            }
            Model::Users { .. } => self.make_those_of_users(timer).await?,
        }
        // Each has ended by then, one way or another.
        let end = self.plan.end() + self.plan.scenario.timeout + GRACE;
        while self.under_way.get() > 0 {
            tokio::select! {
                () = self.answered.notified() => {}
                ended = timer.until(end) => return ended,
            }
        }
        Ok(())
    }

    async fn make_those_of_users(self: &Rc<Self>, timer: &Timer) -> io::Result<()> {
        let Some(users) = &self.users else {
            return Ok(());
        };
        loop {
            let next = users.borrow().next();
            match next {
                Some(next) => {
                    tokio::select! {
                        waited = timer.until(self.plan.begin + next) => waited?,
                        // Somebody may be due earlier now.
                        () = self.answered.notified() => {}
                    }
                }
                // Who is waited for may come again.
                None if self.under_way.get() > 0 => self.answered.notified().await,
                None => return Ok(()),
            }
            for _ in 0..BATCH {
                let now = self.plan.begin.elapsed();
                let Some((due, user, made)) = users.borrow_mut().take(now) else {
                    break;
                };
                // A row is a user's for one round of the requests.
                let kinds = self.plan.prepared.len() as u64;
                let round = (made / kinds).wrapping_mul(self.plan.workers as u64);
                let row = (user as u64)
                    .wrapping_mul(self.plan.workers as u64)
                    .wrapping_add(self.number as u64)
                    .wrapping_add(round.wrapping_mul(users.borrow().count() as u64));
                self.begin(due, now, made, row, Some(user));
            }
        }
    }

    /// Gives a request to a lane.
    fn begin(
        self: &Rc<Self>,
        due: Duration,
        now: Duration,
        turn: u64,
        row: u64,
        user: Option<usize>,
    ) {
        let kinds = self.plan.prepared.len() as u64;
        let job = Job {
            request: usize::try_from(turn % kinds).unwrap_or_default(),
            row,
            due: self.plan.begin + due,
            counts: self.plan.counts(due),
        };
        let given = match user {
            None => self.lanes.give(job),
            Some(user) => self.lanes.give_to(user, job),
        };
        if job.counts {
            self.counted.count(job.request, |figures| {
                figures.requests += 1;
                figures
                    .late
                    .saturating_record(micros(now.saturating_sub(due)).max(1));
                figures.waited += u64::from(given == Given::Waits);
                if given == Given::Refused {
                    *figures.failures.entry(Failure::NotMade).or_default() += 1;
                }
            });
        }
        if given == Given::Refused {
            return;
        }
        self.set_under_way(self.under_way.get() + 1);
        if let Given::Start(lane) = given {
            // It ends with the worker: until then it waits for requests.
            drop(tokio::task::spawn_local(Rc::clone(self).lane(lane)));
        }
    }

    fn set_under_way(&self, count: u64) {
        self.under_way.set(count);
        self.counted.under_way.store(count, Ordering::Relaxed);
    }

    /// Makes one request after another.
    async fn lane(self: Rc<Self>, lane: usize) {
        let mut link = None;
        loop {
            let job = if self.users.is_some() {
                self.lanes.next_owned(lane).await
            } else {
                self.lanes.next_shared(lane).await
            };
            if job.counts && Instant::now() < self.plan.end() {
                self.counted
                    .count(job.request, |figures| figures.begun += 1);
            }
            let deadline = job.due + self.plan.scenario.timeout;
            let answer = if Instant::now() >= deadline {
                Err(Failure::Timeout)
            } else {
                let made = self.make(lane, &job, &mut link);
                tokio::time::timeout_at(deadline.into(), made)
                    .await
                    .unwrap_or(Err(Failure::Timeout))
            };
            // Nothing else can be read from a connection whose answer was not read to its end.
            if answer.is_err() || !self.plan.scenario.reuse {
                link = None;
            }
            self.end(&job, &answer);
            if let Some(users) = &self.users {
                users.borrow_mut().think(lane, self.plan.begin.elapsed());
            }
            self.set_under_way(self.under_way.get() - 1);
            if self.users.is_some() || self.under_way.get() == 0 {
                self.answered.notify_one();
            }
        }
    }

    /// Makes a request, on a new connection if the one there was is gone.
    async fn make(
        &self,
        lane: usize,
        job: &Job,
        link: &mut Option<Link>,
    ) -> Result<Answer, Failure> {
        let scenario = &self.plan.scenario;
        let (Some(prepared), Some(what)) = (
            self.plan.prepared.get(job.request),
            scenario.requests.get(job.request),
        ) else {
            return Err(Failure::NotMade);
        };
        // What a row of the data makes of it may be no request.
        let Ok(mut request) = prepared.request(scenario.data.as_ref(), job.row) else {
            return Err(Failure::NotMade);
        };
        for _ in 0..3 {
            let answer = match scenario.version {
                Version::Http1 => {
                    let link = match link {
                        Some(link) if !link.is_closed() => link,
                        _ => link.insert(Link::new(&self.plan.connector, Version::Http1).await?),
                    };
                    link.ask(request, what, scenario.answer_max).await
                }
                Version::Http2 => {
                    let mut beside = self.beside(lane / STREAMS).await?;
                    ask_beside(&mut beside, request, what, scenario.answer_max).await
                }
            };
            request = match answer {
                Ok(answer) => return Ok(answer),
                Err(NoAnswer::Failed(failure)) => return Err(failure),
                Err(NoAnswer::Gone(request)) => *request,
            };
            *link = None;
        }
        Err(Failure::Closed)
    }

    /// Returns the way to make requests on a connection that lanes share.
    async fn beside(&self, number: usize) -> Result<Beside, Failure> {
        let shared = {
            let mut links = self.links.borrow_mut();
            while links.len() <= number {
                links.push(Rc::default());
            }
            links.get(number).map(Rc::clone).unwrap_or_default()
        };
        let mut link = shared.lock().await;
        if link.as_ref().is_none_or(Link::is_closed) {
            *link = Some(Link::new(&self.plan.connector, Version::Http2).await?);
        }
        link.as_ref().and_then(Link::beside).ok_or(Failure::Closed)
    }

    /// Counts what came of a request.
    fn end(&self, job: &Job, answer: &Result<Answer, Failure>) {
        if !job.counts {
            return;
        }
        let took = micros(job.due.elapsed()).max(1);
        self.counted.count(job.request, |figures| {
            let failure = match answer {
                Ok(answer) => {
                    figures.answers += 1;
                    figures.bytes += answer.bytes;
                    answer.failure
                }
                Err(failure) => Some(*failure),
            };
            if let Some(failure) = failure {
                *figures.failures.entry(failure).or_default() += 1;
            }
            // A refusal is quick; it is an error, and would only make answers look quicker.
            if answer.is_ok() || failure == Some(Failure::Timeout) {
                figures.latencies.saturating_record(took);
            }
        });
    }
}

/// Returns one worker's part of what there is, at least 1.
fn share(all: usize, worker: usize, workers: usize) -> usize {
    (all / workers + usize::from(worker < all % workers)).max(1)
}
