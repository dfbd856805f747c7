//! A socket for a group of this machine's users, beside the one in the state folder.
//!
//! The kernel lets in who is in the group, and tells who connects. What they may is decided as
//! ever: a user who is no person here is let in by the socket, and denied by everything behind it.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, lchown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use leadsman_server::Beside;

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;

/// How users of this machine reach the API.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "API")]
pub(crate) struct Socket {
    /// Serve the API on this socket, too, to the users of `--socket-group`; they may what is
    /// granted to them, and nothing without
    #[arg(long = "socket", value_name = "PATH", requires = "group")]
    path: Option<PathBuf>,
    /// The group of users who may open that socket, by name or number
    #[arg(long = "socket-group", value_name = "GROUP", requires = "path")]
    group: Option<String>,
}

/// The socket, as long as this is held: then the file goes.
pub(crate) struct Held {
    path: PathBuf,
    group: String,
}

impl Held {
    /// Says in one sentence who reaches what.
    pub(crate) fn sentence(&self) -> String {
        let (path, group) = (self.path.display(), &self.group);
        format!("the API is served on {path}, to users of the group `{group}`")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // One that is gone already is as good.
        drop(fs::remove_file(&self.path));
    }
}

impl Socket {
    /// Makes the socket, if there is to be one.
    pub(crate) fn bind(&self, context: &Context) -> Result<Option<(Held, Beside)>, Failure> {
        let (Some(path), Some(group)) = (&self.path, &self.group) else {
            return Ok(None);
        };
        let path = context.working_folder.join(path);
        let gid = number_of(group)?;
        let path = place(&path, group, gid)?;
        make_room(&path)?;
        let listener = UnixListener::bind(&path)
            .map_err(|error| failed("listen on", &path, &error))
            .map_err(|failure| {
                failure
                    .hint("the path of a socket has at most 107 bytes, in a folder that is there")
            })?;
        let held = Held {
            path,
            group: group.clone(),
        };
        // The group first: its mode does not let it in yet.
        lchown(&held.path, None, Some(gid)).map_err(|error| {
            let what = format!("the socket cannot be given to the group `{group}`");
            Failure::new(Code::ApiUnusable, what)
                .because(&error)
                .hint("run Leadsman as a user who is in the group")
        })?;
        fs::set_permissions(&held.path, Permissions::from_mode(0o660))
            .map_err(|error| failed("open to its group", &held.path, &error))?;
        let beside = Beside::new(listener);
        let beside = beside.map_err(|error| failed("listen on", &held.path, &error))?;
        Ok(Some((held, beside)))
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    let what = format!("failed to {what} `{}`", path.display());
    Failure::new(Code::ApiUnusable, what).because(error)
}

/// Returns the number of a group. Groups that only a directory service knows are not found by name:
/// asking one needs the C library's plug-ins, and may hang.
fn number_of(group: &str) -> Result<u32, Failure> {
    let list = Path::new("/etc/group");
    let text = fs::read_to_string(list).map_err(|error| failed("read", list, &error))?;
    number_in(&text, group).ok_or_else(|| {
        let what = format!("there is no group `{group}` on this machine");
        Failure::new(Code::ApiUnusable, what).hint(
            "make it with `groupadd`, or name one that is there; name a group of a directory \
             service by its number",
        )
    })
}

fn number_in(list: &str, group: &str) -> Option<u32> {
    let named = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_named = fields.next() == Some(group) && !group.is_empty();
        is_named.then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    // The largest number means none to the kernel.
    named.or_else(|| group.parse().ok().filter(|gid| *gid != u32::MAX))
}

/// Returns where the socket is to be, without symbolic links on the way: a folder that the group
/// can enter, and in which nobody else could put a socket of theirs in its place.
fn place(path: &Path, group: &str, gid: u32) -> Result<PathBuf, Failure> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        let what = format!("`{}` cannot be a socket", path.display());
        return Err(Failure::new(Code::ApiUnusable, what));
    };
    let folder = folder.canonicalize().map_err(|error| {
        failed("enter the folder", folder, &error).hint(format!(
            "make it with `install -d -m 0750 -g {group} {}`",
            folder.display()
        ))
    })?;
    let own = rustix::process::geteuid().as_raw();
    for above in folder.ancestors() {
        let metadata = fs::metadata(above).map_err(|error| failed("look at", above, &error))?;
        let above = above.display();
        if !is_entered_by(&metadata, gid) {
            let what = format!(
                "the group `{group}` cannot come to the socket: it may not enter the folder `{above}`"
            );
            return Err(Failure::new(Code::ApiUnusable, what).hint(format!(
                "choose another folder, or let it in with `chgrp {group} {above}` and \
                 `chmod g+x {above}`"
            )));
        }
        if !is_kept_by(&metadata, own) {
            let what = format!(
                "somebody else could exchange the socket: the folder `{above}` is theirs, or \
                 they may write to it"
            );
            return Err(Failure::new(Code::ApiUnusable, what).hint(
                "choose a folder of your own that nobody else may write to, such as one below \
                 `/run`",
            ));
        }
    }
    Ok(folder.join(name))
}

