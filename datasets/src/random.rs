//! A small reproducible generator: SplitMix64 (Steele, Lea and Flood 2014). Not for secrets.

/// A stream of numbers that follows from its seeds alone.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of one thing (`index`) of one kind (`domain`) under a seed; streams of different things are unrelated.
    pub(crate) fn new(seed: u64, domain: &str, index: u64) -> Self {
        let domain = domain
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        Self(mix(mix(mix(seed) ^ domain) ^ index))
    }

    /// A stream of its own, that begins where this one stands.
    pub(crate) fn fork(&mut self) -> Self {
        Self(mix(self.next_u64() ^ 0x666F_726B))
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [0, bound); the bias of the multiplication is below 2⁻³² for the small bounds used here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform in [low, high].
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(u64::from(high - low) + 1) as u32
    }

    /// Exponentially distributed with this rate; infinite when the rate is 0.
    pub(crate) fn exponential(&mut self, rate: f64) -> f64 {
        let unit = 1.0 - self.unit();
        if rate > 0.0 { -unit.ln() / rate } else { f64::INFINITY }
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Draws indices in proportion to weights.
#[derive(Debug, Clone)]
pub(crate) struct Weighted(Vec<f64>);

impl Weighted {
    pub(crate) fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        Self(
            weights
                .into_iter()
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        )
    }

    pub(crate) fn total(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }

    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let point = random.unit() * self.total();
        self.0.partition_point(|&sum| sum <= point).min(self.0.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_reproducible_and_differ_by_seed_domain_and_index() {
        let first = |seed, domain, index| Random::new(seed, domain, index).next_u64();
        assert_eq!(first(1, "a", 2), first(1, "a", 2));
        let different = [first(1, "a", 2), first(2, "a", 2), first(1, "b", 2), first(1, "a", 3)];
        assert!((0..4).all(|i| (0..i).all(|j| different[i] != different[j])));
    }

    #[test]
    fn weights_are_met() {
        let weighted = Weighted::new([1.0, 0.0, 3.0]);
        let mut random = Random::new(1, "weights", 0);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[weighted.draw(&mut random)] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2300..2700).contains(&counts[0]), "{counts:?}");
    }
}
