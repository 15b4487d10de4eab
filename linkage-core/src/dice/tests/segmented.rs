//! Segmented tokens: denominators over the segments that both rows have.

use proptest::prelude::*;

use super::super::{
    search_self, segment_intersections, segment_popcounts, segment_presence, segment_similarities, segmented_similarity,
};
use super::boundary::{plant, ratios};
use super::*;

type Token = (Vec<u8>, u16);

/// Tokens of which many resemble one another, some without segments, a few without any.
fn tokens(bytes: &mut Bytes, clk_bytes: usize, segments: usize, count: usize) -> Vec<Token> {
    let all = ((1_u32 << segments) - 1) as u16;
    let rows = bytes.rows(clk_bytes, count).into_iter();
    rows.map(|mut clk| {
        // A few patterns, the whole one most often.
        let pattern =
            if bytes.next() & 3 > 0 { all } else { [0b1011, 0b0110, 0b1110, 0][bytes.next() as usize % 4] & all };
        for (segment, bits) in clk.chunks_mut(clk_bytes / segments).enumerate() {
            if pattern & 1 << segment == 0 {
                bits.fill(0);
            }
        }
        (clk, pattern)
    })
    .collect()
}

/// Bit by bit, with masks, in floating point.
fn masked_oracle(left: &[Token], right: &[Token], segments: usize, threshold: DiceThreshold) -> Vec<Match> {
    let mut matches = Vec::new();
    for (l, (a, a_pattern)) in left.iter().enumerate() {
        for (r, (b, b_pattern)) in right.iter().enumerate() {
            let (mut intersection, mut ones) = (0, 0);
            for (at, (a_byte, b_byte)) in a.iter().zip(b).enumerate() {
                if a_pattern & b_pattern & 1 << (at * segments / a.len()) != 0 {
                    intersection += (a_byte & b_byte).count_ones();
                    ones += a_byte.count_ones() + b_byte.count_ones();
                }
            }
            if ones > 0 && f64::from(2 * intersection) / f64::from(ones) >= threshold.as_f64() {
                matches.push(Match { left: l as u32, right: r as u32, intersection, ones });
            }
        }
    }
    matches
}

