//! Records with blocking keys.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use linkage_plan::TokenTable;

use crate::support::Draws;

/// A record: CLK, exact token, blocking keys.
#[derive(Clone)]
pub struct Person {
    pub clk: Option<Vec<u8>>,
    pub exact: Option<u8>,
    pub blocks: [Option<u8>; 2],
}

/// People of whom every third is on both sides, changed in some bits and sometimes with another key or none; some have no CLK,
/// some an empty one.
pub fn people(count: usize) -> [Vec<Person>; 2] {
    let mut draws = Draws(77);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for at in 0..count {
        let draw = |draws: &mut Draws| (0..128).map(|_| (draws.below(256) & draws.below(256)) as u8).collect();
        let mut clk: Vec<u8> = draw(&mut draws);
        let exact = (at % 50 == 0).then_some((at / 50 % 250) as u8);
        let mut blocks = [Some((at % 97) as u8), (at % 5 > 0).then_some((at % 31) as u8)];
        let given = match at % 40 {
            0 => None,
            1 => Some(vec![0; 128]),
            _ => Some(clk.clone()),
        };
        left.push(Person { clk: given, exact, blocks });
        if at % 3 != 0 {
            clk = draw(&mut draws);
            blocks = [Some(draws.below(97) as u8), Some(draws.below(31) as u8)];
        } else if at % 7 == 0 {
            blocks[0] = None;
        }
        for _ in 0..draws.below(60) {
            clk[draws.below(128) as usize] ^= 1 << draws.below(8);
        }
        right.push(Person { clk: Some(clk), exact, blocks });
    }
    [left, right]
}

/// People of whom very many are alike: a left one has many pairs, and some of them are as good as others.
pub fn crowd(count: usize) -> [Vec<Person>; 2] {
    let mut draws = Draws(19);
    [(); 2].map(|()| {
        let rows = draws.rows(count, 64).into_iter();
        let key = |value: i32| Some(value as u8);
        rows.map(|row| Person { clk: row.clk, exact: row.exact[0], blocks: [key(row.place), row.exact[1]] }).collect()
    })
}

/// The people as tokens of so many segments.
pub fn token_table(people: &[Person], segments: u32) -> TokenTable {
    let clk_bytes = people.iter().find_map(|person| person.clk.as_ref()).map_or(128, Vec::len) as i32;
    let schema = Arc::new(Schema::new(vec![
        Field::new("clk", DataType::FixedSizeBinary(clk_bytes), true),
        Field::new("exact_a", DataType::FixedSizeBinary(16), true),
        Field::new("block_name", DataType::FixedSizeBinary(16), true),
        Field::new("block_place", DataType::FixedSizeBinary(16), true),
    ]));
    let batches = people.chunks(333).map(|people| {
        let mut columns = [clk_bytes, 16, 16, 16].map(FixedSizeBinaryBuilder::new);
        for Person { clk, exact, blocks } in people {
            let key = |key: Option<u8>| key.map(|value| vec![value; 16]);
            for (column, value) in columns.iter_mut().zip([clk.clone(), key(*exact), key(blocks[0]), key(blocks[1])]) {
                match value {
                    Some(value) => column.append_value(value).unwrap(),
                    None => column.append_null(),
                }
            }
        }
        let columns = columns.map(|mut column| Arc::new(column.finish()) as ArrayRef);
        RecordBatch::try_new(Arc::clone(&schema), columns.to_vec()).unwrap()
    });
    TokenTable::with_schema(Arc::clone(&schema), batches.collect()).unwrap().with_segments(segments).unwrap()
}
