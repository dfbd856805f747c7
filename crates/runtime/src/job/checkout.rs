//! A clean checkout of the commit, with what earlier jobs made and what is kept from earlier runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use leadsman_core::run::FailureKind;

use super::runner::{Runner, Stop};
use crate::artifact::{Limits, Store};
use crate::words;

impl Runner {
    /// Checks the commit out. Git does it, as a command: it knows filters, attributes and formats.
    pub(super) fn check_out(&mut self) -> Result<(), Stop> {
        let Some(commit) = self.spec.commit.clone() else {
            return Ok(());
        };
        let failed = |why: String| Stop::failed(FailureKind::Checkout, why);
        let repository = self.spec.repository.display().to_string();
        self.say(&format!("checks {} out of {repository}", commit.short()));
        if !self.spec.repository.is_dir() {
            return Err(failed(format!(
                "the repository `{repository}` is not there any more"
            )));
        }
        let tree = self.tree().display().to_string();
        let object = format!("{commit}^{{commit}}");
        let is_there = ["git", "--git-dir", &repository, "cat-file", "-e", &object];
        if self.git(&is_there).is_err() {
            return Err(failed(format!(
                "commit {} is not in `{repository}` any more: it was rewritten or cleaned up",
                commit.short()
            )));
        }
        // It shares the objects, and takes over no hooks.
        let clone = [
            "git",
            "clone",
            "--quiet",
            "--shared",
            "--no-checkout",
            "--template=",
            "--",
            &repository,
            &tree,
        ];
        self.git(&clone)?;
        let check_out = [
            "git",
            "-C",
            &tree,
            "-c",
            "advice.detachedHead=false",
            "-c",
            "core.hooksPath=/dev/null",
            "checkout",
            "--quiet",
            "--detach",
            commit.as_str(),
        ];
        self.git(&check_out)?;
        for folder in [self.project_folder(), self.job_folder()] {
            if !folder.is_dir() {
                let path = folder
                    .strip_prefix(self.tree())
                    .unwrap_or(&folder)
                    .display();
                let short = commit.short();
                return Err(failed(format!(
                    "there is no folder `{path}` in commit {short}"
                )));
            }
        }
        Ok(())
    }

