//! `./dev`: what it finds out about a machine, shown with tools that only pretend to be there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::tree;

/// Runs `script` with the functions of `./dev`, and with `tools` before the machine's own.
fn with_dev(script: &str, tools: &Path) -> Output {
    let path = format!("{}:/usr/bin:/bin", tools.display());
    Command::new("bash")
        .args(["-c", &format!(". ./dev; {script}")])
        .current_dir(tree::root())
        .env_clear()
        .envs([
            ("PATH", path.as_str()),
            ("HOME", "/nonexistent"),
            ("TMPDIR", "/tmp"),
        ])
        .env("CARGO_HOME", tools.join("cargo home"))
        .output()
        .expect("bash can be started")
}

fn succeeds(script: &str, tools: &Path) -> bool {
    with_dev(script, tools).status.success()
}

fn tools(tools: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder can be made");
    for (name, body) in tools {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("it can be made");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be changed");
    }
    folder
}

#[test]
fn versions_are_compared_by_number() {
    let none = tools(&[]);
    for (version, wanted, enough) in [
        ("1.89.0", "1.89", true),
        ("1.89.0", "1.89.0", true),
        ("1.100.0", "1.89", true),
        ("2.0.0", "1.89", true),
        ("1.88.9", "1.89", false),
        ("1.9.0", "1.89", false),
    ] {
        let script = format!("at_least {version} {wanted}");
        assert_eq!(succeeds(&script, none.path()), enough, "{script}");
    }
}

#[test]
fn the_version_wanted_is_that_of_the_workspace() {
    let output = with_dev("wanted_rust", tools(&[]).path());
    let manifest = fs::read_to_string(tree::root().join("Cargo.toml")).expect("it can be read");
    let manifest: toml::Table = manifest.parse().expect("cargo has read it already");
    let wanted = manifest
        .get("workspace")
        .and_then(|it| it.get("package")?.get("rust-version"));
    let wanted = wanted
        .and_then(toml::Value::as_str)
        .expect("the workspace has a `rust-version`");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), wanted);
}

#[test]
fn an_old_cargo_gives_way_to_the_one_that_rustup_installed_earlier() {
    let tools = tools(&[
        ("cargo", "echo cargo 1.63.0"),
        ("rustc", "echo rustc 1.63.0"),
        ("cargo home/bin/cargo", "echo cargo 1.999.0"),
        ("cargo home/bin/rustc", "echo rustc 1.999.0"),
    ]);
    assert!(!succeeds("rust_is_recent", tools.path()));
    let output = with_dev("ensure_rust && cargo --version", tools.path());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "cargo 1.999.0\n");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_new_cargo_with_an_old_rustc_is_not_enough() {
    let tools = tools(&[
        ("cargo", "echo cargo 1.999.0"),
        ("rustc", "echo rustc 1.63.0"),
    ]);
    assert!(!succeeds("rust_is_recent", tools.path()));
}

#[test]
fn the_default_of_rustup_stays_as_somebody_chose_it() {
    let version = r#"[ "$RUSTUP_TOOLCHAIN" = stable ] && echo x 1.999.0 || echo x 1.63.0"#;
    let tools = tools(&[("cargo", version), ("rustc", version), ("rustup", "exit 1")]);
    let output = with_dev(r#"ensure_rust && echo "$RUSTUP_TOOLCHAIN""#, tools.path());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "stable\n");
}

#[test]
fn an_installer_with_another_digest_is_not_run() {
    let curl = r#"case "$*" in
*sha256) echo 0000000000000000000000000000000000000000000000000000000000000000 ;;
*) while [ "$1" != -o ]; do shift; done; printf '#!/bin/sh\ntouch "$CARGO_HOME.ran"\n' > "$2" ;;
esac"#;
    let tools = tools(&[("curl", curl)]);
    let folder = tools.path().join("download");
    fs::create_dir(&folder).expect("a folder can be made");
    let script = format!(
        "run_rustup_installer https://example.org '{}'",
        folder.display()
    );
    let output = with_dev(&script, tools.path());
    assert!(!output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("FAILED"),
        "{output:?}"
    );
    assert!(folder.join("rustup-init").exists());
    assert!(!tools.path().join("cargo home.ran").exists());
}

