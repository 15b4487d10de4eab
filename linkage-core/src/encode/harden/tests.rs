//! The steps of hardening against bit-by-bit readings of the specification, and what the arithmetic predicts of them.

use super::*;
use crate::dice;
use crate::encode::Encoder;
use crate::schema::HashingProfile;

/// A stream of pseudorandom words.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 ^ self.0 >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.0 >> 17
    }

    /// Words with about this share of their bits set.
    fn words(&mut self, count: usize, density: f64) -> Vec<u64> {
        let bit = |random: &mut Self| u64::from((random.next() >> 40) as f64 / (1u64 << 24) as f64 <= density);
        (0..count).map(|_| (0..64).fold(0, |word, at| word | bit(self) << at)).collect()
    }
}

fn bits(words: &[u64]) -> Vec<bool> {
    words.iter().flat_map(|word| (0..64).map(move |bit| word >> bit & 1 == 1)).collect()
}

fn hash(seed: u8) -> KeyedHash {
    KeyedHash::new(HashingProfile::Blake3, &[seed; 32])
}

fn schema(hardening: &str) -> LinkageSchema {
    LinkageSchema::parse(
        format!(
            r#"{{"format": "linkage-schema/1", "name": "hard", "normalisation": "ja/1", "threshold": "0.8",
            "fields": [{{"name": "a", "kind": "kana", "encode": {{"bits": 200}}}},
                       {{"name": "b", "kind": "date", "encode": {{"bits": 200}}}}], "hardening": [{hardening}]}}"#
        )
        .as_bytes(),
    )
    .unwrap()
}

#[test]
fn folding_and_rule_90_are_what_their_definitions_say_bit_by_bit() {
    let mut random = Random(1);
    for words in [1, 2, 3, 16] {
        let filter = random.words(words * 2, 0.3);
        let old = bits(&filter);
        let l = old.len();
        let folded: Vec<bool> = (0..l / 2).map(|i| old[i] ^ old[i + l / 2]).collect();
        assert_eq!(bits(&linear::xor_fold(&filter)), folded);
        let ruled: Vec<bool> = (0..l).map(|i| old[(i + l - 1) % l] ^ old[(i + 1) % l]).collect();
        assert_eq!(bits(&linear::rule90(&filter)), ruled);
    }
}

#[test]
fn every_output_bit_of_diffusion_is_the_exclusive_or_of_its_own_inputs() {
    let (bits_in, inputs) = (192, 5);
    let diffusion = diffusion::Diffusion::new(&hash(1), bits_in, inputs);
    // The matrix, read off from filters with one bit.
    let mut entered = vec![0; bits_in];
    for input in 0..bits_in {
        let mut filter = vec![0; 3];
        filter[input / 64] = 1 << (input % 64);
        bits(&diffusion.apply(&filter)).iter().zip(&mut entered).for_each(|(bit, count)| *count += usize::from(*bit));
    }
    assert!(entered.iter().all(|count| *count == inputs), "no input bit enters an output bit twice");
    let mut random = Random(2);
    let (a, b) = (random.words(3, 0.3), random.words(3, 0.3));
    let sum: Vec<u64> = a.iter().zip(&b).map(|(a, b)| a ^ b).collect();
    let of_sum: Vec<u64> = diffusion.apply(&a).iter().zip(diffusion.apply(&b)).map(|(a, b)| a ^ b).collect();
    assert_eq!(diffusion.apply(&sum), of_sum, "linear");
    assert_ne!(diffusion::Diffusion::new(&hash(2), bits_in, inputs).apply(&a), diffusion.apply(&a), "keyed");
}

#[test]
fn balanced_filters_have_half_of_their_bits_and_keep_distances() {
    let balance = balance::Balance::new(&hash(3), 128);
    let mut random = Random(3);
    let (a, b) = (random.words(2, 0.3), random.words(2, 0.3));
    let ones = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum::<u32>();
    let distance = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
    let (hard_a, hard_b) = (balance.apply(&a), balance.apply(&b));
    assert_eq!((hard_a.len(), ones(&hard_a), ones(&hard_b)), (4, 128, 128));
    assert_eq!(distance(&hard_a, &hard_b), 2 * distance(&a, &b));
    assert_ne!(balance::Balance::new(&hash(4), 128).apply(&a), hard_a, "keyed");
}

