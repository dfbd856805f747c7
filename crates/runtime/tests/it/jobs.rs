//! Attempts of jobs, with real runners, real repositories and jobs that misbehave.
#![expect(clippy::panic, reason = "what cannot be had here fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leadsman_core::id::RunNumber;
use leadsman_core::pipeline::Job;
use leadsman_core::project::Project;
use leadsman_core::run::{FailureKind, Outcome, RunId};
use leadsman_runtime::ReadFrom;
use leadsman_runtime::artifact::{Limits, Store};
use leadsman_runtime::job::{AttemptId, Finished, Given, Jobs, Looked, Repository, Spec};
use tempfile::TempDir;

use crate::world::SHIM;

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    folder: TempDir,
    jobs: Jobs,
    commit: String,
    attempts: u32,
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=Mia", "-c", "user.email=mia@shop.example"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        fs::create_dir_all(work.join("src")).unwrap();
        fs::write(work.join("src/text"), "one\n").unwrap();
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        git(&work, &["add", "."]);
        git(&work, &["commit", "--quiet", "-m", "a first one"]);
        let commit = git(&work, &["rev-parse", "HEAD"]);
        // What is not committed is no part of it.
        fs::write(work.join("uncommitted"), "x").unwrap();
        let state = folder.path().join("state");
        fs::create_dir(&state).unwrap();
        let store = Arc::new(Store::open(&state, Limits::default()).unwrap());
        let jobs = Jobs::open(&state, SHIM.into(), store).unwrap();
        Self {
            folder,
            jobs,
            commit,
            attempts: 0,
        }
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn job(keys: &str) -> Job {
        let text = format!(
            "application: shop\nservices: {{ web: {{ run: ./web }} }}\npipeline:\n  jobs:\n    unit:\n{}",
            keys.lines()
                .map(|line| format!("      {line}\n"))
                .collect::<String>()
        );
        let project = Project::parse(&text, "leadsman.yaml").unwrap_or_else(|p| panic!("{p}"));
        let pipeline = project.pipeline().unwrap();
        pipeline.jobs.values().next().unwrap().clone()
    }

    fn spec(&self, keys: &str) -> Spec {
        Spec {
            repository: self.work().join(".git"),
            commit: Some(self.commit.parse().unwrap()),
            place: None,
            project_folder: String::new(),
            job: Self::job(keys),
            env: BTreeMap::new(),
            given: Vec::new(),
            caches: Vec::new(),
        }
    }

    /// Begins a job that has a child in a session of its own and never ends, and waits for its first
    /// line.
    async fn begin_endless(&mut self) -> (AttemptId, Spec) {
        let spec = self.spec("script: |\n  setsid sleep 600 &\n  echo begun\n  sleep 600");
        let id = self.begin(&spec).await;
        self.until("its first line", async |world: &Self| {
            world.jobs.has_output(&id).then_some(())?;
            world.output(&id).await.contains("\nbegun\n").then_some(())
        })
        .await;
        (id, spec)
    }

    async fn begin(&mut self, spec: &Spec) -> AttemptId {
        self.attempts += 1;
        let id = AttemptId {
            run: RunId {
                application: "shop".parse().unwrap(),
                number: RunNumber(1),
            },
            job: "unit".parse().unwrap(),
            attempt: self.attempts,
        };
        assert_eq!(self.jobs.look(&id).await.unwrap(), Looked::Absent);
        self.jobs.ensure(&id, spec).await.unwrap();
        id
    }

    async fn until<T>(&self, what: &str, mut found: impl AsyncFnMut(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found(self).await {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end_of(&self, id: &AttemptId) -> Finished {
        self.until("the end", async |world: &Self| {
            match world.jobs.look(id).await.unwrap() {
                Looked::Finished(finished) => Some(*finished),
                Looked::Running => None,
                other => panic!("{other:?}"),
            }
        })
        .await
    }

    async fn does(&mut self, keys: &str) -> (Finished, String) {
        let spec = self.spec(keys);
        self.does_all(&spec).await
    }

    async fn does_all(&mut self, spec: &Spec) -> (Finished, String) {
        let id = self.begin(spec).await;
        let finished = self.end_of(&id).await;
        let output = self.output(&id).await;
        // No process of it is left, and no file in its scratch folder.
        assert_eq!(self.left_of(&id), Vec::<i32>::new(), "{output}");
        self.until("an empty scratch folder", async |world: &Self| {
            (!world.attempt(&id).join("scratch").exists()).then_some(())
        })
        .await;
        (finished, output)
    }

    fn attempt(&self, id: &AttemptId) -> PathBuf {
        let job = self.jobs.run_folder(&id.run).join(id.job.as_str());
        job.join(id.attempt.to_string())
    }

    async fn output(&self, id: &AttemptId) -> String {
        let output = self.jobs.output(id, ReadFrom::Last(100_000)).await;
        output.unwrap().text
    }

    /// Processes that carry the mark of an attempt.
    fn left_of(&self, id: &AttemptId) -> Vec<i32> {
        let mark = format!("LEADSMAN_SHIM={}", self.attempt(id).display());
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                let is_zombie = stat
                    .rsplit_once(") ")
                    .is_some_and(|(_, rest)| rest.starts_with('Z'));
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                !is_zombie
                    && environment
                        .split(|byte| *byte == 0)
                        .any(|one| one == mark.as_bytes())
            })
            .collect()
    }
}