#[test]
fn what_it_does_not_know_is_refused_with_status_2() {
    for arguments in [
        &["sail"][..],
        &["lint", "fast"],
        &["build", "--", "x"],
        &["upgrade-test"],
        &["upgrade-test", "no-such-revision"],
    ] {
        let output = Command::new(tree::root().join("dev"))
            .args(arguments)
            .output();
        let output = output.expect("it can be started");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
}

/// Functions of `./dev` that get a benchmark what it runs, and do nothing.
const NOTHING: &str = "target=t; prepare() { :; }; build_given_out() { :; }";

#[test]
fn a_benchmark_gets_what_stands_behind_its_name() {
    let tools = tools(&[("cargo", "echo \"$*\"")]);
    for (arguments, called) in [
        ("", Some("--bench * --")),
        ("judge", Some("--bench judge --")),
        (
            "judge -- --quick --rate 10",
            Some("--bench judge -- --quick --rate 10"),
        ),
        ("--quick", None),
    ] {
        let output = with_dev(
            &format!("{NOTHING}; ensure_tools() {{ :; }}; bench {arguments}"),
            tools.path(),
        );
        let stdout = String::from_utf8_lossy(&output.stdout);
        let found = output.status.success().then(|| stdout.trim());
        let wanted = called.map(|it| format!("bench --locked --workspace {it}"));
        assert_eq!(found, wanted.as_deref(), "{arguments}: {output:?}");
    }
}

#[test]
fn a_benchmark_gets_what_it_compares_with() {
    let tools = tools(&[("cargo", "")]);
    for (name, wanted) in [
        ("proxy", "nginx haproxy h2load\n"),
        ("load", "nginx oha\n"),
        ("", "nginx haproxy h2load\nnginx oha\n"),
        ("judge", ""),
    ] {
        let script = format!("{NOTHING}; ensure_tools() {{ echo \"$*\"; }}; bench {name}");
        let output = with_dev(&script, tools.path());
        assert!(output.status.success(), "{name}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted, "{name}");
    }
}

/// A cargo that says how it was called, and builds a program once.
const BUILDS: &str = r#"echo "cargo ${CARGO_TARGET_DIR##*/} ${LEADSMAN_PGO_FLAG%%=*}"
mkdir -p "$CARGO_TARGET_DIR/release"
[ -e "$CARGO_TARGET_DIR/release/leadsman" ] || touch -d '1 minute ago' "$CARGO_TARGET_DIR/release/leadsman""#;

/// An llvm-profdata that makes a profile of what a request passes through.
const PROFILES: &str = r#"case "$1" in
    merge) echo "profile of ${5##*/}"; touch "$4" ;;
    show) echo _ZN14leadsman_proxy6worker7forward10Forwarding5beginE ;;
esac"#;

