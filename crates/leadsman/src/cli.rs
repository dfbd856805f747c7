//! The command line: its options, its subcommands, and what happens to a failure.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _, Parser};

use crate::command;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Color, Output};

/// Takes a release from commit to all of production's traffic, one sounding at a time, and takes
/// it back by itself when the evidence says so.
#[derive(Debug, Parser)]
#[command(
    name = "leadsman",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 control not \
                  reachable, 4 the shipped release went back, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

/// Options of every subcommand.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The folder that holds Leadsman's state [default: `.leadsman` beside the project file]
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        env = "LEADSMAN_STATE",
        hide_env_values = true
    )]
    pub(crate) state: Option<PathBuf>,
    /// The project file [default: `leadsman.yaml`, here or in a folder above]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The environment, such as `production` or `shop/production`; needed where there are several
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// The address of a Leadsman on another machine, such as `https://leadsman.example:7070`; it
    /// needs a token, in `LEADSMAN_TOKEN` or in a file. On this machine `unix:PATH` names the socket
    /// of a group
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LEADSMAN_SERVER",
        hide_env_values = true
    )]
    pub(crate) server: Option<String>,
    /// The file that holds the token, which nobody else may read [default: the one below
    /// `~/.config/leadsman/tokens` that is named after the address]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "LEADSMAN_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// Why you do this, for the audit
    #[arg(long, global = true, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Print data as JSON, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colour; `auto` also heeds `NO_COLOR`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Say nothing but data and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// What Leadsman can be told to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    Init(command::init::Args),
    Check(command::check::Args),
    Schema(command::schema::Args),
    Up(command::up::Args),
    Down(command::down::Args),
    Plan(command::plan::Args),
    Run(command::run::Args),
    Runs(command::runs::Args),
    Hook(command::hook::Args),
    Ship(command::ship::Args),
    Status(command::status::Args),
    Why(command::why::Args),
    Requests(command::requests::Args),
    Report(command::report::Args),
    Checklist(command::checklist::Args),
    Confirm(command::confirm::Args),
    Approve(command::approve::Args),
    Reject(command::reject::Args),
    Freeze(command::freeze::Args),
    Thaw(command::thaw::Args),
    Pause(command::pause::Args),
    Resume(command::resume::Args),
    Promote(command::promote::Args),
    Abort(command::abort::Args),
    Retry(command::retry::Args),
    Rollback(command::rollback::Args),
    Hold(command::hold::Args),
    Maintenance(command::maintenance::Args),
    History(command::history::Args),
    Replay(command::replay::Args),
    Diff(command::diff::Args),
    Judge(command::judge::Args),
    Load(Box<command::load::Args>),
    Facts(command::facts::Args),
    Gate(command::gate::Args),
    Logs(command::logs::Args),
    People(command::people::Args),
    Token(command::token::Args),
    Login(command::login::Args),
    Webhook(command::webhook::Args),
    Subscription(command::subscription::Args),
    Audit(command::audit::Args),
    Evidence(command::evidence::Args),
    State(command::state::Args),
    Explain(command::explain::Args),
    Demo(command::demo::Args),
    Completions(command::completions::Args),
    Man(command::man::Args),
    #[command(hide = true)]
    Proxy(command::proxy::Args),
    #[command(hide = true)]
    Serve(command::serve::Args),
    #[command(hide = true)]
    Shim(command::shim::Args),
    #[command(hide = true)]
    JobRunner(command::job_runner::Args),
    #[command(hide = true)]
    JobLoad(command::job_load::Args),
}

/// Does what the command line says and returns the status to end with.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.collect();
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for, and go to standard output.
            drop(error.print());
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
        }
    };
    let output = Output::new(cli.global.color, cli.global.quiet, cli.global.json);
    let done = Context::new(&cli.global, output).and_then(|context| cli.subcommand.run(&context));
    match done {
        Ok(()) => Exit::Done,
        Err(failure) => {
            if !failure.is_silent() {
                output.failure(&failure);
            }
            failure.exit
        }
    }
}

fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    // Help is written before the options are known, and should heed the one about colour too.
    let color = if arguments.iter().any(|argument| argument == "--color=never")
        || arguments
            .windows(2)
            .any(|pair| pair == ["--color", "never"])
    {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    };
    let matches = Cli::command()
        .color(color)
        .try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

impl Subcommand {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Init(args) => command::init::run(context, &args),
            Self::Check(args) => command::check::run(context, &args),
            Self::Schema(args) => command::schema::run(context, &args),
            Self::Audit(args) => command::audit::run(context, &args),
            Self::Evidence(args) => command::evidence::run(context, &args),
            Self::State(args) => command::state::run(context, &args),
            Self::Explain(args) => command::explain::run(context, &args),
            Self::Completions(args) => command::completions::run(context, &args),
            Self::Man(args) => command::man::run(context, &args),
            Self::Proxy(args) => command::proxy::run(context, &args),
            Self::Serve(args) => command::serve::run(context, &args),
            Self::Shim(args) => command::shim::run(&args),
            Self::Hook(args) => command::hook::run(context, &args),
            Self::JobRunner(args) => command::job_runner::run(&args),
            Self::JobLoad(args) => context.block_on(command::job_load::run(context, &args)),
            Self::People(args) => context.block_on(command::people::run(context, &args)),
            Self::Token(args) => context.block_on(command::token::run(context, &args)),
            Self::Login(args) => context.block_on(command::login::run(context, &args)),
            Self::Webhook(args) => context.block_on(command::webhook::run(context, &args)),
            Self::Subscription(args) => {
                context.block_on(command::subscription::run(context, &args))
            }
            Self::Up(args) => context.block_on(command::up::run(context, &args)),
            Self::Down(args) => context.block_on(command::down::run(context, &args)),
            Self::Plan(args) => context.block_on(command::plan::run(context, &args)),
            Self::Run(args) => context.block_on(command::run::run(context, &args)),
            Self::Runs(args) => context.block_on(command::runs::run(context, &args)),
            Self::Ship(args) => context.block_on(command::ship::run(context, &args)),
            Self::Status(args) => context.block_on(command::status::run(context, &args)),
            Self::Why(args) => context.block_on(command::why::run(context, &args)),
            Self::Report(args) => context.block_on(command::report::run(context, &args)),
            Self::Requests(args) => context.block_on(command::requests::run(context, &args)),
            Self::Checklist(args) => context.block_on(command::checklist::run(context, &args)),
            Self::Confirm(args) => context.block_on(command::confirm::run(context, &args)),
            Self::Approve(args) => context.block_on(command::approve::run(context, &args)),
            Self::Reject(args) => context.block_on(command::reject::run(context, &args)),
            Self::Freeze(args) => context.block_on(command::freeze::run(context, &args)),
            Self::Thaw(args) => context.block_on(command::thaw::run(context, &args)),
            Self::Pause(args) => context.block_on(command::pause::run(context, &args)),
            Self::Resume(args) => context.block_on(command::resume::run(context, &args)),
            Self::Promote(args) => context.block_on(command::promote::run(context, &args)),
            Self::Abort(args) => context.block_on(command::abort::run(context, &args)),
            Self::Retry(args) => context.block_on(command::retry::run(context, &args)),
            Self::Rollback(args) => context.block_on(command::rollback::run(context, &args)),
            Self::Hold(args) => context.block_on(command::hold::run(context, &args)),
            Self::Maintenance(args) => context.block_on(command::maintenance::run(context, &args)),
            Self::History(args) => context.block_on(command::history::run(context, &args)),
            Self::Replay(args) => context.block_on(command::replay::run(context, &args)),
            Self::Diff(args) => context.block_on(command::diff::run(context, &args)),
            Self::Judge(args) => command::judge::run(context, &args),
            Self::Facts(args) => command::facts::run(context, &args),
            Self::Gate(args) => command::gate::run(context, &args),
            Self::Load(args) => context.block_on(command::load::run(context, &args)),
            Self::Logs(args) => context.block_on(command::logs::run(context, &args)),
            Self::Demo(args) => context.block_on(command::demo::run(context, &args)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_in_itself() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_and_subcommand_is_described() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {argument}",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
