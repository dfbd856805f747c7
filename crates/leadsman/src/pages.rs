//! The page of every code, part of the program so that it can be read where there is no network.

/// Every page, by its code, in order.
pub(crate) const PAGES: &[(&str, &str)] = &[
    ("L001", include_str!("../../../docs/errors/L001.md")),
    ("L002", include_str!("../../../docs/errors/L002.md")),
    ("L003", include_str!("../../../docs/errors/L003.md")),
    ("L004", include_str!("../../../docs/errors/L004.md")),
    ("L005", include_str!("../../../docs/errors/L005.md")),
    ("L006", include_str!("../../../docs/errors/L006.md")),
    ("L007", include_str!("../../../docs/errors/L007.md")),
    ("L010", include_str!("../../../docs/errors/L010.md")),
    ("L011", include_str!("../../../docs/errors/L011.md")),
    ("L012", include_str!("../../../docs/errors/L012.md")),
    ("L013", include_str!("../../../docs/errors/L013.md")),
    ("L014", include_str!("../../../docs/errors/L014.md")),
    ("L015", include_str!("../../../docs/errors/L015.md")),
    ("L016", include_str!("../../../docs/errors/L016.md")),
    ("L020", include_str!("../../../docs/errors/L020.md")),
    ("L021", include_str!("../../../docs/errors/L021.md")),
    ("L022", include_str!("../../../docs/errors/L022.md")),
    ("L030", include_str!("../../../docs/errors/L030.md")),
    ("L031", include_str!("../../../docs/errors/L031.md")),
    ("L032", include_str!("../../../docs/errors/L032.md")),
    ("L033", include_str!("../../../docs/errors/L033.md")),
    ("L034", include_str!("../../../docs/errors/L034.md")),
    ("L035", include_str!("../../../docs/errors/L035.md")),
    ("L040", include_str!("../../../docs/errors/L040.md")),
    ("L041", include_str!("../../../docs/errors/L041.md")),
    ("L042", include_str!("../../../docs/errors/L042.md")),
    ("L043", include_str!("../../../docs/errors/L043.md")),
    ("L044", include_str!("../../../docs/errors/L044.md")),
    ("L045", include_str!("../../../docs/errors/L045.md")),
    ("L046", include_str!("../../../docs/errors/L046.md")),
    ("L050", include_str!("../../../docs/errors/L050.md")),
    ("L060", include_str!("../../../docs/errors/L060.md")),
    ("L061", include_str!("../../../docs/errors/L061.md")),
    ("L062", include_str!("../../../docs/errors/L062.md")),
    ("L063", include_str!("../../../docs/errors/L063.md")),
    ("L070", include_str!("../../../docs/errors/L070.md")),
    ("L071", include_str!("../../../docs/errors/L071.md")),
    ("L072", include_str!("../../../docs/errors/L072.md")),
    ("L073", include_str!("../../../docs/errors/L073.md")),
    ("L080", include_str!("../../../docs/errors/L080.md")),
    ("L081", include_str!("../../../docs/errors/L081.md")),
    ("L082", include_str!("../../../docs/errors/L082.md")),
    ("L083", include_str!("../../../docs/errors/L083.md")),
    ("L084", include_str!("../../../docs/errors/L084.md")),
    ("L085", include_str!("../../../docs/errors/L085.md")),
    ("L086", include_str!("../../../docs/errors/L086.md")),
    ("L087", include_str!("../../../docs/errors/L087.md")),
    ("L088", include_str!("../../../docs/errors/L088.md")),
    ("L089", include_str!("../../../docs/errors/L089.md")),
    ("L090", include_str!("../../../docs/errors/L090.md")),
    ("L100", include_str!("../../../docs/errors/L100.md")),
    ("L101", include_str!("../../../docs/errors/L101.md")),
    ("L102", include_str!("../../../docs/errors/L102.md")),
    ("L103", include_str!("../../../docs/errors/L103.md")),
    ("L104", include_str!("../../../docs/errors/L104.md")),
    ("L105", include_str!("../../../docs/errors/L105.md")),
    ("L106", include_str!("../../../docs/errors/L106.md")),
    ("L107", include_str!("../../../docs/errors/L107.md")),
    ("L108", include_str!("../../../docs/errors/L108.md")),
    ("L109", include_str!("../../../docs/errors/L109.md")),
    ("L110", include_str!("../../../docs/errors/L110.md")),
    ("L111", include_str!("../../../docs/errors/L111.md")),
    ("L112", include_str!("../../../docs/errors/L112.md")),
    ("L113", include_str!("../../../docs/errors/L113.md")),
    ("L114", include_str!("../../../docs/errors/L114.md")),
    ("L120", include_str!("../../../docs/errors/L120.md")),
    ("L121", include_str!("../../../docs/errors/L121.md")),
    ("L122", include_str!("../../../docs/errors/L122.md")),
    ("L123", include_str!("../../../docs/errors/L123.md")),
    ("L124", include_str!("../../../docs/errors/L124.md")),
    ("L130", include_str!("../../../docs/errors/L130.md")),
    ("L131", include_str!("../../../docs/errors/L131.md")),
    ("L132", include_str!("../../../docs/errors/L132.md")),
    ("L133", include_str!("../../../docs/errors/L133.md")),
    ("L134", include_str!("../../../docs/errors/L134.md")),
    ("L135", include_str!("../../../docs/errors/L135.md")),
    ("L140", include_str!("../../../docs/errors/L140.md")),
    ("L141", include_str!("../../../docs/errors/L141.md")),
    ("L142", include_str!("../../../docs/errors/L142.md")),
    ("L143", include_str!("../../../docs/errors/L143.md")),
    ("L150", include_str!("../../../docs/errors/L150.md")),
    ("L151", include_str!("../../../docs/errors/L151.md")),
    ("P001", include_str!("../../../docs/errors/P001.md")),
    ("P002", include_str!("../../../docs/errors/P002.md")),
    ("P003", include_str!("../../../docs/errors/P003.md")),
    ("P004", include_str!("../../../docs/errors/P004.md")),
    ("P005", include_str!("../../../docs/errors/P005.md")),
    ("P006", include_str!("../../../docs/errors/P006.md")),
    ("P007", include_str!("../../../docs/errors/P007.md")),
    ("P008", include_str!("../../../docs/errors/P008.md")),
    ("P009", include_str!("../../../docs/errors/P009.md")),
    ("P010", include_str!("../../../docs/errors/P010.md")),
    ("P011", include_str!("../../../docs/errors/P011.md")),
    ("P012", include_str!("../../../docs/errors/P012.md")),
    ("P013", include_str!("../../../docs/errors/P013.md")),
    ("P014", include_str!("../../../docs/errors/P014.md")),
    ("P015", include_str!("../../../docs/errors/P015.md")),
    ("P016", include_str!("../../../docs/errors/P016.md")),
    ("P017", include_str!("../../../docs/errors/P017.md")),
    ("P018", include_str!("../../../docs/errors/P018.md")),
    ("P019", include_str!("../../../docs/errors/P019.md")),
    ("P020", include_str!("../../../docs/errors/P020.md")),
    ("P021", include_str!("../../../docs/errors/P021.md")),
    ("P022", include_str!("../../../docs/errors/P022.md")),
    ("P023", include_str!("../../../docs/errors/P023.md")),
    ("P024", include_str!("../../../docs/errors/P024.md")),
    ("P025", include_str!("../../../docs/errors/P025.md")),
    ("P026", include_str!("../../../docs/errors/P026.md")),
    ("P027", include_str!("../../../docs/errors/P027.md")),
    ("P028", include_str!("../../../docs/errors/P028.md")),
    ("P029", include_str!("../../../docs/errors/P029.md")),
    ("P030", include_str!("../../../docs/errors/P030.md")),
    ("P031", include_str!("../../../docs/errors/P031.md")),
    ("P032", include_str!("../../../docs/errors/P032.md")),
    ("P033", include_str!("../../../docs/errors/P033.md")),
    ("P034", include_str!("../../../docs/errors/P034.md")),
    ("P035", include_str!("../../../docs/errors/P035.md")),
    ("P036", include_str!("../../../docs/errors/P036.md")),
    ("P037", include_str!("../../../docs/errors/P037.md")),
    ("P038", include_str!("../../../docs/errors/P038.md")),
    ("P039", include_str!("../../../docs/errors/P039.md")),
    ("P040", include_str!("../../../docs/errors/P040.md")),
    ("P041", include_str!("../../../docs/errors/P041.md")),
    ("P042", include_str!("../../../docs/errors/P042.md")),
    ("P043", include_str!("../../../docs/errors/P043.md")),
    ("P044", include_str!("../../../docs/errors/P044.md")),
    ("P045", include_str!("../../../docs/errors/P045.md")),
    ("P046", include_str!("../../../docs/errors/P046.md")),
    ("P047", include_str!("../../../docs/errors/P047.md")),
    ("P048", include_str!("../../../docs/errors/P048.md")),
    ("P049", include_str!("../../../docs/errors/P049.md")),
    ("P050", include_str!("../../../docs/errors/P050.md")),
    ("R001", include_str!("../../../docs/errors/R001.md")),
    ("R002", include_str!("../../../docs/errors/R002.md")),
    ("R003", include_str!("../../../docs/errors/R003.md")),
    ("R004", include_str!("../../../docs/errors/R004.md")),
    ("R005", include_str!("../../../docs/errors/R005.md")),
    ("R006", include_str!("../../../docs/errors/R006.md")),
    ("R007", include_str!("../../../docs/errors/R007.md")),
    ("R008", include_str!("../../../docs/errors/R008.md")),
    ("R009", include_str!("../../../docs/errors/R009.md")),
    ("R010", include_str!("../../../docs/errors/R010.md")),
    ("R011", include_str!("../../../docs/errors/R011.md")),
    ("R012", include_str!("../../../docs/errors/R012.md")),
    ("R013", include_str!("../../../docs/errors/R013.md")),
    ("R014", include_str!("../../../docs/errors/R014.md")),
    ("R015", include_str!("../../../docs/errors/R015.md")),
    ("R016", include_str!("../../../docs/errors/R016.md")),
    ("R017", include_str!("../../../docs/errors/R017.md")),
    ("R018", include_str!("../../../docs/errors/R018.md")),
    ("R019", include_str!("../../../docs/errors/R019.md")),
    ("R020", include_str!("../../../docs/errors/R020.md")),
    ("R021", include_str!("../../../docs/errors/R021.md")),
    ("R022", include_str!("../../../docs/errors/R022.md")),
    ("R023", include_str!("../../../docs/errors/R023.md")),
    ("R024", include_str!("../../../docs/errors/R024.md")),
    ("R025", include_str!("../../../docs/errors/R025.md")),
    ("R026", include_str!("../../../docs/errors/R026.md")),
    ("R027", include_str!("../../../docs/errors/R027.md")),
    ("R028", include_str!("../../../docs/errors/R028.md")),
    ("R029", include_str!("../../../docs/errors/R029.md")),
    ("R030", include_str!("../../../docs/errors/R030.md")),
    ("R031", include_str!("../../../docs/errors/R031.md")),
    ("R032", include_str!("../../../docs/errors/R032.md")),
    ("R033", include_str!("../../../docs/errors/R033.md")),
    ("R034", include_str!("../../../docs/errors/R034.md")),
    ("R035", include_str!("../../../docs/errors/R035.md")),
    ("R036", include_str!("../../../docs/errors/R036.md")),
    ("R037", include_str!("../../../docs/errors/R037.md")),
    ("R040", include_str!("../../../docs/errors/R040.md")),
    ("R041", include_str!("../../../docs/errors/R041.md")),
    ("R042", include_str!("../../../docs/errors/R042.md")),
    ("R043", include_str!("../../../docs/errors/R043.md")),
    ("R044", include_str!("../../../docs/errors/R044.md")),
    ("R101", include_str!("../../../docs/errors/R101.md")),
    ("R102", include_str!("../../../docs/errors/R102.md")),
    ("R103", include_str!("../../../docs/errors/R103.md")),
    ("R104", include_str!("../../../docs/errors/R104.md")),
    ("R105", include_str!("../../../docs/errors/R105.md")),
    ("R106", include_str!("../../../docs/errors/R106.md")),
    ("R107", include_str!("../../../docs/errors/R107.md")),
    ("R108", include_str!("../../../docs/errors/R108.md")),
    ("R109", include_str!("../../../docs/errors/R109.md")),
    ("R110", include_str!("../../../docs/errors/R110.md")),
    ("R111", include_str!("../../../docs/errors/R111.md")),
    ("R112", include_str!("../../../docs/errors/R112.md")),
    ("R201", include_str!("../../../docs/errors/R201.md")),
    ("R202", include_str!("../../../docs/errors/R202.md")),
    ("R203", include_str!("../../../docs/errors/R203.md")),
    ("R204", include_str!("../../../docs/errors/R204.md")),
];

