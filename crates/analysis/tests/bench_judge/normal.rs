use crate::judge::normal::above;

#[test]
fn tails_are_those_of_the_tables() {
    for (z, tail) in [
        (-1.0, 0.841_344_746_068_543),
        (0.0, 0.5),
        (1.0, 0.158_655_253_931_457),
        (1.644_853_626_951_472_2, 0.05),
        (2.326_347_874_040_841, 0.01),
        (4.0, 3.167_124_183_311_99e-5),
    ] {
        assert!((above(z) - tail).abs() < 1e-9, "{z}: {}", above(z));
    }
}
