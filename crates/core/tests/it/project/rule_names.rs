//! The guide lists everything that a rule can speak of.

use expect_test::expect_file;
use leadsman_gates::rule_names;

#[test]
fn the_guide_lists_every_name_of_rules() {
    let page = include_str!("../../../../../docs/guide/gates.md");
    let head = "| name | type | meaning |\n|---|---|---|\n";
    let (before, behind) = page.split_once(head).expect("the table is there");
    let (_, behind) = behind
        .split_once("\n\n")
        .map_or(("", behind), |parts| parts);
    let behind = behind.strip_prefix('\n').unwrap_or(behind);
    let rows = rule_names().into_iter();
    let rows = rows.map(|(name, of, what)| format!("| `{name}` | {of} | {what} |\n"));
    let rows: String = rows.collect();
    expect_file!["../../../../../docs/guide/gates.md"]
        .assert_eq(&format!("{before}{head}{rows}\n{behind}"));
}
