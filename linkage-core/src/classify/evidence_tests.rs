//! Of single values: composite tokens, and segments that say partly the same.

use super::background::{self, EqualBoth};
use super::tests::{Draws, bits};
use super::*;

/// A token of four fields, which draw 40, 80, 120 and 160 positions of 1024; those that the mask lacks are left out.
fn composite(person: u64, mask: u16) -> Vec<u64> {
    let mut token = vec![0_u64; 16];
    for field in (0..4).filter(|field| mask >> field & 1 == 1) {
        let mut draws = Draws(person * 64 + field);
        for _ in 0..40 * (field + 1) {
            let position = draws.below(1024) as usize;
            token[position / 64] |= 1 << (position % 64);
        }
    }
    token
}

/// The token after diffusion: each bit joins three.
fn diffused(token: &[u64]) -> Vec<u64> {
    let mut draws = Draws(11);
    let mut joined = vec![0_u64; token.len()];
    for position in 0..64 * token.len() {
        for _ in 0..3 {
            let from = draws.below(64 * token.len() as u64) as usize;
            joined[position / 64] ^= (token[from / 64] >> (from % 64) & 1) << (position % 64);
        }
    }
    joined
}

#[test]
fn a_field_that_one_side_lacks_takes_nothing_from_a_composite_token() {
    // Diffusion adds noise of some 10 bits to the value, and three times that is taken off.
    for (joined, nearly) in [(1, 0.2), (3, 0.7)] {
        let masks = [0b1111, 0b0111, 0b1110];
        let mut tables: Vec<SegmentTable> =
            (0..2).map(|_| SegmentTable::new(128, 1).unwrap().diffused(joined)).collect();
        for person in 0..300 {
            for (side, table) in tables.iter_mut().enumerate() {
                let mask = masks[(person as usize + side) % masks.len()];
                let token = composite(person, mask);
                table.push(&if joined > 1 { diffused(&token) } else { token }, mask);
            }
        }
        let bits = composite::FieldBits::learn(&tables);
        let [left, right] = &tables[..] else { unreachable!() };
        for person in 0..300_u32 {
            // The common fields draw 40 positions each times their number; what their filter shares with a stranger's goes off.
            let common = masks[person as usize % 3] & masks[(person as usize + 1) % 3];
            let drawn: f64 =
                (0..4).filter(|field| common >> field & 1 == 1).map(|field| f64::from(40 * (field + 1))).sum();
            let size = 1024.0 * (1.0 - (-drawn / 1024.0).exp());
            let (same, expected) = (bits.value(left, person, right, person), size - size * size / 1024.0);
            assert!((same / expected - 1.0).abs() < nearly, "{joined}: {same} of {expected}");
            let other = bits.value(left, person, right, (person + 3) % 300);
            assert!(other < 0.2 * expected, "{joined}: {other} of {expected}");
        }
        // Plain similarity takes the missing fields for differences.
        assert!((1..300).step_by(3).all(|person| left.score(person, right, person) < 0.8));
    }
}

#[test]
fn popcounts_that_say_nothing_leave_the_order_of_similarity() {
    let mut tables: Vec<SegmentTable> = (0..2).map(|_| SegmentTable::new(128, 1).unwrap()).collect();
    let mut draws = Draws(5);
    for row in 0..200_u16 {
        // Half of the bits are set whatever the record holds, as after diffusion.
        let mut token: Vec<u64> = vec![0x5555_5555_5555_5555; 16];
        token.iter_mut().for_each(|word| *word = word.rotate_left(draws.below(2) as u32));
        tables[usize::from(row % 2)].push(&token, if row % 3 == 0 { 0b11 } else { 0b01 });
    }
    let bits = composite::FieldBits::learn(&tables);
    let [left, right] = &tables[..] else { unreachable!() };
    let mut pairs: Vec<(f64, f64)> =
        (0..100).map(|b| (left.score(0, right, b), bits.value(left, 0, right, b))).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(pairs.windows(2).all(|two| two[0].1 <= two[1].1 + 0.01), "{pairs:?}");
    assert!(pairs[0].1 < pairs[99].1);
}

/// Half of the people have one of 20 names and, independently, live in one of 25 places; the others are couples who share
/// a name and a place with nobody else.
fn households() -> (Vec<SegmentTable>, Frequencies) {
    let mut draws = Draws(9);
    let mut table = SegmentTable::new(16, 2).unwrap();
    for row in 0..4000 {
        let [name, place] = if row < 2000 { [draws.below(20), draws.below(25)] } else { [100 + row / 2; 2] };
        table.push(&[bits(0, name), bits(1, place)], 0b11);
    }
    let mut tables = vec![table, SegmentTable::new(16, 2).unwrap()];
    let frequencies = count_frequencies(&mut tables, &[true, true]);
    (tables, frequencies)
}

#[test]
fn a_rare_name_in_a_rare_place_says_no_more_than_a_household_does() {
    let (tables, frequencies) = households();
    let run = Tables { tables: &tables, deduplicated: &[true, true], links: Vec::new() };
    let both = &background::measure(&run, &frequencies, &[], 1).equal_both[0][1];
    let chance = |row: usize| both.chance[usize::from(tables[0].class(row, 0))][usize::from(tables[0].class(row, 1))];
    // Of 3999 others one has both, whatever the two frequencies multiply to.
    let (couple, product) = (chance(3000), 1.0 / 4000.0 / 4000.0);
    assert!(couple > 0.9 / 3999.0 && couple < 1.1 / 3999.0 && couple > 1000.0 * product, "{couple}");
    // Half of the others have frequent values, and among those names say nothing of places.
    let independent = 0.5 / 20.0 / 25.0;
    assert!(chance(0) > 0.8 * independent && chance(0) < 1.25 * independent, "{} {independent}", chance(0));
    assert!((both.share.iter().flatten().sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn without_a_deduplicated_table_nothing_is_said_of_both() {
    let (tables, frequencies) = households();
    let run = Tables { tables: &tables, deduplicated: &[false, false], links: Vec::new() };
    let both: &EqualBoth = &background::measure(&run, &frequencies, &[], 1).equal_both[0][1];
    assert!(both.chance.is_empty() && both.found == 0.0);
}