/// Whether who is in a group may enter a folder, as far as its mode says.
fn is_entered_by(folder: &Metadata, gid: u32) -> bool {
    let needed = if folder.gid() == gid { 0o010 } else { 0o001 };
    folder.mode() & needed != 0
}

/// Whether nobody but root and the user `own` may exchange what lies in a folder.
fn is_kept_by(folder: &Metadata, own: u32) -> bool {
    let is_sticky = folder.mode() & 0o1000 != 0;
    let is_closed = folder.mode() & 0o022 == 0;
    [0, own].contains(&folder.uid()) && (is_closed || is_sticky)
}

/// Removes a socket that an earlier control has left, and nothing else.
fn make_room(path: &Path) -> Result<(), Failure> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path, &error)),
    };
    let there = |what: &str| {
        let what = format!("`{}` {what}", path.display());
        Failure::new(Code::ApiUnusable, what).hint("choose another path with `--socket`")
    };
    if !metadata.file_type().is_socket() {
        return Err(there("is there already, and is no socket"));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(there("is served by another process"));
    }
    fs::remove_file(path).map_err(|error| failed("remove the old socket", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_and_by_number() {
        let list = "root:x:0:\nbroken\nops:x:1000:ann,ben\n12:x:13:\n:x:14:\n";
        for (group, gid) in [
            ("root", Some(0)),
            ("ops", Some(1000)),
            // A name comes before a number.
            ("12", Some(13)),
            ("77", Some(77)),
            ("4294967295", None),
            ("-1", None),
            ("broken", None),
            ("op", None),
            ("ann", None),
            ("", None),
        ] {
            assert_eq!(number_in(list, group), gid, "{group:?}");
        }
    }

    #[test]
    fn a_folder_has_to_let_the_group_in_and_nobody_else_write() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().metadata().unwrap().uid();
        let gid = folder.path().metadata().unwrap().gid();
        for (mode, own_group, other_group, is_kept) in [
            (0o700, false, false, true),
            (0o710, true, false, true),
            (0o701, false, true, true),
            (0o755, true, true, true),
            (0o770, true, false, false),
            (0o757, true, true, false),
            (0o1777, true, true, true),
        ] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let metadata = folder.path().metadata().unwrap();
            assert_eq!(is_entered_by(&metadata, gid), own_group, "{mode:o}");
            assert_eq!(is_entered_by(&metadata, gid + 1), other_group, "{mode:o}");
            assert_eq!(is_kept_by(&metadata, own), is_kept, "{mode:o}");
            assert!(own == 0 || !is_kept_by(&metadata, own + 1), "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_old_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        make_room(&path).unwrap();
        fs::write(&path, "letters").unwrap();
        let failure = make_room(&path).unwrap_err();
        assert!(failure.message.contains("is no socket"), "{failure:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "letters");
        fs::remove_file(&path).unwrap();
        let live = UnixListener::bind(&path).unwrap();
        let failure = make_room(&path).unwrap_err();
        assert!(failure.message.contains("another process"), "{failure:?}");
        drop(live);
        make_room(&path).unwrap();
        assert!(!path.exists());
    }
}
