//! Time of learning from very many candidates.

use std::io::{Write as _, stdout};
use std::time::Instant;

use linkage_core::classify::{Candidate, Link, Options, SegmentTable, Tables, count_frequencies, learn};

use crate::Result;

const SEGMENTS: usize = 8;

/// Two tables of a tenth as many rows as there are candidates, half of the people in both; ten candidates per row.
pub fn run(pairs: usize) -> Result<()> {
    let rows = (pairs / 10).max(20);
    let mut tables = vec![
        SegmentTable::new(128, SEGMENTS).ok_or("1024 bits in eight segments")?,
        SegmentTable::new(128, SEGMENTS).ok_or("1024 bits in eight segments")?,
    ];
    for (side, table) in tables.iter_mut().enumerate() {
        for row in 0..rows {
            let person = if row < rows / 2 { row } else { row + side * rows } as u64;
            let mut clk = [0_u64; 2 * SEGMENTS];
            for segment in 0..SEGMENTS {
                // Vocabularies of 500 to 64,000 values; one value in ten differs between the sides.
                let garbled = mix(person * 31 + segment as u64 + 1000 * side as u64).is_multiple_of(10);
                let value =
                    mix(person * 8 + segment as u64 + if garbled { side as u64 + 7 } else { 0 }) % (500 << segment);
                (clk[2 * segment], clk[2 * segment + 1]) = (
                    mix(value * 16 + segment as u64) & mix(value * 16 + 9),
                    mix(value * 16 + 10) & mix(value * 16 + 11),
                );
            }
            table.push(&clk, u16::MAX >> (16 - SEGMENTS));
        }
    }
    let start = Instant::now();
    let frequencies = count_frequencies(&mut tables, &[true, true]);
    let counted = start.elapsed();
    let [left, right] = &tables[..] else { return Err("two tables".into()) };
    let candidates: Vec<Candidate> = (0..pairs)
        .map(|pair| {
            let a = (pair / 10) as u32;
            let b = if pair.is_multiple_of(10) { a } else { (mix(pair as u64) % rows as u64) as u32 };
            let (score, pattern) = (left.score(a, right, b) as f32, left.pattern(a, right, b));
            Candidate { left: a, right: b, score, exact: false, pattern }
        })
        .collect();
    let links = vec![Link { left: 0, right: 1, candidates: &candidates }];
    let run = Tables { tables: &tables, deduplicated: &[true, true], links };
    let start = Instant::now();
    let model = learn(&run, &frequencies, &Options::default());
    let learnt = start.elapsed();
    let start = Instant::now();
    let judged = model.judge(&run, 0);
    let links = judged.iter().filter(|judged| f64::from(judged.probability) >= model.cut()).count();
    writeln!(
        stdout().lock(),
        "{pairs} candidates of {rows} + {rows} rows: frequencies {:.1} s, learning {:.1} s, judging {:.1} s; {links} links",
        counted.as_secs_f64(),
        learnt.as_secs_f64(),
        start.elapsed().as_secs_f64()
    )?;
    Ok(())
}

fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
