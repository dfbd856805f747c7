//! `leadsman demo`: the whole story with a real service, real processes and virtual users.
//!
//! It starts a Leadsman of its own in a scratch folder and talks to it as the command line does.
//! Nothing is simulated but the users, and nothing is believed but what they saw and what the
//! event log says. Whatever it started ends with it.
//!
//! Read first: [`Act`] (what is played), [`scene::Scene`] (what an act is played with), [`Record`]
//! (what came of it).

mod act;
mod control;
mod processes;
mod record;
mod scene;
mod scratch;
mod sender;
mod tally;
mod tell;
mod users;
mod version;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::act::Act;
pub(crate) use self::record::Record;
pub(crate) use self::tell::summary;
use crate::output::Output;
use control::Control;
use scene::{NotListening, Scene};
use scratch::Scratch;
use tell::Teller;

/// What is played, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The program of the example service; `None` is the one beside `leadsman`.
    pub(crate) service: Option<PathBuf>,
    /// How many virtual users there are; at least 1.
    pub(crate) users: usize,
    /// The acts to play besides the first one, which every other one needs; empty is all of them.
    pub(crate) acts: Vec<Act>,
    /// Whether everything is left running.
    pub(crate) keep: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Played {
    /// The record, or why the story could not be played to its end.
    pub(crate) outcome: anyhow::Result<Record>,
    /// What is left to look at: with [`Options::keep`], or where something went wrong.
    pub(crate) traces: Option<Traces>,
}

/// What is left to look at.
#[derive(Clone, Debug)]
pub(crate) struct Traces {
    /// The scratch folder.
    pub(crate) folder: PathBuf,
    /// The state folder in it.
    pub(crate) state: PathBuf,
    /// What control said.
    pub(crate) log: PathBuf,
    /// The last lines of that.
    pub(crate) last_words: String,
    /// Whether everything still runs.
    pub(crate) running: bool,
}

/// A person ended it.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// There is no service to ship.
#[derive(Debug, thiserror::Error)]
#[error("there is no program `{}`, which is the service that the demo ships", .0.display())]
pub(crate) struct NoService(pub(crate) PathBuf);

/// Plays the story.
pub(crate) async fn play(options: &Options, output: Output) -> Played {
    let played = attempt(options, output).await;
    match (&played.outcome, &played.traces) {
        // Somebody took the port between being found and being used. That happens once, if ever.
        (Err(error), Some(traces)) if error.is::<NotListening>() && !traces.running => {
            // There is nothing to be learnt from it. What cannot be removed is only left over.
            drop(std::fs::remove_dir_all(&traces.folder));
            attempt(options, output).await
        }
        _ => played,
    }
}

async fn attempt(options: &Options, output: Output) -> Played {
    let mut scene = match set(options, output) {
        Ok(scene) => scene,
        Err(error) => {
            return Played {
                outcome: Err(error),
                traces: None,
            };
        }
    };
    // Whatever ends the story, the scene is still there to be looked at, and then taken down.
    let outcome = tokio::select! {
        outcome = story(options, &mut scene) => outcome,
        interrupted = interrupted() => interrupted.and(Err(Interrupted.into())),
    };
    scene.teller.quiet();
    let is_well = match &outcome {
        Ok(record) => record.ok,
        Err(error) => error.is::<Interrupted>(),
    };
    if options.keep {
        scene.control.stay();
    }
    let traces = (options.keep || !is_well).then(|| {
        scene.scratch.keep();
        Traces {
            folder: scene.scratch.path().to_owned(),
            state: scene.scratch.state(),
            log: scene.scratch.control_log(),
            last_words: scene.control.last_words(),
            running: options.keep,
        }
    });
    Played { outcome, traces }
}

fn set(options: &Options, output: Output) -> anyhow::Result<Scene> {
    let leadsman = std::env::current_exe().context("failed to find the own program")?;
    let service = version::find(options.service.as_deref(), &leadsman)?;
    let scratch = Scratch::new()?;
    version::install(&service, &scratch)?;
    let control = Control::new(leadsman, &scratch);
    Scene::set(scratch, control, options.users, Teller::new(output))
}

async fn story(options: &Options, scene: &mut Scene) -> anyhow::Result<Record> {
    let started = Instant::now();
    let url = format!("http://{}", scene.address);
    let folder = scene.scratch.path().display().to_string();
    scene.teller.opening(options.users, &url, &folder);
    let mut record = Record {
        users: options.users,
        ..Record::default()
    };
    let chosen = |act: &Act| {
        *act == Act::FirstRelease || options.acts.is_empty() || options.acts.contains(act)
    };
    let acts: Vec<Act> = Act::ALL.into_iter().filter(chosen).collect();
    for (index, act) in acts.iter().enumerate() {
        scene.teller.begins(index + 1, acts.len(), *act);
        let played = act.play(scene, &mut record).await;
        let played = played.with_context(|| format!("act `{}` could not be played", act.name()))?;
        scene.teller.tell(index + 1, *act, &played);
        let went_astray = played.outcome != played.expected;
        record.acts.push(played);
        if went_astray && index + 1 < acts.len() {
            // What serves now is not what the next act is about.
            record
                .unmet
                .push("the acts after that were not played".to_owned());
            break;
        }
    }
    scene.counted.add(&scene.users.take().await?);
    record.requests = scene.counted.requests();
    record.failed_by_platform = scene.counted.failed();
    record.failures = scene.counted.failures.clone();
    if options.keep {
        record.state = Some(scene.scratch.state().display().to_string());
        record.url = Some(url);
    } else {
        take_down(scene, &mut record).await?;
    }
    if record.failed_by_platform > 0 {
        let failed = record.failed_by_platform;
        record
            .unmet
            .push(format!("{failed} requests were failed by the platform"));
    }
    record.ok = record.unmet.is_empty() && record.acts.iter().all(|act| act.ok);
    record.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(record)
}

/// Ends everything as a person would, and looks whether it did.
async fn take_down(scene: &mut Scene, record: &mut Record) -> anyhow::Result<()> {
    let (processes, left) = scene.control.down(&scene.client).await?;
    record.processes = Some(processes);
    record.processes_left = Some(left.len());
    let left = left
        .iter()
        .map(|process| format!("{} is still there", process.describe()));
    record.unmet.extend(left);
    Ok(())
}

/// Waits until somebody wants it to end.
async fn interrupted() -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("failed to listen to signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