fn segmented(clk_bytes: usize, segments: usize, tokens: &[Token]) -> ClkBlock {
    ClkBlock::segmented(clk_bytes, segments, tokens.iter().map(|(clk, pattern)| (clk.as_slice(), *pattern))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Large enough for screens, over ranges of the order that are cut anywhere.
    #[test]
    fn segmented_pairs_are_those_of_the_oracle_with_masks(
        seed in 1_u64..,
        (segments, segment_words) in prop::sample::select(vec![(1_usize, 16_usize), (2, 1), (4, 2), (8, 2), (8, 8)]),
        (left_count, right_count) in (0_usize..300, 0_usize..700),
        (left_cut, right_cut) in (0.0..1.0_f64, 0.0..1.0_f64),
        threshold in thresholds(),
    ) {
        let clk_bytes = segments * segment_words * 8;
        let mut bytes = Bytes(seed);
        let left = tokens(&mut bytes, clk_bytes, segments, left_count);
        let right = tokens(&mut bytes, clk_bytes, segments, right_count);
        let expected = masked_oracle(&left, &right, segments, threshold);
        let (left_block, right_block) = (segmented(clk_bytes, segments, &left), segmented(clk_bytes, segments, &right));
        let cut = |count: usize, at: f64| (at * count as f64) as usize;
        let (l, r) = (cut(left_count, left_cut), cut(right_count, right_cut));
        for kernel in Kernel::available() {
            let (mut matches, mut compared) = (Vec::new(), 0);
            for left_rows in [0..l, l..left_count] {
                for right_rows in [0..r, r..right_count] {
                    let left_rows = left_rows.clone();
                    let stats = search(kernel, &left_block, left_rows, &right_block, right_rows, threshold, &mut matches);
                    compared += stats.compared;
                }
            }
            matches.sort_unstable();
            prop_assert!(matches == expected, "{}: {} of {}", kernel.name(), matches.len(), expected.len());
            prop_assert_eq!(compared, (left_count * right_count) as u64);
        }
        for pair in expected.iter().take(50) {
            let (a, b) = (&left[pair.left as usize], &right[pair.right as usize]);
            prop_assert_eq!(segmented_similarity((&a.0, a.1), (&b.0, b.1), segments), pair.score());
        }
    }

    #[test]
    fn segmented_pairs_within_a_block_come_once(
        seed in 1_u64..,
        count in 0_usize..250,
        cut in 0.0..1.0_f64,
        threshold in thresholds(),
    ) {
        let rows = tokens(&mut Bytes(seed), 32, 4, count);
        let mut expected = masked_oracle(&rows, &rows, 4, threshold);
        expected.retain(|pair| pair.left < pair.right);
        let block = segmented(32, 4, &rows);
        let cut = (cut * count as f64) as usize;
        for kernel in Kernel::available() {
            let (mut matches, mut compared) = (Vec::new(), 0);
            for part in [0..cut, cut..count] {
                compared += search_self(kernel, &block, part, 0..count, threshold, &mut matches).compared;
            }
            matches.sort_unstable();
            prop_assert!(matches == expected, "{}: {} of {}", kernel.name(), matches.len(), expected.len());
            prop_assert_eq!(compared, (count * count.saturating_sub(1) / 2) as u64);
        }
    }

    /// Exactly at the threshold over the segments that both rows have, whatever they hold in others; most rows of either side
    /// lack a segment, and there are enough of them for a screen.
    #[test]
    fn segments_that_only_one_row_has_do_not_decide_at_a_boundary(
        seed in 1_u64..,
        (segments, segment_words) in prop::sample::select(vec![(2_usize, 8_usize), (4, 2), (8, 2), (8, 8)]),
        ratio in ratios(),
    ) {
        let (clk_bytes, bits) = (segments * segment_words * 8, segment_words * 64);
        let mut bytes = Bytes(seed);
        let all = ((1_u32 << segments) - 1) as u16;
        // Of two segments each side has one in common with the other; of more, all but two.
        let usual = if segments == 2 { [0b01, 0b11] } else { [all & !0b10, all & !0b100] };
        let clk = |bytes: &mut Bytes, pattern: u16| {
            let mut clk = bytes.clk(clk_bytes, 90);
            for (segment, bits) in clk.chunks_mut(clk_bytes / segments).enumerate() {
                if pattern & 1 << segment == 0 {
                    bits.fill(0);
                }
            }
            clk
        };
        let mut sides = [(300_usize, usual[0]), (700, usual[1])].map(|(count, usual)| {
            let pattern = |at: usize| if at.is_multiple_of(8) { all } else { usual };
            (0..count).map(|at| (clk(&mut bytes, pattern(at)), pattern(at))).collect::<Vec<Token>>()
        });
        let pairs = ratio.pairs((bits * (usual[0] & usual[1]).count_ones() as usize) as u64);
        let rows: Vec<[usize; 2]> = (0..pairs.len()).map(|at| [at * 7 % 300, at * 11 % 700]).collect();
        for (rows, pair) in rows.iter().zip(&pairs) {
            let [l, r] = [0, 1].map(|side| sides[side][rows[side]].1);
            let places: Vec<usize> = (0..clk_bytes * 8).filter(|bit| l & r & 1 << (bit / bits) != 0).collect();
            let planted = plant(&mut bytes, clk_bytes, &places, *pair);
            for (side, planted) in planted.into_iter().enumerate() {
                let (clk, _) = &mut sides[side][rows[side]];
                for (at, byte) in clk.iter_mut().enumerate() {
                    if l & r & 1 << (at * 8 / bits) != 0 {
                        *byte = planted[at];
                    }
                }
            }
        }
        let (threshold, [left, right]) = (ratio.threshold(), &sides);
        let expected = masked_oracle(left, right, segments, threshold);
        for (rows, pair) in rows.iter().zip(&pairs) {
            let found = expected.iter().any(|found| [found.left as usize, found.right as usize] == *rows);
            prop_assert_eq!(found, ratio.accepts(*pair), "{:?} at {:?}", pair, ratio);
        }
        let (left, right) = (segmented(clk_bytes, segments, left), segmented(clk_bytes, segments, right));
        for kernel in Kernel::available() {
            let (matches, _) = found(kernel, &left, &right, threshold);
            prop_assert!(matches == expected, "{}: {} of {}", kernel.name(), matches.len(), expected.len());
        }
    }
}

#[test]
fn segments_are_counted_one_by_one() {
    let left = [[0xFF_u8; 8], [0x0F; 8], [0; 8], [0xF0; 8]].concat();
    let right = [[0x0F_u8; 8], [0xF0; 8], [0xFF; 8], [0xF0; 8]].concat();
    assert_eq!(segment_intersections(&left, &right, 4)[..5], [32, 0, 0, 32, 0]);
    assert_eq!(segment_popcounts(&left, 2)[..3], [96, 32, 0]);
    assert_eq!(
        (segment_presence(&left, 4), segment_presence(&right, 4), segment_presence(&[0; 8], 1)),
        (0b1011, 0b1111, 0)
    );
    let [a, b, c, d, ..] = segment_similarities((&left, 0b1011), (&right, 0b1111), 4);
    assert_eq!((a, b, c, d), (Some(2.0 / 3.0), Some(0.0), None, Some(1.0)));
    assert_eq!(segmented_similarity((&left, 0b1011), (&right, 0b1111), 4), 128.0 / (128.0 + 96.0));
    assert_eq!(segmented_similarity((&left, 0), (&right, 0b1111), 4), 0.0);
}