#[test]
fn what_is_given_out_is_built_again_by_what_was_seen_once() {
    let tools = tools(&[
        ("cargo", BUILDS),
        ("rustc", r#"echo "${0%/*}/lib""#),
        ("lib/libstd.so", ""),
        ("bin/llvm-profdata", PROFILES),
    ]);
    let target = tools.path().join("target folder");
    let script = format!(
        "target='{}'; prepare() {{ :; }}; say() {{ :; }}
         watch() {{ echo \"watched ${{1##*/pgo/}}\"; mkdir -p \"$target/pgo/seen/7\"; }}
         release; release",
        target.display()
    );
    let output = with_dev(&format!("exec 2>&1; {script}"), tools.path());
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).replace(&target.display().to_string(), "");
    let built = "cargo given-out -Cprofile-use
/pgo/given-out/release/leadsman
/pgo/given-out/release/tide
";
    let watched = "cargo watched -Cprofile-generate\n";
    let once = "watched watched/release\nprofile of 7\n";
    assert_eq!(said, format!("{watched}{once}{built}{watched}{built}"));
}

#[test]
fn what_a_request_passes_through_is_built_by_what_was_seen_and_nothing_else() {
    let (watched, built) = ("-Cprofile-generate=a folder/%p", "-Cprofile-use=a file");
    let rustc = tree::root().join("crates/proxy/pgo/rustc");
    for (name, flag, given) in [
        ("leadsman_proxy", watched, true),
        ("leadsman_proxy", built, true),
        ("tokio", built, true),
        ("leadsman_analysis", built, false),
        ("build_script_build", watched, false),
        // It links what writes down what was seen.
        ("leadsman", watched, true),
        ("leadsman", built, false),
    ] {
        let output = Command::new(&rustc)
            .args(["printf", "%s\n", "--crate-name", name, "--test"])
            .env("LEADSMAN_PGO_FLAG", flag)
            .output()
            .expect("it can be started");
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last();
        let wanted = if given { flag } else { "--test" };
        assert_eq!(last, Some(wanted), "{name}: {output:?}");
    }
    // Each of them is a crate that there is.
    let script = fs::read_to_string(&rustc).expect("it can be read");
    let lock = fs::read_to_string(tree::root().join("Cargo.lock")).expect("it can be read");
    let list = script
        .split_once("case \"$crate\" in")
        .and_then(|it| it.1.split_once(')'));
    let list = list.expect("it lists crates").0.replace('\\', "");
    for name in list.split('|').map(str::trim) {
        let package = format!("\nname = \"{}\"\n", name.replace('_', "-"));
        assert!(lock.contains(&package), "{name}");
    }
}

#[test]
fn the_torture_is_told_how_long_and_its_report_is_all_that_is_printed() {
    let cargo = r#"echo "$LEADSMAN_TORTURE_ROUNDS $LEADSMAN_TORTURE_SEED" \
    >"${LEADSMAN_TORTURE_JSON:-$LEADSMAN_TORTURE_REPORT}"
echo noise
exit "$LEADSMAN_TORTURE_ROUNDS""#;
    let tools = tools(&[("cargo", cargo)]);
    for (arguments, told, status) in [
        ("--rounds 0 --seed 7", "0 7\n", 0),
        ("--json --rounds 3", "3 \n", 1),
        ("--rounds", "", 2),
        ("--seed x", "", 2),
        ("--loud", "", 2),
    ] {
        let target = tools.path().join("target folder");
        let target = target.display();
        let script = format!("prepare() {{ :; }}; target='{target}'; torture {arguments}");
        let output = with_dev(&script, tools.path());
        let stdout = String::from_utf8_lossy(&output.stdout);
        let found = (&*stdout, output.status.code());
        assert_eq!(found, (told, Some(status)), "{arguments}: {output:?}");
    }
}

#[test]
fn the_torture_is_a_test_that_there_is() {
    let script = "echo \"$TORTURE\"";
    let output = with_dev(script, tools(&[]).path());
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let test = tree::root().join("crates/leadsman/tests/it/live/torture/mod.rs");
    let test = fs::read_to_string(test).expect("it can be read");
    assert!(test.contains(&format!("fn {name}()")), "{name}");
}

/// Says where Prometheus is, or why there is none, on a machine that has none installed.
const FIND_PROMETHEUS: &str = r#"
here() { [ "$1" != prometheus ] && command -v "$1" >/dev/null 2>&1; }
ensure_tools prometheus
echo "${LEADSMAN_PROMETHEUS:-none: $LEADSMAN_WITHOUT_PROMETHEUS}"
ls -- "$target/tools""#;

fn find_prometheus(tools: &TempDir) -> String {
    let target = tools.path().join("target folder");
    let script = format!("target='{}'; {FIND_PROMETHEUS}", target.display());
    let output = with_dev(&script, tools.path());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).replace(&tools.path().display().to_string(), "")
}

#[test]
fn prometheus_is_unpacked_below_the_target_folder_once() {
    let apt = r#"case "$*" in *download*) touch prometheus_1_all.deb ;; *) exit 1 ;; esac"#;
    let unpack = r#"mkdir -p "$3/usr/bin"
printf '#!/bin/sh\n' > "$3/usr/bin/prometheus"
chmod +x "$3/usr/bin/prometheus""#;
    let tools = tools(&[("apt-get", apt), ("dpkg-deb", unpack)]);
    let found = "/target folder/tools/prometheus/run\nprometheus\n";
    assert_eq!(find_prometheus(&tools), found);
    fs::remove_file(tools.path().join("apt-get")).expect("it is there");
    assert_eq!(find_prometheus(&tools), found);
}

#[test]
fn a_prometheus_that_cannot_be_had_is_a_reason_and_leaves_nothing() {
    let broken = "mkdir -p \"$3/usr/bin\"; touch \"$3/usr/bin/prometheus\"";
    let download = "case \"$*\" in *download*) touch prometheus_1_all.deb ;; esac";
    let why = "none: it is not installed, and Debian's package prometheus could not be fetched\n";
    for (apt, unpack) in [
        ("exit 1", "exit 1"),
        (download, "exit 1"),
        (download, broken),
    ] {
        let tools = tools(&[("apt-get", apt), ("dpkg-deb", unpack)]);
        assert_eq!(find_prometheus(&tools), why, "{apt}, {unpack}");
    }
}

#[test]
fn a_tool_finds_the_libraries_that_came_with_it() {
    let apt = r#"case "$*" in
*-s*) printf 'Inst %s (1 Debian)\n' libsail libhull adduser sail ;;
*download*) shift 2; for name; do touch "${name}_1.deb"; done ;;
esac"#;
    let unpack = r#"mkdir -p "$3/usr/bin"; printf '%s ' "${2##*/}" >> "$3/unpacked"