fn failed(finished: &Finished) -> (FailureKind, &str) {
    match &finished.outcome {
        Outcome::Failed { kind, why } => (*kind, why),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_job_runs_in_a_clean_checkout_of_its_commit() {
    let mut world = World::new();
    let (finished, output) = world
        .does("run:\n  - cat src/text\n  - git log --format=%s\n  - test ! -e uncommitted\n  - 'sh -c \"echo told $CI $GREETING\"'\nenv: { GREETING: hello, CI: maybe }")
        .await;
    assert_eq!(finished.outcome, Outcome::Passed, "{output}");
    for line in [
        "one",
        "a first one",
        "told maybe hello",
        "[leadsman] $ cat src/text",
        "[leadsman] passed",
    ] {
        assert!(output.lines().any(|said| said == line), "{line}: {output}");
    }
}

#[tokio::test]
async fn a_failure_says_which_command_and_how() {
    let mut world = World::new();
    let (finished, _) = world
        .does("run: [sh -c 'echo broken >&2; exit 3', touch never]")
        .await;
    assert_eq!(
        failed(&finished),
        (
            FailureKind::Command,
            "`sh -c echo broken >&2; exit 3` exited with status 3: broken"
        )
    );
    let (finished, _) = world.does("run: no-such-program").await;
    assert_eq!(
        failed(&finished),
        (
            FailureKind::NotStarted,
            "command `no-such-program` was not found in PATH"
        )
    );
    let (finished, _) = world
        .does("script: |\n  echo $UNSET_VARIABLE\n  echo never")
        .await;
    assert_eq!(failed(&finished).0, FailureKind::Command);
}

#[tokio::test]
async fn a_commit_that_vanished_is_said() {
    let mut world = World::new();
    world.commit = "0123456789".repeat(4);
    let (finished, _) = world.does("run: 'true'").await;
    let (kind, why) = failed(&finished);
    assert_eq!(kind, FailureKind::Checkout);
    assert!(why.starts_with("commit 0123456789 is not in `"), "{why}");
    fs::rename(world.work(), world.folder.path().join("away")).unwrap();
    let (finished, _) = world.does("run: 'true'").await;
    let (kind, why) = failed(&finished);
    assert_eq!(kind, FailureKind::Checkout);
    assert!(why.ends_with("is not there any more"), "{why}");
}

#[tokio::test]
async fn what_forks_leaves_its_group_and_ignores_signals_is_ended_all_the_same() {
    let mut world = World::new();
    let keys = "script: |\n  trap '' TERM INT\n  setsid sh -c 'trap \"\" TERM; sleep 600' &\n  (setsid sleep 600 &)\n  sleep 600 &\n  echo begun";
    let (finished, _) = world.does(keys).await;
    assert_eq!(finished.outcome, Outcome::Passed);
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_ended() {
    let mut world = World::new();
    let (finished, _) = world.does("run: sleep 600\ntimeout: 1s").await;
    assert_eq!(
        failed(&finished),
        (
            FailureKind::TimedOut,
            "it took longer than its `timeout` of 1s"
        )
    );
}

#[tokio::test]
async fn a_job_that_is_cancelled_leaves_nothing() {
    let mut world = World::new();
    let (id, _) = world.begin_endless().await;
    world.jobs.end(&id);
    assert_eq!(world.end_of(&id).await.outcome, Outcome::Cancelled);
    assert_eq!(world.left_of(&id), Vec::<i32>::new());
}

#[tokio::test]
async fn processes_without_end_are_bounded() {
    let mut world = World::new();
    let keys = "script: |\n  while true; do sleep 600 & done\nprocesses: 40";
    let (finished, _) = world.does(keys).await;
    let (kind, why) = failed(&finished);
    assert_eq!(kind, FailureKind::Processes);
    assert!(why.ends_with("and `processes` allows 40"), "{why}");
}

#[tokio::test]
async fn a_full_disk_is_that_of_the_job_alone() {
    let mut world = World::new();
    let keys = "script: |\n  while true; do head -c 1000000 /dev/zero >> filled; sleep 0.02; done\ndisk: 8MiB";
    let (finished, _) = world.does(keys).await;
    assert_eq!(
        failed(&finished),
        (
            FailureKind::Disk,
            "it wrote more than the 8MiB that `disk` allows"
        )
    );
}

#[tokio::test]
async fn output_without_end_loses_its_beginning_and_nothing_else() {
    let mut world = World::new();
    let spec = world.spec("run: ['yes a-line-of-some-length-that-is-repeated']\ntimeout: 6s");
    let id = world.begin(&spec).await;
    let finished = world.end_of(&id).await;
    assert_eq!(failed(&finished).0, FailureKind::TimedOut);
    let folder = world.attempt(&id).join("output");
    let size: u64 = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(size < 50 << 20, "{size}");
    let last = world
        .jobs
        .output(&id, ReadFrom::Last(1))
        .await
        .unwrap()
        .text;
    assert!(last.contains("`timeout` of 6s"), "{last}");
}

#[tokio::test]
async fn secrets_are_hidden_in_pieces_and_spellings_and_never_written_down() {
    let mut world = World::new();
    let file = world.folder.path().join("token");
    fs::write(&file, "s3cr3t-t0ken\n").unwrap();
    let keys = format!(
        "script: |\n  test ${{#TOKEN}} = 12\n  printf s3cr; sleep 0.2; printf 3t-t0; sleep 0.2; echo ken\n  printf '%s' \"$TOKEN\" | base64\n  echo \"x${{TOKEN}}y\" >&2\nsecrets: {{ TOKEN: {} }}",
        file.display()
    );
    let (finished, output) = world.does(&keys).await;
    assert_eq!(finished.outcome, Outcome::Passed, "{output}");
    assert!(output.lines().any(|line| line == "***"), "{output}");
    assert!(output.contains("x***y"), "{output}");
    assert!(
        !output.contains("t0ken") && !output.contains("czNjcjN0"),
        "{output}"
    );
    // Neither the output nor anything else that is kept has it.
    let grep = Command::new("grep")
        .args(["-r", "-l", "s3cr3t-t0ken"])
        .arg(world.folder.path().join("state"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(grep.stdout).unwrap(), "");
}

#[tokio::test]
async fn a_secret_is_no_argument_and_has_to_be_there() {
    let mut world = World::new();
    let file = world.folder.path().join("token");
    fs::write(&file, "s3cr3t-t0ken\n").unwrap();
    let keys = format!("run: echo $TOKEN\nsecrets: {{ TOKEN: {} }}", file.display());
    let (finished, _) = world.does(&keys).await;
    assert!(
        failed(&finished)
            .1
            .contains("it is a secret, and everybody sees arguments")
    );
    for (keys, said) in [
        (
            "secrets: { TOKEN: /nowhere/at/all }",
            "cannot be read from `/nowhere/at/all`",
        ),
        (
            "secrets: { TOKEN: { variable: NO_SUCH_VARIABLE_HERE } }",
            "without the variable `NO_SUCH_VARIABLE_HERE`",
        ),
        ("secrets: { TOKEN: /dev/null }", "fewer than 6 characters"),
    ] {
        let (finished, _) = world.does(&format!("run: 'true'\n{keys}")).await;
        let (kind, why) = failed(&finished);
        assert_eq!(kind, FailureKind::Secret);
        assert!(why.contains(said), "{why}");
    }
}

#[tokio::test]
async fn reports_and_artifacts_are_kept_and_read() {
    let mut world = World::new();
    let keys = "script: |\n  mkdir -p out dist\n  echo '<testsuite tests=\"1\"><testcase name=\"a\" classname=\"b\"/></testsuite>' > out/unit.xml\n  echo '{\"total\":{\"kb\":12.5}}' > out/size.json\n  echo built > dist/page\nreports: { junit: 'out/*.xml', numbers: { kb: { file: out/size.json, at: total.kb } } }\nartifacts: { web: dist }";
    let spec = world.spec(keys);
    let id = world.begin(&spec).await;
    let finished = world.end_of(&id).await;
    assert_eq!(finished.outcome, Outcome::Passed);
    let made = world.jobs.take(&id, &finished).await.unwrap();
    // Taking it twice does no harm.
    assert_eq!(world.jobs.take(&id, &finished).await.unwrap(), made);
    assert!(world.jobs.has(&made));
    assert_eq!(made.reports.len(), 2);
    assert_eq!(made.facts.tests().unwrap().ran(), 1);
    assert!(
        fs::read_to_string(world.jobs.report(&made.reports[0].digest))
            .unwrap()
            .contains("testcase")
    );
    world.jobs.let_go(&id).await;
    assert!(world.jobs.has(&made));
    // The next job finds it in its checkout.
    let mut spec = world.spec("run: cat dist/page");
    spec.given.push(Given {
        path: "dist".to_owned(),
        digest: made.artifacts.values().next().unwrap().clone(),
    });
    let (finished, output) = world.does_all(&spec).await;
    assert_eq!(finished.outcome, Outcome::Passed, "{output}");
    assert!(output.lines().any(|line| line == "built"), "{output}");
}

#[tokio::test]
async fn a_report_that_is_missing_or_broken_fails_the_job() {
    let mut world = World::new();
    for (script, keys, said) in [
        (
            "true",
            "reports: { junit: out/unit.xml }",
            "it wrote no junit report to `out/unit.xml`",
        ),
        (
            "mkdir out; echo '<testsuite' > out/unit.xml",
            "reports: { junit: out/unit.xml }",
            "the junit report `out/unit.xml` cannot be read",
        ),
        (
            "mkdir out; ln -s /etc/passwd out/unit.xml",
            "reports: { junit: out/unit.xml }",
            "it wrote no junit report",
        ),
        (
            "true",
            "artifacts: { web: dist }",
            "it made no `dist`, the artifact of `web`",
        ),
        (
            "ln -s /etc dist",
            "artifacts: { web: dist }",
            "`dist` leads out of the checkout",
        ),
    ] {
        let (finished, output) = world.does(&format!("script: |\n  {script}\n{keys}")).await;
        let (kind, why) = failed(&finished);
        assert_eq!(kind, FailureKind::Missing, "{output}");
        assert!(why.contains(said), "{script}: {why}");
    }
}

#[tokio::test]
async fn a_service_beside_a_job_is_ready_before_it_and_gone_after() {
    let mut world = World::new();
    let service = crate::world::SERVICE;
    let keys = format!(
        "script: |\n  test \"$WEB_HOST\" = 127.0.0.1\n  exec 3<>/dev/null\n  echo port $WEB_PORT\nservices: {{ web: {{ run: '{service}', ready: tcp }} }}"
    );
    let (finished, output) = world.does(&keys).await;
    assert_eq!(finished.outcome, Outcome::Passed, "{output}");
    let keys = "run: 'true'\nservices: { db: { run: sleep 600, ready: { tcp: true, within: 300ms, every: 50ms } } }";
    let (finished, _) = world.does(keys).await;
    let (kind, why) = failed(&finished);
    assert_eq!(kind, FailureKind::Service);
    assert!(
        why.starts_with("service `db` was not ready within 300ms: connecting to 127.0.0.1:"),
        "{why}"
    );
    let keys = "run: 'true'\nservices: { db: { run: sh -c 'echo no room; exit 4' } }";
    let (finished, _) = world.does(keys).await;
    assert!(
        failed(&finished)
            .1
            .starts_with("service `db` ended before it was ready: it exited with status 4"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn a_tool_of_another_version_is_refused() {
    let mut world = World::new();
    let (finished, output) = world.does("run: 'true'\ntools: { git: 2 }").await;
    assert_eq!(finished.outcome, Outcome::Passed, "{output}");
    let (finished, _) = world.does("run: 'true'\ntools: { git: 1.2.3 }").await;
    let (kind, why) = failed(&finished);
    assert_eq!(kind, FailureKind::Tool);
    assert!(
        why.starts_with("`git` has to be 1.2.3, and says: git version 2."),
        "{why}"
    );
}

#[tokio::test]
async fn a_runner_that_is_killed_takes_its_job_along_and_says_so() {
    let mut world = World::new();
    let (id, spec) = world.begin_endless().await;
    let identity = fs::read_to_string(world.attempt(&id).join("runner.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_str(&identity).unwrap();
    let pid = identity["runner"]["pid"].to_string();
    assert!(
        Command::new("kill")
            .args(["-9", &pid])
            .status()
            .unwrap()
            .success()
    );
    let lost = world
        .until("the loss", async |world: &World| {
            match world.jobs.look(&id).await.unwrap() {
                Looked::Lost(why) => Some(why),
                _ => None,
            }
        })
        .await;
    assert_eq!(lost, "its runner was killed");
    assert_eq!(world.left_of(&id), Vec::<i32>::new());
    // What it wrote is still there, and it is not begun a second time.
    assert!(world.output(&id).await.contains("begun"));
    world.jobs.ensure(&id, &spec).await.unwrap();
    assert!(matches!(
        world.jobs.look(&id).await.unwrap(),
        Looked::Lost(_)
    ));
}

#[tokio::test]
async fn a_repository_says_what_a_commit_is() {
    let world = World::new();
    let repository = Repository::at(world.work().join(".git"));
    let committed = repository.commit("main").await.unwrap();
    assert_eq!(committed.commit.as_str(), world.commit);
    assert_eq!(committed.author, "Mia <mia@shop.example>");
    assert_eq!(committed.subject, "a first one");
    for name in ["no-such-branch", "--all", "", "main..main"] {
        let error = repository.commit(name).await.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("there is no commit `{name}` in ")),
            "{error}"
        );
    }
    let files = repository.files(&committed.commit).await.unwrap();
    assert_eq!(
        files
            .iter()
            .map(|file| file.path.as_str())
            .collect::<Vec<_>>(),
        ["src/text"]
    );
    let text = repository
        .project_file(&committed.commit, "src/text")
        .await
        .unwrap();
    assert_eq!(text, "one\n");
    let error = repository
        .project_file(&committed.commit, "no")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("there is no file `no` in commit"),
        "{error}"
    );
}
