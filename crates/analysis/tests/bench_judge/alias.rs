use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use crate::judge::alias::Alias;

#[test]
fn each_outcome_is_drawn_as_often_as_it_should_be() {
    let mut rng = SmallRng::seed_from_u64(1);
    for chances in [
        vec![1.0],
        vec![0.5, 0.5],
        vec![0.001, 0.009, 0.09, 0.9],
        vec![0.2, 0.05, 0.3, 0.05, 0.4],
    ] {
        let alias = Alias::new(&chances);
        let draws = 1_000_000.0;
        let mut found = vec![0.0; chances.len()];
        for _ in 0..1_000_000 {
            found[alias.draw(&mut rng)] += 1.0;
        }
        for (found, chance) in found.iter().zip(&chances) {
            let mean = draws * chance;
            let deviation = (mean * (1.0 - chance)).sqrt();
            assert!(
                (found - mean).abs() <= 6.0 * deviation,
                "{chances:?}: {found}"
            );
        }
    }
}
