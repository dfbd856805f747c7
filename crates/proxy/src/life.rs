//! The life of a proxy, on the keeper's thread: it takes over, or begins anew; it serves; it is
//! succeeded, or ends.

use std::fs;
use std::io;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::certificates::Secrets;
use crate::config::Config;
use crate::control::{self, CutShort, Predecessor};
use crate::deposit::{Deposit, Fate};
use crate::ground::Ground;
use crate::journal::{Ending, Inlet, Journal};
use crate::keeper::Keeper;
use crate::proxy::Error;
use crate::saved::Saved;
use crate::worker::{self, Ended, Trips};

/// How long to wait for being succeeded; a shim that tries decides earlier.
const SUCCEEDED_WITHIN: Duration = Duration::from_secs(20);

type Threads = Vec<JoinHandle<Ended>>;

/// Why it ends.
enum Why {
    /// It was told to.
    Told,
    /// Another process serves.
    Succeeded,
    /// A thread is gone.
    Died,
}

/// Runs the proxy until it has ended. Says `ready` when it serves.
pub(crate) fn live(
    config: Config,
    ground: Ground,
    stopped: mpsc::Receiver<()>,
    signals: bool,
    ready: &std::sync::mpsc::Sender<()>,
) -> Result<CutShort, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Thread)?;
    LocalSet::new().block_on(&runtime, run(config, ground, stopped, signals, ready))
}

async fn run(
    config: Config,
    ground: Ground,
    stopped: mpsc::Receiver<()>,
    signals: bool,
    ready: &std::sync::mpsc::Sender<()>,
) -> Result<CutShort, Error> {
    let mut asked = Asked::listen(stopped, signals)?;
    let Ground {
        lock,
        control,
        doors,
        predecessor,
        line,
    } = ground;
    let deposit = Rc::new(Deposit::new(line).map_err(Error::Shim)?);
    let listening = Rc::clone(&deposit);
    tokio::task::spawn_local(async move { listening.listen().await });
    let (trips, tripping) = mpsc::unbounded_channel();
    let journal = Journal::start(&config).map_err(Error::Thread)?;
    let inlet = journal.as_ref().map(Journal::inlet);
    let told = journal.as_ref().map(Journal::telling).unwrap_or_default();
    let (mailboxes, threads) = start_workers(&config, &trips, inlet.as_ref())?;
    // From here on it ends when the workers have.
    drop(inlet);
    let telling = journal.map(Journal::close);
    let saved = Saved::new(&config.state);
    let secrets = Secrets::new(&config.state).map_err(|_| Error::Random)?;
    let (socket, drain_timeout) = (config.socket.clone(), config.drain_timeout);
    let metrics = config.metrics;
    let keeper = Keeper::new(
        config,
        mailboxes,
        saved,
        secrets,
        Rc::clone(&deposit),
        doors,
        told,
    );
    let keeper = Rc::new(keeper);
    if predecessor {
        let met = Predecessor::meet(&socket).await;
        let (predecessor, handover) = met.map_err(Error::Handover)?;
        keeper.take_over(predecessor, handover).await;
    } else {
        keeper.restore().await;
    }
    // All that can go wrong has gone well: from here on it is served here, too.
    keeper.open().await;
    deposit.serving().await.map_err(Error::Shim)?;
    keeper.drop_what_is_left().await;

    let failed = |source| Error::Socket {
        path: socket.clone(),
        source,
    };
    let answering = control::serve(Rc::clone(&keeper), control).map_err(failed)?;
    let answering = tokio::task::spawn_local(answering);
    let ticking = Rc::clone(&keeper);
    let mut ticking = tokio::task::spawn_local(async move { ticking.tick().await });
    tokio::task::spawn_local(Rc::clone(&keeper).cut_off(tripping));
    let cutting = Rc::clone(&keeper);
    tokio::task::spawn_local(async move { cutting.cut_short().await });
    tokio::task::spawn_local(Rc::clone(&keeper).watch_certificates());
    let obtaining = tokio::task::spawn_local(Rc::clone(&keeper).obtain_certificates());
    let showing = metrics.map(|address| {
        let showing = control::show(Rc::clone(&keeper), address, predecessor);
        tokio::task::spawn_local(showing)
    });
    ready.send(()).ok();

    let mut fate = deposit.fate();
    let why = tokio::select! {
        () = asked.again() => end_or_be_succeeded(&deposit, &mut asked).await,
        _ = fate.wait_for(|fate| *fate == Fate::Retired) => Why::Succeeded,
        _ = &mut ticking => Why::Died,
    };
    let deadline = Instant::now() + drain_timeout;
    if matches!(why, Why::Succeeded) {
        tracing::info!("another process serves: requests in flight may end");
        answering.abort();
        obtaining.abort();
        if let Some(showing) = showing {
            showing.abort();
        }
        keeper.retire(deadline);
        let ended = join_retired(&keeper, &mut asked, threads).await?;
        until_told(telling).await;
        let cut_short = ended.cut_short.clone();
        cut_short.tell("ended after being succeeded");
        keeper.until_relayed(ended).await;
        return Ok(cut_short);
    }
    tracing::info!("stopping: requests in flight may end");
    keeper.stop(deadline);
    // Beside the control socket, so that it can be watched how requests end.
    let cut_short = join(threads).await?.cut_short;
    until_told(telling).await;
    cut_short.tell("stopped");
    if matches!(why, Why::Told) || !deposit.is_there() {
        // Best effort: a socket that stays behind is replaced by the next proxy.
        drop(fs::remove_file(&socket));
    }
    drop(lock);
    match why {
        Why::Died => Err(Error::Died),
        Why::Told | Why::Succeeded => Ok(cut_short),
    }
}

