//! `leadsman people`: who there is, and what they may do.

use leadsman_api::{Grant, PeopleCommand};

use crate::context::Context;
use crate::failure::Failure;
use crate::render::people;
use crate::render::words::clean;

/// See who may do what, and change it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// List everybody and what they may do
    List,
    /// Make somebody known
    Add {
        /// The name that the log records
        name: String,
        /// By what they are recognised: `user:LOGIN`, `email:ADDRESS` or `subject:TEXT`
        #[arg(long = "as", value_name = "IDENTITY")]
        identities: Vec<String>,
        /// What they are: `viewer`, `developer`, `operator`, `approver` or `admin`
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
        /// Only for this application, such as `shop`, or this environment, such as
        /// `shop/production`
        #[arg(long = "for", value_name = "REACH", requires = "role")]
        reach: Option<String>,
    },
    /// Forget somebody, with everything that they may do and their tokens
    Remove {
        /// Who
        name: String,
    },
    /// Allow somebody more
    Grant {
        /// Who
        name: String,
        /// What they are from now on, too
        role: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Allow somebody less
    Revoke {
        /// Who
        name: String,
        /// What they are no more
        role: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Take somebody into a team, which approvals in project files can ask for
    Join {
        /// Who
        name: String,
        /// The team, such as `security`; the first who joins makes it
        team: String,
    },
    /// Take somebody out of a team
    Leave {
        /// Who
        name: String,
        /// The team
        team: String,
    },
    /// Recognise somebody by one thing more
    Link {
        /// Who
        name: String,
        /// By what: `user:LOGIN`, `email:ADDRESS` or `subject:TEXT`
        identity: String,
    },
    /// Recognise somebody by one thing less
    Unlink {
        /// Who
        name: String,
        /// By what
        identity: String,
    },
}

/// How far something is granted.
#[derive(Debug, clap::Args)]
pub(super) struct Reach {
    /// Only for this application, such as `shop`, or this environment, such as `shop/production`
    #[arg(long = "for", value_name = "REACH")]
    pub(super) reach: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let client = context.client();
    let grant = |role: &String, reach: &Reach| Grant {
        role: role.clone(),
        reach: reach.reach.clone(),
    };
    let command = match &args.subcommand {
        Subcommand::List => {
            let answer = client.people().await?;
            return context.output.either(&answer, people::list);
        }
        Subcommand::Add {
            name,
            identities,
            role,
            reach,
        } => PeopleCommand::Add {
            person: name.clone(),
            identities: identities.clone(),
            grants: role
                .iter()
                .map(|role| Grant {
                    role: role.clone(),
                    reach: reach.clone(),
                })
                .collect(),
        },
        Subcommand::Remove { name } => PeopleCommand::Remove {
            person: name.clone(),
        },
        Subcommand::Grant { name, role, reach } => PeopleCommand::Grant {
            person: name.clone(),
            grant: grant(role, reach),
        },
        Subcommand::Revoke { name, role, reach } => PeopleCommand::Revoke {
            person: name.clone(),
            grant: grant(role, reach),
        },
        Subcommand::Join { name, team } => PeopleCommand::Join {
            person: name.clone(),
            team: team.clone(),
        },
        Subcommand::Leave { name, team } => PeopleCommand::Leave {
            person: name.clone(),
            team: team.clone(),
        },
        Subcommand::Link { name, identity } => PeopleCommand::Link {
            person: name.clone(),
            identity: identity.clone(),
        },
        Subcommand::Unlink { name, identity } => PeopleCommand::Unlink {
            person: name.clone(),
            identity: identity.clone(),
        },
    };
    let changed = client.about_people(&command).await?;
    context.output.either(&changed, |changed| {
        format!("{}\n", clean(&changed.sentence))
    })
}
