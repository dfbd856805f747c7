//! What works without control.

use expect_test::expect;

use crate::program::Place;

const PROJECT: &str = "application: shop\nservices:\n  web:\n    run: ./server\n";

#[test]
fn help_shows_what_there_is() {
    let ran = Place::new().run(&["--help"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    expect![[r#"
        Takes a release from commit to all of production's traffic, one sounding at a time, and takes it
        back by itself when the evidence says so

        Usage: leadsman [OPTIONS] <COMMAND>

        Commands:
          init          Write a first project file from what lies in this folder; nothing is ever
                        overwritten
          check         Check the project file and show every problem in one go
          schema        Print the JSON Schema of the project file
          up            Run Leadsman: control in the foreground, the data plane and the instances beside it
          down          End Leadsman and everything that it runs, in order
          plan          Say what shipping would do, before anything moves
          run           Take a commit through the pipeline, and watch it until it is over
          runs          List runs of the pipeline, the newest first
          hook          Have Git tell Leadsman of what is pushed
          ship          Ship what the project file describes, and watch it until it has all traffic or went
                        back
          status        Show how everything stands
          why           Say why things are as they are: what is waited for, since when, and who can move it
          requests      List the releases that wait to enter, what each still lacks, and the freezes
          report        Hand reports on a release in: its gates are evaluated on what they say
          checklist     List what has to be looked at before, during and after releases, and what is done of
                        it
          confirm       Confirm an item of a checklist, in your name
          approve       Consent to a release that waits to enter the environment
          reject        Refuse a release that waits to enter the environment
          freeze        Let nothing enter the environment for a time, or one release all the same
          thaw          End a freeze: what waits for it may enter
          pause         Hold the deployment where it is; it is still judged, and still goes back if it fails
          resume        Let a paused deployment go on
          promote       Let the present step pass without waiting for the judge
          abort         Take what is on its way back to what served before
          retry         Bring the release that failed last in once more, or try a blocked way back again
          rollback      Go back to the previous release, or to a named one
          hold          Have requests of users wait while something behind the service changes, or let them
                        in again
          maintenance   Answer requests of users with `maintenance` of the project file instead, or plan a
                        maintenance window
          history       List what was deployed and what became of it
          replay        Judge a past rollout again, by the limits it was held to or by others
          diff          Show how two releases differ, or a release and what runs, or two environments
          judge         Judge windows from standard input, one JSON object a line; say a verdict after each
          load          Make requests at a rate, or as so many users, and measure how they are answered
          facts         Read reports on tests, coverage, findings, components, load and numbers, and say
                        what they say
          gate          Say whether the gates of an environment would be open with the reports at hand
          logs          Print what instances wrote
          people        See who may do what, and change it
          token         Make tokens, by which programs act for people, and end them
          login         Sign in at a Leadsman on another machine
          webhook       Have GitHub or GitLab tell Leadsman of what is pushed there
          subscription  Have others told of what happens, by signed requests to addresses that you name
          audit         Work with the audit log
          evidence      Write everything that let a release pass to one file, or verify such a file
          state         Back up the state of Leadsman, or take it to another machine
          explain       Explain a code such as `L001`, or list all of them
          demo          Play the whole story on this machine: good releases, bad ones, a crash
          completions   Print a script that lets a shell complete the command line
          man           Write the manual pages, one for each subcommand, into a folder

        Options:
          -h, --help     Print help
          -V, --version  Print version

        Global options:
              --state <FOLDER>      The folder that holds Leadsman's state [default: `.leadsman` beside the
                                    project file] [env: LEADSMAN_STATE]
              --file <FILE>         The project file [default: `leadsman.yaml`, here or in a folder above]
          -e, --environment <NAME>  The environment, such as `production` or `shop/production`; needed where
                                    there are several
              --server <URL>        The address of a Leadsman on another machine, such as
                                    `https://leadsman.example:7070`; it needs a token, in `LEADSMAN_TOKEN`
                                    or in a file. On this machine `unix:PATH` names the socket of a group
                                    [env: LEADSMAN_SERVER]
              --token-file <FILE>   The file that holds the token, which nobody else may read [default: the
                                    one below `~/.config/leadsman/tokens` that is named after the address]
                                    [env: LEADSMAN_TOKEN_FILE]
              --reason <TEXT>       Why you do this, for the audit
              --json                Print data as JSON, for scripts
              --color <WHEN>        When to use colour; `auto` also heeds `NO_COLOR` [default: auto]
                                    [possible values: auto, always, never]
          -q, --quiet               Say nothing but data and errors

        Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 control not reachable, 4 the shipped
        release went back, 130 interrupted.
    "#]].assert_eq(&ran.stdout);
    let no_arguments = Place::new().run(&[]);
    assert_eq!(no_arguments.status, 2, "{}", no_arguments.whole());
}

#[test]
fn what_is_no_subcommand_is_wrong_usage() {
    expect![[r#"
        status 2
        --- stderr
        error: unrecognized subcommand 'statsu'

          tip: some similar subcommands exist: 'state', 'status'

        Usage: leadsman [OPTIONS] <COMMAND>

        For more information, try '--help'.
    "#]]
    .assert_eq(&Place::new().run(&["statsu"]).whole());
    let conflict = Place::new().run(&["rollback", "--canary", "--service", "web"]);
    assert_eq!(conflict.status, 2, "{}", conflict.whole());
}

#[test]
fn a_broken_project_file_is_shown_where_it_is_broken() {
    let place = Place::new();
    place.write(
        "leadsman.yaml",
        format!("{PROJECT}    instnces: 2\n    ready: 10 s\n"),
    );
    expect![[r#"
        status 1
        --- stdout
        error[P003]: unknown key `instnces` in `services.web`
         --> leadsman.yaml:5:5
          |
        5 |     instnces: 2
          |     ^^^^^^^^
        hint: did you mean `instances`?

        error[P006]: a way to tell readiness is expected, and there is `10 s`
         --> leadsman.yaml:6:12
          |
        6 |     ready: 10 s
          |            ^^^^
        hint: write a path such as `/health`, `tcp`, or `{ command: ... }`
        --- stderr
        error[L012]: `[FOLDER]/leadsman.yaml` has 2 problems
    "#]]
    .assert_eq(&place.run(&["check"]).whole());

    let ran = place.run(&["check", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        report.pointer("/problems/0/code").unwrap(),
        "P003",
        "{report}"
    );
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error.pointer("/error/code").unwrap(), "L012", "{error}");
}

#[test]
fn a_project_file_that_may_not_be_meant_so_is_right_with_a_warning() {
    let place = Place::new();
    place.write(
        "leadsman.yaml",
        format!("{PROJECT}strategy: {{ canary: {{ steps: [50%, 100%] }} }}\n"),
    );
    expect![[r#"
        status 0
        --- stdout
        warning[P029]: all requests are held on the new revision, with nothing beside it to compare
         --> leadsman.yaml:5:36
          |
        5 | strategy: { canary: { steps: [50%, 100%] } }
          |                                    ^^^^
        hint: hold at `90%` instead; the step to `100%` follows, watched while `keep_warm` lasts

        `[FOLDER]/leadsman.yaml` is right: `shop` with production
    "#]]
    .assert_eq(&place.run(&["check"]).whole());
    let ran = place.run(&["check", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        report.pointer("/problems/0/severity").unwrap(),
        "warning",
        "{report}"
    );
}

#[test]
fn a_right_project_file_is_found_from_below_and_its_defaults_are_shown() {
    let place = Place::new();
    place
        .write("leadsman.yaml", PROJECT)
        .write("below/of/it", "");
    expect![[r#"
        status 0
        --- stdout
        `[FOLDER]/leadsman.yaml` is right: `shop` with production
    "#]]
    .assert_eq(&place.run(&["check"]).whole());
    let mut below = place.command(&["check"]);
    let below = below
        .current_dir(place.path().join("below/of"))
        .output()
        .unwrap();
    assert_eq!(place.told(below).whole(), place.run(&["check"]).whole());

    let ran = place.run(&["check", "--effective"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("keep_warm: 10m"), "{}", ran.stdout);
    place.write("again.yaml", &ran.stdout);
    let again = place.run(&["check", "--effective", "production", "--file", "again.yaml"]);
    assert_eq!(again.stdout, ran.stdout);
    let other = place.run(&["check", "--effective", "staging"]);
    expect![[r#"
        status 1
        --- stderr
        error[L021]: the project file has no environment `staging`
        hint: it has production
    "#]]
    .assert_eq(&other.whole());
}

#[test]
fn without_a_project_file_it_says_how_to_get_one() {
    expect![[r#"
        status 1
        --- stderr
        error[L010]: there is no `leadsman.yaml` here or above
        hint: write one with `leadsman init`, or name another file with `--file`
    "#]]
    .assert_eq(&Place::new().run(&["check"]).whole());
}

#[test]
fn init_writes_a_file_that_is_right_and_never_overwrites_one() {
    let place = Place::new();
    place.write("index.html", "<p>hello");
    expect![[r#"
        status 0
        --- stdout
        wrote `[FOLDER]/leadsman.yaml` for a static site
        look over it, then: leadsman check, leadsman up, leadsman ship
    "#]]
    .assert_eq(&place.run(&["init"]).whole());
    assert_eq!(
        place.run(&["check"]).status,
        0,
        "{}",
        place.run(&["check"]).whole()
    );
    let written = std::fs::read(place.path().join("leadsman.yaml")).unwrap();
    expect![[r#"
        status 1
        --- stderr
        error[L013]: `[FOLDER]/leadsman.yaml` is there already
        hint: see whether it is right with `leadsman check`
    "#]]
    .assert_eq(&place.run(&["init"]).whole());
    assert_eq!(
        std::fs::read(place.path().join("leadsman.yaml")).unwrap(),
        written
    );
}

#[test]
fn the_schema_is_one_json_document() {
    let ran = Place::new().run(&["schema"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(schema.get("title").unwrap(), "leadsman.yaml");
}

#[test]
fn a_code_is_explained_and_an_unknown_one_is_said_to_be() {
    let place = Place::new();
    expect![[r#"
        status 0
        --- stdout
        # L001: no Leadsman answers

        Nobody listens on the socket in the state folder.
        Control was not started, has ended, or was started with another state folder.
        Requests do not depend on it: what serves goes on serving without control.

        ## What to do

        Start it with `leadsman up`.
        If one is running, name its folder with `--state`, or set `LEADSMAN_STATE`.
        The default is `.leadsman` beside the project file, so it matters from which folder this was called.
    "#]].assert_eq(&place.run(&["explain", "l001"]).whole());
    expect![[r#"
        status 1
        --- stderr
        error[L050]: there is no code `L999`
        hint: list all of them with `leadsman explain`
    "#]]
    .assert_eq(&place.run(&["explain", "L999"]).whole());
    let all = place.run(&["explain"]);
    for line in [
        "L001  no Leadsman answers\n",
        "P003  unknown key\n",
        "R006  it is not paused\n",
    ] {
        assert!(all.stdout.contains(line), "{}", all.stdout);
    }
}

#[test]
fn completions_know_the_subcommands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = Place::new().run(&["completions", shell]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{shell}");
        assert!(ran.stdout.contains("rollback"), "{shell}: {}", ran.stdout);
    }
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let place = Place::new();
    let ran = place.run(&["man", "pages/1"]);
    assert_eq!(ran.status, 0, "{}", ran.whole());
    for page in [
        "leadsman.1",
        "leadsman-rollback.1",
        "leadsman-audit-verify.1",
    ] {
        let text = std::fs::read_to_string(place.path().join("pages/1").join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}: {text}");
    }
}

#[test]
fn control_that_does_not_run_is_said_with_what_to_do() {
    let place = Place::new();
    expect![[r#"
        status 3
        --- stderr
        error[L001]: no Leadsman answers on `[FOLDER]/.leadsman/control.sock`
        hint: start it with `leadsman up`, or name the folder of the one that runs with `--state`
    "#]]
    .assert_eq(&place.run(&["status"]).whole());
    expect![[r#"
        status 3
        --- stderr
        {"error":{"code":"L001","message":"no Leadsman answers on `[FOLDER]/.leadsman/control.sock`","causes":[],"hints":["start it with `leadsman up`, or name the folder of the one that runs with `--state`"]}}
    "#]].assert_eq(&place.run(&["pause", "--json"]).whole());
    place.write("leadsman.yaml", PROJECT);
    for arguments in [
        &["ship"][..],
        &["plan"],
        &["why"],
        &["resume"],
        &["promote", "--all"],
        &["abort"],
        &["retry"],
        &["rollback", "--to", "3"],
        &["history"],
        &["diff"],
        &["logs"],
        &["down"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.status, 3, "{arguments:?}: {}", ran.whole());
        assert!(
            ran.stderr.starts_with("error[L001]: "),
            "{arguments:?}: {}",
            ran.whole()
        );
    }
}

#[test]
fn the_state_folder_is_beside_the_project_file_or_where_it_is_named() {
    let place = Place::new();
    place
        .write("leadsman.yaml", PROJECT)
        .write("below/of/it", "");
    let expected = "error[L001]: no Leadsman answers on `[FOLDER]/.leadsman/control.sock`\n";
    let mut below = place.command(&["status"]);
    let below = below
        .current_dir(place.path().join("below/of"))
        .output()
        .unwrap();
    assert!(place.told(below).stderr.starts_with(expected));

    let expected = "error[L001]: no Leadsman answers on `[FOLDER]/there/control.sock`\n";
    assert!(
        place
            .run(&["status", "--state", "there"])
            .stderr
            .starts_with(expected)
    );
    let variable = place
        .command(&["status"])
        .env("LEADSMAN_STATE", "there")
        .output()
        .unwrap();
    assert!(place.told(variable).stderr.starts_with(expected));
}

#[test]
fn colour_is_used_only_where_it_is_wanted() {
    let place = Place::new();
    for (arguments, no_color, expected) in [
        (&["status"][..], false, false),
        (&["status", "--color", "always"], false, true),
        (&["status", "--color=never"], false, false),
        (&["status"], true, false),
    ] {
        let mut command = place.command(arguments);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let stderr = command.output().unwrap().stderr;
        assert_eq!(stderr.contains(&0x1b), expected, "{arguments:?}");
    }
}

#[test]
fn a_reader_that_went_away_ends_the_program_in_silence() {
    use std::process::Stdio;
    let place = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut schema = place.command(&["schema"]);
    let output = schema
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ran = place.told(output.wait_with_output().unwrap());
    assert_eq!(ran.whole(), "status 0\n");
}
