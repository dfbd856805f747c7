use crate::judge::rules::mann_whitney::{Shift, shift, ties};

fn close(found: f64, wanted: f64) -> bool {
    (found - wanted).abs() < 1e-9
}

#[test]
fn the_estimate_is_the_median_difference() {
    for (high, low, estimate) in [
        (vec![5.0], vec![3.0], 2.0),
        (vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 3.0], 0.0),
        // Differences 9, 8, 6, 19, 18, 16.
        (vec![10.0, 20.0], vec![1.0, 2.0, 4.0], 12.5),
    ] {
        let found = shift(&high, &low).estimate;
        assert!(close(found, estimate), "{high:?} {low:?}: {found}");
    }
}

#[test]
fn the_lower_end_is_the_difference_that_enough_others_exceed() {
    // Five values each, all different: the deviation of the number of larger differences is
    // sqrt(25 / 12 * 11) = 4.787, so 12.5 + 0.5 + 2.326 * 4.787 = 24.14 must be larger: all 25.
    let high = [101.0, 102.0, 103.0, 104.0, 105.0];
    let low = [1.1, 2.2, 3.3, 4.4, 5.5];
    assert!(close(shift(&high, &low).lower, 101.0 - 5.5));

    // Six each: sqrt(36 / 12 * 13) = 6.245, 18 + 0.5 + 14.53 = 33.03: the third smallest of
    // 36. The smallest are 101 - 6.6, 102 - 6.6 and 101 - 5.5.
    let high = [101.0, 102.0, 103.0, 104.0, 105.0, 106.0];
    let low = [1.1, 2.2, 3.3, 4.4, 5.5, 6.6];
    let Shift { lower, .. } = shift(&high, &low);
    assert!(close(lower, 101.0 - 5.5));
}

#[test]
fn too_few_values_have_the_smallest_difference_as_lower_end() {
    // Two each: 2 + 0.5 + 2.326 * 1.29 = 5.5 of 4 differences.
    assert!(close(shift(&[10.0, 20.0], &[1.0, 2.0]).lower, 8.0));
}

#[test]
fn ties_narrow_the_interval() {
    assert!(close(ties(&[1.0, 2.0, 3.0]), 0.0));
    assert!(close(ties(&[1.0, 2.0, 1.0, 2.0, 1.0]), 24.0 + 6.0));
    // Five each, the low ones all zero: sqrt(25 / 12 * (11 - 120 / 90)) = 4.488, and 23.44
    // differences must be larger: the second smallest of 25.
    let high = [1.0, 2.0, 3.0, 4.0, 5.0];
    assert!(close(shift(&high, &[0.0; 5]).lower, 1.0));
    // One larger value leaves its five differences at the low end.
    let Shift { lower, .. } = shift(&high, &[0.0, 0.0, 0.0, 0.0, 9.0]);
    assert!(close(lower, -7.0));
}
