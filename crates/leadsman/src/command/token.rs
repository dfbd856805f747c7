//! `leadsman token`: by what programs act for people.

use leadsman_api::NewToken;
use leadsman_core::project::units::parse_duration;

use super::people::Reach;
use crate::codes::Code;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::people;
use crate::render::words::{Clock, clean};

/// Make tokens, by which programs act for people, and end them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Make a token and print it, this once
    Create {
        /// What it is for, such as `ci`
        name: String,
        /// Whom it acts for [default: whoever makes it]
        #[arg(long, value_name = "NAME")]
        person: Option<String>,
        /// Leave only what this role allows; may be given several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        #[command(flatten)]
        reach: Reach,
        /// How long it lives: 366 days at the most
        #[arg(long, value_name = "TIME", default_value = "90d")]
        expires: String,
    },
    /// List the tokens, without the tokens themselves
    List,
    /// End a token before its time
    Revoke {
        /// The number of the token
        number: u64,
    },
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let client = context.client();
    match &args.subcommand {
        Subcommand::Create {
            name,
            person,
            roles,
            reach,
            expires,
        } => {
            let life = parse_duration(expires).map_err(|why| {
                let what = format!("`--expires {expires}` is not understood: {why}");
                Failure::new(Code::TokenUnusable, what).exit(Exit::Usage)
            })?;
            let new = NewToken {
                name: name.clone(),
                person: person.clone(),
                roles: roles.clone(),
                reach: reach.reach.clone(),
                life_ms: u64::try_from(life.as_millis()).unwrap_or(u64::MAX),
            };
            let made = client.create_token(&new).await?;
            let clock = Clock::now();
            context.output.talk(&format!(
                "token {} acts for {} until {}; it is not shown again",
                made.number,
                clean(&made.person),
                clock.long(made.expires_at)
            ));
            context
                .output
                .either(&made, |made| format!("{}\n", clean(&made.token.0)))
        }
        Subcommand::List => {
            let answer = client.tokens().await?;
            let clock = Clock::now();
            context
                .output
                .either(&answer, |answer| people::tokens(answer, &clock))
        }
        Subcommand::Revoke { number } => {
            let changed = client.revoke_token(*number).await?;
            context.output.either(&changed, |changed| {
                format!("{}\n", clean(&changed.sentence))
            })
        }
    }
}
