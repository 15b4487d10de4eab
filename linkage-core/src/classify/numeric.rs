//! Small numerical methods: symmetric equations, and sequences that must not fall.

/// The lower triangle whose product with its transpose a symmetric positive definite matrix is (Cholesky).
pub(super) struct Triangle<const N: usize>([[f64; N]; N]);

impl<const N: usize> Triangle<N> {
    /// Of a matrix, of which the lower triangle is looked at; none if it is not positive definite.
    pub(super) fn of(matrix: &[[f64; N]; N]) -> Option<Self> {
        let mut lower = [[0.0; N]; N];
        for i in 0..N {
            for j in 0..=i {
                let rest = matrix[i][j] - (0..j).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
                if i == j && rest <= 0.0 {
                    return None;
                }
                lower[i][j] = if i == j { rest.sqrt() } else { rest / lower[j][j] };
            }
        }
        Some(Self(lower))
    }

    /// What the matrix multiplied by gives this.
    pub(super) fn solve(&self, mut of: [f64; N]) -> [f64; N] {
        let lower = &self.0;
        for i in 0..N {
            of[i] = (of[i] - (0..i).map(|k| lower[i][k] * of[k]).sum::<f64>()) / lower[i][i];
        }
        for i in (0..N).rev() {
            of[i] = (of[i] - (i + 1..N).map(|k| lower[k][i] * of[k]).sum::<f64>()) / lower[i][i];
        }
        of
    }

    /// The natural logarithm of the matrix's determinant.
    pub(super) fn log_determinant(&self) -> f64 {
        (0..N).map(|at| 2.0 * self.0[at][at].ln()).sum()
    }
}

/// The ratios of two sequences, made to rise by pooling neighbours that do not (pool adjacent violators). The second
/// sequence is positive, and says what each of the first counts for.
pub(super) fn rising(of: &[f64], over: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (&m, &u) in of.iter().zip(over) {
        pools.push((m, u, 1));
        while let [.., (m1, u1, n1), (m2, u2, n2)] = pools[..]
            && m1 * u2 > m2 * u1
        {
            pools.truncate(pools.len() - 2);
            pools.push((m1 + m2, u1 + u2, n1 + n2));
        }
    }
    pools.iter().flat_map(|&(m, u, count)| std::iter::repeat_n(m / u, count)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_solution_multiplied_by_the_matrix_gives_what_was_asked(
            entries in prop::array::uniform16(-3.0_f64..3.0),
            asked in prop::array::uniform4(-5.0_f64..5.0),
        ) {
            // Any matrix times its transpose, and a little on the diagonal, is positive definite.
            let matrix: [[f64; 4]; 4] = std::array::from_fn(|i| std::array::from_fn(|j| {
                let product: f64 = (0..4).map(|k| entries[4 * i + k] * entries[4 * j + k]).sum();
                product + if i == j { 0.1 } else { 0.0 }
            }));
            let solution = Triangle::of(&matrix).unwrap().solve(asked);
            for (row, asked) in matrix.iter().zip(asked) {
                let product: f64 = row.iter().zip(solution).map(|(a, b)| a * b).sum();
                prop_assert!((product - asked).abs() < 1e-6);
            }
        }

        #[test]
        fn rising_ratios_never_fall_and_keep_their_mean(
            pairs in prop::collection::vec((-9.0_f64..9.0, 0.1_f64..9.0), 1..20),
        ) {
            let (of, over): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let ratios = rising(&of, &over);
            prop_assert!(ratios.is_sorted());
            let kept: f64 = ratios.iter().zip(&over).map(|(ratio, over)| ratio * over).sum();
            prop_assert!((kept - of.iter().sum::<f64>()).abs() < 1e-9);
        }
    }

    #[test]
    fn a_determinant_is_that_of_the_matrix_and_a_matrix_without_inverse_has_no_triangle() {
        let triangle = Triangle::of(&[[4.0, 0.0], [2.0, 3.0]]).unwrap();
        assert!((triangle.log_determinant() - 8.0_f64.ln()).abs() < 1e-12);
        assert!(Triangle::of(&[[1.0, 0.0], [1.0, 1.0]]).is_none());
    }
}