    fn git(&mut self, command: &[&str]) -> Result<(), Stop> {
        let mut env: BTreeMap<String, String> = self.spec.env.clone();
        // Nobody is there who could be asked for a password.
        env.insert("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned());
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let folder = self.scratch();
        let failed = |why| Stop::failed(FailureKind::Checkout, why);
        let started = self
            .start("git", command, &folder, &env, "")
            .map_err(failed)?;
        let status = self.wait_for(&started)?;
        self.ended_well(&started, status).map_err(failed)
    }

    /// Puts into the checkout what earlier jobs made, and what is kept from earlier runs.
    pub(super) fn give(&mut self) -> Result<(), Stop> {
        let state = self.state();
        for given in self.spec.given.clone() {
            let failed = |error: &dyn std::error::Error| {
                let path = &given.path;
                let why = format!(
                    "the artifact `{path}` could not be put there: {}",
                    words(error)
                );
                Stop::failed(FailureKind::Checkout, why)
            };
            let store = Store::share(&state, Limits::default());
            let target = self.inside(&given.path)?;
            let unpacked = self.scratch().join("unpacked");
            store
                .unpack(&given.digest, &unpacked)
                .map_err(|error| failed(&error))?;
            put(&unpacked, &target).map_err(|error| failed(&error))?;
            self.say(&format!(
                "puts `{}` of an earlier job into the checkout",
                given.path
            ));
        }
        for cache in self.spec.caches.clone() {
            let from = super::jobs::cache_folder(&state, &cache.key);
            let target = self.inside(&cache.path)?;
            if !from.is_dir() {
                self.say(&format!("nothing is kept yet of `{}`", cache.path));
                continue;
            }
            match copy_tree(&from, &target) {
                Ok(()) => self.say(&format!("takes `{}` from what is kept", cache.path)),
                // A job must be able to do without.
                Err(error) => {
                    super::scratch::remove(&target).unwrap_or_default();
                    self.say(&format!(
                        "`{}` could not be taken from what is kept: {error}",
                        cache.path
                    ));
                }
            }
        }
        Ok(())
    }

    /// Returns a path in the checkout, if no link on the way leads out of it.
    pub(super) fn inside(&self, path: &str) -> Result<PathBuf, Stop> {
        let outside = || {
            let why = format!("`{path}` leads out of the checkout");
            Stop::failed(FailureKind::Missing, why)
        };
        let path = self.project_folder().join(path);
        let tree = self.tree().canonicalize().map_err(|_| outside())?;
        let there = path
            .ancestors()
            .find(|path| path.exists())
            .ok_or_else(outside)?;
        let real = there.canonicalize().map_err(|_| outside())?;
        if real.starts_with(&tree) {
            Ok(path)
        } else {
            Err(outside())
        }
    }

    /// Keeps what the next run may begin with.
    pub(super) fn keep_caches(&mut self) {
        let state = self.state();
        for cache in self.spec.caches.clone() {
            let Ok(from) = self.inside(&cache.path) else {
                self.say(&format!(
                    "`{}` leads out of the checkout, and is not kept",
                    cache.path
                ));
                continue;
            };
            let target = super::jobs::cache_folder(&state, &cache.key);
            if !from.is_dir() || target.exists() && !cache.replace {
                continue;
            }
            // It appears complete or not at all: another job may be just reading.
            let beside = target.with_extension(format!("new-{}", std::process::id()));
            let kept = copy_tree(&from, &beside).and_then(|()| {
                let old = target.with_extension(format!("old-{}", std::process::id()));
                let replaced = fs::rename(&target, &old).is_ok();
                let done = fs::rename(&beside, &target);
                if replaced {
                    super::scratch::remove(&old)?;
                }
                done
            });
            if let Err(error) = kept {
                // What is left of it is in nobody's way.
                super::scratch::remove(&beside).unwrap_or_default();
                self.say(&format!("`{}` could not be kept: {error}", cache.path));
            }
        }
    }
}

/// Moves what was unpacked to where it belongs: a folder as it is, a single file under its own name.
fn put(unpacked: &Path, target: &Path) -> std::io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut entries = fs::read_dir(unpacked)?.collect::<Result<Vec<_>, _>>()?;
    let is_file = match entries.as_slice() {
        [only] => {
            Some(only.file_name().as_os_str()) == target.file_name() && only.file_type()?.is_file()
        }
        _ => false,
    };
    match fs::symlink_metadata(target) {
        Ok(there) if there.is_dir() => super::scratch::remove(target)?,
        Ok(_) => fs::remove_file(target)?,
        Err(_) => {}
    }
    if is_file && let Some(only) = entries.pop() {
        fs::rename(only.path(), target)?;
        return super::scratch::remove(unpacked);
    }
    fs::rename(unpacked, target)
}

/// Copies a folder with all in it: files, folders, links, and what may be executed.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
            if kind.is_dir() {
                fs::create_dir_all(&target)?;
                folders.push((entry.path(), target));
            } else if kind.is_symlink() {
                let leads_to = fs::read_link(entry.path())?;
                remove_any(&target)?;
                std::os::unix::fs::symlink(leads_to, target)?;
            } else if kind.is_file() {
                remove_any(&target)?;
                fs::copy(entry.path(), &target)?;
                let times = fs::FileTimes::new().set_modified(entry.metadata()?.modified()?);
                // A tool that goes by times finds them as they were; one that cannot starts anew.
                if let Ok(file) = fs::File::options().write(true).open(&target) {
                    file.set_times(times)?;
                }
            }
        }
    }
    Ok(())
}

fn remove_any(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
