use leadsman_analysis::Risk;

use crate::judge::rules::ours::TWO_TIERS;

#[test]
fn its_chances_are_those_of_a_service_without_settings_of_its_own() {
    let Risk {
        steps, tolerated, ..
    } = Risk::default();
    assert!((TWO_TIERS.at_all - steps).abs() < 1e-12);
    assert!((TWO_TIERS.beyond - tolerated).abs() < 1e-12);
}
