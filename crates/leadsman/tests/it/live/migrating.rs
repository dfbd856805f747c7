//! A real PostgreSQL that releases migrate, while users come and control is killed.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::client::Traffic;
use super::machine::{Machine, QUICK};
use super::service;
use crate::tool::{missing, tool};

/// PostgreSQL on a socket in a folder of its own. It ends with the test.
struct Database {
    folder: TempDir,
    programs: PathBuf,
    running: Child,
}

/// Returns a command that is run as somebody else than root, which PostgreSQL refuses.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        .arg(program);
    command
}

impl Database {
    /// Starts it; `None` where it is said that there is none, and why.
    fn start(machine: &Machine) -> Option<Self> {
        let found = match missing("postgres") {
            Some(why) => Err(why),
            None => tool("postgres", "apt-get install postgresql"),
        };
        let postgres = match found {
            Ok(postgres) => postgres.canonicalize().unwrap(),
            Err(why) => {
                println!("skipped, there is no PostgreSQL: {why}");
                return None;
            }
        };
        let programs = postgres.parent().unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let data = folder.path().join("data");
        let made = unprivileged(&programs.join("initdb"))
            .args(["--auth=trust", "--username=shop", "--no-sync", "--pgdata"])
            .arg(&data)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let said = File::create(folder.path().join("said.log")).unwrap();
        let running = unprivileged(&postgres)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            // On its socket alone: there is no port to be taken.
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap();
        let database = Self {
            folder,
            programs,
            running,
        };
        machine.wait_until("PostgreSQL answers", || {
            database.ask("select 1").status.success()
        });
        Some(database)
    }

    fn psql(&self) -> PathBuf {
        let beside = self.programs.join("psql");
        if beside.is_file() {
            beside
        } else {
            "psql".into()
        }
    }

    fn ask(&self, query: &str) -> Output {
        Command::new(self.psql())
            .args(["-qAtX", "-U", "shop", "-h"])
            .arg(self.folder.path())
            .args(["-d", "postgres", "-c", query])
            .output()
            .unwrap()
    }

    fn answer(&self, query: &str) -> String {
        let output = self.ask(query);
        assert!(output.status.success(), "{query}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Returns how often a migration to `schema` was begun.
    fn runs(&self, schema: u64) -> String {
        let there = self.answer("select to_regclass('runs') is not null");
        if there != "t" {
            return "0".to_owned();
        }
        self.answer(&format!("select count(*) from runs where at = '{schema}'"))
    }

    /// Writes the project file of a release, and the command that migrates for it.
    fn project(&self, machine: &Machine, version: &str, migration: &str) {
        let psql = self.psql();
        let script = format!(
            "set -eu\n\
             ask() {{ {psql} -qAtX -v ON_ERROR_STOP=1 -c \"$1\"; }}\n\
             ask 'create table if not exists runs (way text, at text)'\n\
             ask \"insert into runs values ('$1', '$LEADSMAN_SCHEMA_TO')\"\n\
             echo \"from ${{LEADSMAN_SCHEMA_FROM:-nothing}} to $LEADSMAN_SCHEMA_TO\"\n\
             case $1-$LEADSMAN_SCHEMA_TO in\n\
             up-1) ask 'create table if not exists boats (name text)' ;;\n\
             up-2) ask 'select pg_sleep(3)'\n\
                   ask 'alter table boats add column if not exists berth int' ;;\n\
             up-9) echo 'no such berth' >&2; exit 3 ;;\n\
             up-3) ask 'alter table boats drop column if exists name' ;;\n\
             down-2) ask 'alter table boats add column if not exists name text' ;;\n\
             esac\n",
            psql = psql.display(),
        );
        machine.place.write("migrate.sh", script);
        let socket = self.folder.path().display();
        let more = format!(
            "{QUICK}env: {{ PGHOST: \"{socket}\", PGUSER: shop, PGDATABASE: postgres }}\n\
             migration: {{ run: /bin/sh migrate.sh up, back: /bin/sh migrate.sh down, {migration} }}\n"
        );
        let ready = "{ http: /health, every: 50ms, within: 20s }";
        machine.project_of(&service::lines(version), ready, &more);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // It ends its own children, too.
        let pid = rustix::process::Pid::from_child(&self.running);
        let _gone_already = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        drop(self.running.wait());
    }
}

#[test]
fn a_database_is_migrated_once_though_control_is_killed_and_goes_back_by_the_newer_release() {
    let mut machine = Machine::started();
    let Some(database) = Database::start(&machine) else {
        return;
    };
    database.project(&machine, "one", "schema: 1, works_with: 1..2");
    machine.ship().succeeds();
    machine.wait_for_version("one");
    assert_eq!(database.runs(1), "1");

    // Expand: what serves goes on, and control is killed in the middle.
    let traffic = Traffic::start(machine.address);
    database.project(&machine, "two", "schema: 2, works_with: 1..2");
    let plan = machine.run(&["plan"]).succeeds();
    let will = "will migrate the schema from 1 to 2 with `/bin/sh migrate.sh up`";
    assert!(plan.whole().contains(will), "{}", plan.whole());
    machine.ship_detached();
    machine.wait_until("the migration runs", || database.runs(2) == "1");
    machine.kill_control();
    machine.up();
    let why = machine.run(&["why"]).succeeds();
    assert!(
        why.whole().contains("brought from 1 to 2"),
        "{}",
        why.whole()
    );
    machine.wait_for_version("two");
    machine.wait_for_phase("settling");
    traffic.end_without_failure();
    assert_eq!(database.runs(2), "1", "once, though control was killed");
    let berth = "select count(*) from information_schema.columns where column_name = 'berth'";
    assert_eq!(database.answer(berth), "1");
    let logs = machine.run(&["logs"]).succeeds();
    assert!(logs.whole().contains("from 1 to 2"), "{}", logs.whole());

    // What would break what serves is refused at the door.
    database.project(&machine, "three", "schema: 3, works_with: 3");
    machine
        .ship()
        .fails(1, &["R040", "works with 1..2", "--one-way"]);
    assert_eq!(database.runs(3), "0");

    // Within the range the way back is free, and the schema stays.
    machine.run(&["rollback"]).succeeds();
    machine.wait_for_version("one");
    machine.wait_until("it is over", || machine.phase() != "moving");
    assert_eq!(database.runs(2), "1");

    // One way: then the way back is refused, until the schema goes back by the newer release.
    database.project(&machine, "three", "schema: 3, works_with: 3");
    let traffic = Traffic::start(machine.address);
    machine.run(&["ship", "--one-way", "agreed on"]).succeeds();
    machine.wait_for_version("three");
    machine
        .run(&["rollback"])
        .fails(1, &["R041", "the schema is at 3", "--migrate-back"]);
    machine.run(&["rollback", "--migrate-back"]).succeeds();
    machine.wait_for_version("one");
    traffic.end_without_failure();
    let back = "select count(*) from runs where way = 'down' and at = '2'";
    assert_eq!(database.answer(back), "1");
    assert_eq!(database.answer("select count(name) from boats"), "0");

    // One that fails is quoted, and nothing of its release ever runs.
    database.project(&machine, "nine", "schema: 9, works_with: 1..9");
    let ship = ["ship", "--one-way", "agreed on"];
    machine
        .run(&ship)
        .fails(4, &["the schema was not migrated"]);
    machine
        .run(&["why"])
        .succeeds()
        .says(&["the migration failed", "| from 2 to 9 | no such berth"]);
    machine
        .run(&["status"])
        .succeeds()
        .says(&["schema 2 or 9: the migration of release 4 has not ended well so far"]);
    machine.down();
}
