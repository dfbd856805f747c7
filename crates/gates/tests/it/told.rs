//! Says in lines what a report says, so that goldens can be read.

use leadsman_gates::{Count, Says, Severity};

fn line(told: &mut String, line: String) {
    told.push_str(&line);
    told.push('\n');
}

pub(crate) fn told(says: &Says) -> String {
    let mut told = String::new();
    if let Some(tests) = &says.tests {
        let (passed, failed, errors) = (tests.passed, tests.failed, tests.errors);
        let (skipped, flaky) = (tests.skipped, tests.flaky);
        line(
            &mut told,
            format!(
                "tests: {passed} passed, {failed} failed, {errors} errors, {skipped} skipped, {flaky} flaky"
            ),
        );
        for failure in &tests.failures {
            line(
                &mut told,
                format!("  {}: {}", failure.name, failure.message),
            );
        }
    }
    if let Some(coverage) = says.coverage {
        let count = |count: Count| format!("{} of {}", count.covered, count.total);
        let branches = coverage.branches.map_or("-".to_owned(), count);
        line(
            &mut told,
            format!(
                "coverage: lines {}, branches {branches}",
                count(coverage.lines)
            ),
        );
    }
    if let Some(findings) = &says.findings {
        let counts = Severity::ALL.map(|s| format!("{} {}", findings.count(s), s.as_str()));
        line(&mut told, format!("findings: {}", counts.join(", ")));
        for f in &findings.list {
            let names = [std::slice::from_ref(&f.id), f.aliases.as_slice()]
                .concat()
                .join(" = ");
            let severity = f.severity.as_str();
            line(
                &mut told,
                format!(
                    "  {severity} {}: {names} in {}: {}",
                    f.tool, f.place, f.title
                ),
            );
        }
        if findings.suppressed > 0 {
            line(&mut told, format!("  suppressed: {}", findings.suppressed));
        }
        if let Some(why) = &findings.incomplete {
            line(&mut told, format!("  incomplete: {why}"));
        }
    }
    if let Some(components) = &says.components {
        line(&mut told, format!("components: {}", components.total));
        for (licence, under) in &components.licences {
            line(
                &mut told,
                format!("  {licence:?}: {} {}", under.total, under.names.join(" ")),
            );
        }
    }
    if let Some(load) = &says.load {
        line(
            &mut told,
            format!(
                "load: {}",
                serde_json::to_string(load).expect("figures can be written")
            ),
        );
    }
    for (name, number) in &says.numbers {
        line(&mut told, format!("{name} = {number}"));
    }
    told
}
