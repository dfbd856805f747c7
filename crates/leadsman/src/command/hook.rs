//! `leadsman hook`: has Git tell Leadsman of what is pushed.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::git;

/// By this line a hook is known to be one of Leadsman's, which may be replaced.
const MARK: &str = "# Written by `leadsman hook install`.";

/// Have Git tell Leadsman of what is pushed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

/// What becomes of the hook.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
enum What {
    /// Write the hook: `post-receive` where others push to, `pre-push` where one works. What is pushed
    /// begins a run where `start` of its project file says so; no push is ever held up
    Install,
    /// Remove the hook
    Remove,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let repository = PathBuf::from(git::folder(&context.working_folder)?);
    let kind = match git::is_bare(&context.working_folder)? {
        true => "post-receive",
        false => "pre-push",
    };
    let path = repository.join("hooks").join(kind);
    let there = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(unwritten(&path, &error)),
    };
    if there.as_deref().is_some_and(|text| !text.contains(MARK)) {
        let message = format!("there is another hook in `{}`", path.display());
        return Err(Failure::new(Code::FileExists, message)
            .hint("have it call `leadsman run --pushed --detach --ref REF` itself"));
    }
    match args.what {
        What::Install => {
            let text = script(context, kind)?;
            write(&path, &text).map_err(|error| unwritten(&path, &error))?;
            context.output.talk(&format!("wrote `{}`", path.display()));
        }
        What::Remove => {
            if there.is_some() {
                fs::remove_file(&path).map_err(|error| unwritten(&path, &error))?;
            }
            context
                .output
                .talk(&format!("there is no hook in `{}`", path.display()));
        }
    }
    Ok(())
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("failed to write `{}`", path.display());
    Failure::new(Code::NotWritten, message).because(error)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension("leadsman-new");
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    // The mask of the process may have taken the right to execute it.
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    fs::rename(&new, path)
}

/// Returns the hook. It tells in the background of nothing: the run is recorded when the push is over.
fn script(context: &Context, kind: &str) -> Result<String, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(
            Code::NotWritten,
            "the path of the running program is not known",
        )
        .because(&error)
    })?;
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
    let state = context.working_folder.join(context.state.path());
    let mut command = format!("{} --quiet --state {}", quoted(&program), quoted(&state));
    let file = context.project_path();
    // Of a repository without a work tree only one that is named as it is called in commits is meant.
    let is_meant = |file: &&Path| kind == "pre-push" || file.starts_with(&context.working_folder);
    if let Some(file) = file.filter(is_meant) {
        command.push_str(&format!(" --file {}", quoted(file)));
    }
    // What Git tells a hook on its standard input, one line for each name that is pushed.
    let fields = match kind {
        "post-receive" => "old commit ref",
        _ => "ref commit remote_ref remote_commit",
    };
    Ok(format!(
        "#!/bin/sh\n{MARK}\n# It tells Leadsman of what is pushed, and holds up no push.\n\
         while read -r {fields}; do\n  case \"$commit\" in *[!0]*) ;; *) continue ;; esac\n  \
         case \"$ref\" in refs/heads/*|refs/tags/*) ;; *) continue ;; esac\n  \
         {command} run --pushed --detach --ref \"$ref\" </dev/null >&2 ||\n    \
         echo \"leadsman: no run was begun for $ref\" >&2\ndone\nexit 0\n"
    ))
}
