//! The reference of the command line is what the program says about itself.

use std::path::Path;

use expect_test::expect_file;

use crate::program::Place;

/// Returns the names of the subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = lines.take_while(|line| !line.is_empty());
    // A description that takes several lines is indented further.
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

/// Appends the help of a subcommand, and of those below it.
fn describe(place: &Place, path: &[&str], depth: usize, reference: &mut String) {
    let mut arguments = path.to_vec();
    arguments.push("--help");
    let help = place.run(&arguments).stdout;
    // The options that every subcommand has are told once.
    let own = match help.split_once("\nGlobal options:\n") {
        Some((own, _)) if depth > 1 => own.trim_end(),
        _ => help.trim_end(),
    };
    let lines: Vec<&str> = own.lines().map(str::trim_end).collect();
    let heading = "#".repeat(depth.min(3));
    let name = ["leadsman"]
        .iter()
        .chain(path)
        .copied()
        .collect::<Vec<_>>()
        .join(" ");
    reference.push_str(&format!(
        "{heading} {name}\n\n```text\n{}\n```\n\n",
        lines.join("\n")
    ));
    for subcommand in subcommands(&help) {
        let mut path = path.to_vec();
        path.push(&subcommand);
        describe(place, &path, depth + 1, reference);
    }
}

#[test]
fn the_reference_is_up_to_date() {
    let place = Place::new();
    let mut reference = String::new();
    describe(&place, &[], 1, &mut reference);
    let mut reference = format!("{}\n", reference.trim_end());
    reference.insert_str(
        "# leadsman\n".len(),
        "\nWhat the program says about itself with `--help`.\n\
         This page is made by the tests of the crate `leadsman`.\n",
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    expect_file![path].assert_eq(&reference);
}
