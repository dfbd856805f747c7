//! What reports of real tools say, and what becomes of broken and hostile ones.

mod gates;
mod hostile;
mod kept;
mod reports;
mod rules;
mod told;

use std::fs;
use std::path::Path;

use leadsman_gates::ReportKind;

/// Every fixture, with what it is. `tests/fixtures/README.md` says which tool wrote it.
const FIXTURES: &[(&str, ReportKind)] = &[
    ("pytest.xml", ReportKind::Junit),
    ("nextest.xml", ReportKind::Junit),
    ("jest-junit.xml", ReportKind::Junit),
    ("surefire.xml", ReportKind::Junit),
    ("gradle.xml", ReportKind::Junit),
    ("go-junit-report.xml", ReportKind::Junit),
    ("coverage-py.lcov", ReportKind::Lcov),
    ("jest.lcov", ReportKind::Lcov),
    ("coverage-py.xml", ReportKind::Cobertura),
    ("jest-cobertura.xml", ReportKind::Cobertura),
    ("eslint.sarif", ReportKind::Sarif),
    ("bandit.sarif", ReportKind::Sarif),
    ("trivy.json", ReportKind::Trivy),
    ("grype.json", ReportKind::Grype),
    ("cyclonedx-py.json", ReportKind::Cyclonedx),
    ("bom-1.6.json", ReportKind::Cyclonedx),
    ("k6-export.json", ReportKind::K6),
    ("k6-summary.json", ReportKind::K6),
    ("load.json", ReportKind::Load),
    ("numbers.json", ReportKind::Numbers),
];

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::read(folder.join(name)).expect("a fixture is there")
}