fn start_workers(
    config: &Config,
    trips: &Trips,
    inlet: Option<&Inlet>,
) -> Result<(Vec<worker::Mailbox>, Threads), Error> {
    let started: Result<Vec<_>, _> = (0..config.workers())
        .map(|index| worker::start(index, config.clone(), trips.clone(), inlet.cloned()))
        .collect();
    Ok(started.map_err(Error::Thread)?.into_iter().unzip())
}

/// Somebody wants this process to end. Where a shim has another one take over, nobody will notice.
async fn end_or_be_succeeded(deposit: &Deposit, asked: &mut Asked) -> Why {
    if !deposit.is_there() {
        return Why::Told;
    }
    let mut fate = deposit.fate();
    deposit.leaving().await;
    let decided = tokio::time::timeout(
        SUCCEEDED_WITHIN,
        fate.wait_for(|fate| *fate != Fate::Serves),
    );
    tokio::select! {
        decided = decided => match decided {
            Ok(Ok(fate)) if *fate == Fate::Retired => Why::Succeeded,
            _ => Why::Told,
        },
        // Twice is enough.
        () = asked.again() => Why::Told,
    }
}

/// Waits for the workers of a process that was succeeded. Nobody may linger once somebody asks it to
/// end sooner, or when its successor is gone: then nobody says where requests may go.
async fn join_retired(
    keeper: &Keeper,
    asked: &mut Asked,
    threads: Threads,
) -> Result<Ended, Error> {
    let mut joined = std::pin::pin!(join(threads));
    tokio::select! {
        ended = joined.as_mut() => return ended,
        () = asked.again() => {}
        () = keeper.unfollowed() => {}
    }
    keeper.hurry();
    joined.await
}

/// Waits until what workers told is written.
async fn until_told(telling: Option<Ending>) {
    if let Some(telling) = telling {
        drop(tokio::task::spawn_blocking(move || telling.wait()).await);
    }
}

async fn join(threads: Threads) -> Result<Ended, Error> {
    let joined = tokio::task::spawn_blocking(move || {
        let mut all = Ended::default();
        for thread in threads {
            let Ended { cut_short, counted } = thread.join().ok()?;
            all.cut_short.add(cut_short);
            all.counted.add(counted);
        }
        Some(all)
    });
    joined.await.ok().flatten().ok_or(Error::Died)
}

/// The ways in which the proxy is asked to end.
struct Asked {
    stopped: mpsc::Receiver<()>,
    terminate: Option<tokio::signal::unix::Signal>,
    interrupt: Option<tokio::signal::unix::Signal>,
}

impl Asked {
    fn listen(stopped: mpsc::Receiver<()>, signals: bool) -> Result<Self, Error> {
        let listen = |kind| signals.then(|| signal(kind)).transpose();
        let both = || -> io::Result<_> {
            Ok((
                listen(SignalKind::terminate())?,
                listen(SignalKind::interrupt())?,
            ))
        };
        let (terminate, interrupt) = both().map_err(Error::Thread)?;
        Ok(Self {
            stopped,
            terminate,
            interrupt,
        })
    }

    /// Resolves each time somebody asks.
    async fn again(&mut self) {
        async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            // Nobody is left to ask where it is closed, which is as good as being asked.
            _ = self.stopped.recv() => {}
            () = next(&mut self.terminate) => {}
            () = next(&mut self.interrupt) => {}
        }
    }
}