/// Returns the page of `code`, in either case.
pub(crate) fn find(code: &str) -> Option<(&'static str, &'static str)> {
    PAGES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(code))
        .copied()
}

/// Returns the title of a page without its code.
pub(crate) fn title(page: &'static str) -> &'static str {
    let first = page.lines().next().unwrap_or_default();
    first.split_once(": ").map_or(first, |(_, title)| title)
}

#[cfg(test)]
mod tests {
    use leadsman_core::Refusal;
    use leadsman_core::project;

    use super::*;
    use crate::codes::Code;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");

    #[test]
    fn every_code_has_a_page() {
        let codes = Code::ALL.iter().map(|code| code.as_str().to_owned());
        let problems = project::CODES.iter().map(|code| code.code.to_owned());
        let answers = leadsman_server::CODES.iter().map(|code| (*code).to_owned());
        let refusals = Refusal::codes().chain(leadsman_core::people::Refusal::codes());
        for code in codes.chain(problems).chain(answers).chain(refusals) {
            assert!(
                find(&code).is_some(),
                "docs/errors/{code}.md is missing in the table"
            );
        }
    }

    #[test]
    fn every_page_is_part_of_the_program_and_begins_with_its_code() {
        for entry in std::fs::read_dir(FOLDER).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let code = name.strip_suffix(".md").unwrap();
            let (_, page) = find(code).unwrap_or_else(|| panic!("{name} is not in the table"));
            assert!(page.starts_with(&format!("# {code}: ")), "{name}");
        }
        assert!(PAGES.is_sorted(), "the table is in the order of the codes");
    }
}