printf '#!/bin/sh\necho "$LD_LIBRARY_PATH $1"' > "$3/usr/bin/sail"
chmod +x "$3/usr/bin/sail""#;
    let tools = tools(&[
        ("apt-get", apt),
        ("dpkg-deb", unpack),
        ("ldd", "echo 'libsail.so.1 => not found'"),
        ("uname", "echo pdp11"),
    ]);
    let target = tools.path().join("target folder");
    let script = format!(
        "target='{}'; ensure_tool sail sail usr/bin/sail --version
        \"$LEADSMAN_SAIL\" hoist; cat -- \"$target/tools/sail/unpacked\"",
        target.display()
    );
    let output = with_dev(&script, tools.path());
    let stdout = String::from_utf8_lossy(&output.stdout);
    let folder = target.join("tools/sail").display().to_string();
    let wanted = format!(
        "{folder}/usr/lib/pdp11-linux-gnu:{folder}/lib/pdp11-linux-gnu hoist
sail_1.deb libhull_1.deb libsail_1.deb "
    );
    assert_eq!(stdout, wanted, "{output:?}");
}

#[test]
fn a_prometheus_that_is_installed_or_named_is_the_one() {
    let tools = tools(&[("prometheus", "")]);
    let script = "target=/nonexistent; ensure_tools prometheus; echo \"$LEADSMAN_PROMETHEUS\"";
    let installed = format!("{}/prometheus\n", tools.path().display());
    for (before, found) in [
        ("", installed.as_str()),
        ("LEADSMAN_PROMETHEUS=/x; ", "/x\n"),
    ] {
        let output = with_dev(&format!("{before}{script}"), tools.path());
        assert_eq!(String::from_utf8_lossy(&output.stdout), found, "{output:?}");
    }
}