#[test]
fn blip_flips_half_of_its_share_and_the_same_bits_every_time() {
    let mut random = Random(4);
    let (mut flipped, mut all) = (0, 0);
    let blip = blip::Blip::new(hash(5), 100_000);
    for _ in 0..100 {
        let filter = random.words(16, 0.4);
        let noisy = blip.apply(&filter);
        assert_eq!(noisy, blip.apply(&filter));
        flipped += filter.iter().zip(&noisy).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        all += 1024;
    }
    let share = f64::from(flipped) / f64::from(all);
    assert!((share - 0.05).abs() < 0.003, "{share}");
}

#[test]
fn densities_and_similarities_after_hardening_are_those_that_the_model_predicts() {
    let secret = LinkageSecret::from_bytes([8; 32]);
    for hardening in [
        r#"{"kind": "diffusion", "rho": "0.03"}"#,
        r#"{"kind": "diffusion", "rho": "0.3"}"#,
        r#"{"kind": "xor-fold"}"#,
        r#"{"kind": "rule90"}"#,
        r#"{"kind": "balance"}"#,
        r#"{"kind": "blip", "flip": "0.1"}"#,
        r#"{"kind": "rule90"}, {"kind": "diffusion", "rho": "0.2"}, {"kind": "balance"}, {"kind": "blip", "flip": "0.05"}"#,
    ] {
        let schema = schema(hardening);
        let hardener = Hardener::new(&schema, &secret).unwrap();
        let model = schema.hardening_model();
        assert!((model.density_before() - 0.3234).abs() < 1e-3);
        let mut random = Random(5);
        for moved in [0.05, 0.15, 0.3] {
            let (mut density, mut dice_before, mut dice_after, mut estimate) = (0.0, 0.0, 0.0, 0.0);
            let rounds = 200;
            for _ in 0..rounds {
                // A share of the places of one filter is drawn again in the other, so both have one density.
                let left = random.words(16, model.density_before());
                let (new, mask) = (random.words(16, model.density_before()), random.words(16, moved));
                let right: Vec<u64> =
                    left.iter().zip(&new).zip(&mask).map(|((old, new), mask)| old & !mask | new & mask).collect();
                let clk = |words: &[u64]| {
                    Clk::from_bytes(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>()).unwrap()
                };
                let counts = |a: &Clk, b: &Clk| {
                    let common = a.words().iter().zip(b.words()).map(|(a, b)| (a & b).count_ones()).sum();
                    (common, a.popcount(), b.popcount())
                };
                let (left, right) = (clk(&left), clk(&right));
                let (common, pl, pr) = counts(&left, &right);
                dice_before += dice::score(common, pl, pr) / f64::from(rounds);
                let (left, right) = (hardener.apply(&left), hardener.apply(&right));
                let (common, pl, pr) = counts(&left, &right);
                dice_after += dice::score(common, pl, pr) / f64::from(rounds);
                density += f64::from(pl) / left.length().bits() as f64 / f64::from(rounds);
                estimate += model.estimate_before(pl + pr - 2 * common, left.length().bits()) / f64::from(rounds);
            }
            assert!((density - model.density_after()).abs() < 0.005, "{hardening}: density {density}");
            let predicted = model.dice_after(dice_before);
            assert!((dice_after - predicted).abs() < 0.015, "{hardening}: {dice_after}, not {predicted}");
            // A root of a noisy number is biased, the more so the closer the number is to none.
            let tolerance = if moved < 0.3 { 0.03 } else { 0.2 };
            assert!((estimate - dice_before).abs() < tolerance, "{hardening}: {estimate}, not {dice_before}");
        }
    }
}

#[test]
fn records_without_identifiers_stay_empty_through_every_step() {
    let all = r#"{"kind": "diffusion", "rho": "0.03"}, {"kind": "rule90"}, {"kind": "balance"}, {"kind": "blip", "flip": "0.5"}"#;
    let schema = schema(all);
    let token = Encoder::new(&schema, &LinkageSecret::from_bytes([1; 32])).encode::<&str>(&[None, None]);
    assert_eq!((token.clk.popcount(), token.clk.length().bits(), token.presence), (0, 2048, 0));
}
