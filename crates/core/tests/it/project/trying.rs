//! Which jobs must have tried a release before it enters.
#![expect(clippy::unwrap_used, reason = "what cannot be had here fails the test")]

use leadsman_core::pipeline::Step;
use leadsman_core::project::Project;

fn project(gates: &str, production: &str) -> Result<Project, String> {
    let text = format!(
        "application: shop\nservices: {{ web: {{ run: x }} }}\npipeline:\n  jobs:\n    \
         unit: {{ run: a }}\n    smoke: {{ run: a, after: staging, matrix: {{ A: [x, y] }} }}\n    \
         load: {{ load: {{ url: /, rate: 5 }}, after: staging }}\n    \
         later: {{ run: a, after: production }}\n{gates}\
         environments:\n  staging: {{ listen: \"127.0.0.1:1\" }}\n  production: {production}\n"
    );
    Project::parse(&text, "leadsman.yaml").map_err(|problems| problems.to_string())
}

fn jobs(project: &Project, environment: &str) -> Vec<String> {
    let spec = project.resolve(&environment.parse().unwrap()).unwrap();
    spec.entry.gates.jobs.iter().cloned().collect()
}

#[test]
fn an_environment_waits_for_the_jobs_after_the_one_that_it_comes_after() {
    let all = ["load", "smoke.x", "smoke.y"];
    let smoke = ["smoke.x", "smoke.y"];
    for (gates, production, expected) in [
        ("", "{ entry: { after: staging } }", &all[..]),
        ("", "{}", &[]),
        ("", "{ gates: { jobs: [smoke] } }", &smoke),
        (
            "",
            "{ entry: { after: staging }, gates: { jobs: [smoke] } }",
            &smoke,
        ),
        (
            "",
            "{ entry: { after: staging }, gates: { jobs: [] } }",
            &[],
        ),
        (
            "",
            "{ entry: { after: staging }, gates: { jobs: null } }",
            &[],
        ),
        (
            "",
            "{ entry: { after: staging }, gates: { tests: pass } }",
            &all,
        ),
        (
            "gates: { jobs: [load] }\n",
            "{ entry: { after: staging } }",
            &["load"],
        ),
    ] {
        let project = project(gates, production).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(
            jobs(&project, "production"),
            expected,
            "{gates}{production}"
        );
        if gates.is_empty() {
            assert!(jobs(&project, "staging").is_empty());
        }
    }
}

#[test]
fn a_job_that_tries_nothing_is_no_gate() {
    for (jobs, said) in [
        (
            "[unit]",
            "job `unit` does not try the release where it serves",
        ),
        ("[smok]", "there is no job `smok`"),
    ] {
        let production = format!("{{ gates: {{ jobs: {jobs} }} }}");
        let problems = project("", &production).unwrap_err();
        assert!(problems.contains(said), "{problems}");
    }
}

#[test]
fn a_load_is_made_somewhere() {
    let of = |keys: &str| {
        let text = format!(
            "application: shop\nservices: {{ web: {{ run: x }} }}\npipeline: {{ jobs: {{ load: {{ {keys} }} }} }}\n"
        );
        Project::parse(&text, "leadsman.yaml").map_err(|problems| problems.to_string())
    };
    let problems = of("load: { url: /, rate: 5 }").unwrap_err();
    assert!(
        problems.contains("the load of job `load` names no server"),
        "{problems}"
    );
    let problems = of("load: { url: /, rate: 5 }, run: a").unwrap_err();
    assert!(problems.contains("exclude each other"), "{problems}");
    let project = of("load: { url: \"http://127.0.0.1:5/cart\", rate: 5 }").unwrap();
    let job = project.pipeline().unwrap().jobs.values().next().unwrap();
    let [Step::Load(load)] = &job.steps[..] else {
        panic!("{:?}", job.steps);
    };
    assert_eq!(load.server.as_deref(), Some("http://127.0.0.1:5"));
    let [report] = &job.reports[..] else {
        panic!("{:?}", job.reports);
    };
    assert_eq!(report.path, "leadsman-load.json");
}
