//! `leadsman status --watch` on a terminal: how everything stands, live, with keys to decide.
//!
//! What is known and shown is a [`model::Model`]. What comes in, a key or an answer of control, is
//! an [`update::Input`]; it changes the model and yields [`update::Wish`]es. What is drawn is
//! made of the model alone. All three are pure; [`serve`] is the one place that waits for
//! something, asks control, and writes to the terminal.
//!
//! Text of others is shown through `draw::page::piece` only, which takes out what could command
//! the terminal.

mod ask;
mod draw;
mod keys;
mod model;
mod terminal;
mod update;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _};

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt as _;
use leadsman_api::{Overview, StatusQuery};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use self::ask::Asker;
use self::model::{Model, Shown};
use self::terminal::Terminal;
use self::update::{Input, Wish};
use crate::codes::Code;
use crate::command::status::only_named;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::Screen;
use crate::render::words::Clock;

/// How often the picture is drawn though nothing came in: what is absent is so for ever longer.
const TICK: std::time::Duration = std::time::Duration::from_secs(1);

/// Whether there is a person at a terminal that can be drawn on.
pub(crate) fn can_be_shown(context: &Context) -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    context.output.can_redraw(Screen::Data) && io::stdin().is_terminal() && !is_dumb
}

/// Shows how everything stands until a person has seen enough.
pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let asker = Asker::new(context);
    // Whoever named what is not there is told so before the screen is taken.
    let overview = asker.client().status(&StatusQuery::default()).await?;
    let overview = only_named(context, overview)?;
    let mut terminal = Terminal::take(context.output.is_coloured())?;
    serve(context, &mut terminal, asker, overview).await
}

async fn serve(
    context: &Context,
    terminal: &mut Terminal,
    mut asker: Asker,
    overview: Overview,
) -> Result<(), Failure> {
    let shown = Shown {
        named: context.environment.clone(),
        server: context.server().map(str::to_owned),
        reason: context.reason().unwrap_or_default().to_owned(),
        zone: Clock::now().zone,
    };
    let (mut model, wishes) = Model::new(shown, Clock::now().now, overview);
    for wish in wishes {
        asker.ask(wish);
    }
    let mut events = EventStream::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let signals = [
        SignalKind::terminate(),
        SignalKind::hangup(),
        SignalKind::interrupt(),
    ];
    let [mut terminate, mut hangup, mut interrupt] = [
        signal(signals[0]).map_err(|error| lost(&error))?,
        signal(signals[1]).map_err(|error| lost(&error))?,
        signal(signals[2]).map_err(|error| lost(&error))?,
    ];
    loop {
        model.drawn(terminal.draw(&model)?);
        let input = tokio::select! {
            Some(told) = asker.told() => told,
            event = events.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind == KeyEventKind::Release => continue,
                Some(Ok(Event::Key(key))) => Input::Key(key),
                Some(Ok(Event::Paste(text))) => Input::Pasted(text),
                Some(Ok(Event::Resize(..))) => Input::Tick,
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(lost(&error)),
                None => return Err(Failure::silent(Exit::Interrupted)),
            },
            _ = tick.tick() => Input::Tick,
            _ = terminate.recv() => Input::Ended,
            _ = hangup.recv() => Input::Ended,
            _ = interrupt.recv() => Input::Ended,
        };
        for wish in model.update(Clock::now().now, input) {
            match wish {
                Wish::End(Exit::Done) => return Ok(()),
                Wish::End(exit) => return Err(Failure::silent(exit)),
                Wish::Redraw => terminal.clear()?,
                wish => asker.ask(wish),
            }
        }
    }
}

/// Says that the terminal cannot be used any longer.
fn lost(error: &io::Error) -> Failure {
    Failure::new(Code::NotWritten, "failed to use the terminal").because(error)
}
