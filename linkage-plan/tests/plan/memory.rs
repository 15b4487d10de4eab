//! What is held, and what happens when it may not be.

use std::sync::Arc;

use arrow::array::{AsArray, FixedSizeBinaryBuilder, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use linkage_core::dice::ClkBlock;
use linkage_plan::{LinkOptions, LinkSession, PlanError, PlanOptions, TokenTable};

use crate::support::{Draws, Row, drain, runtime, session, table};

fn rows(count: usize) -> Vec<Row> {
    let mut draws = Draws(21);
    (0..count).map(|_| Row { clk: Some(draws.clk(128)), ..Row::default() }).collect()
}

#[test]
fn a_left_side_that_does_not_fit_is_refused_with_what_it_needs_and_fits_when_that_is_granted() {
    let (left, right) = (table(&rows(20_000), 128, 4096), table(&rows(500), 128, 500));
    let tables = left.bytes() + right.bytes();
    let needed = ClkBlock::bytes_for(128, 20_000);
    let options = LinkOptions::new("1".parse().unwrap(), vec![]);
    let link = |memory_bytes: usize, left: TokenTable, right: TokenTable| {
        let session = session(left, right, memory_bytes, 2);
        let linked = runtime().block_on(async { drain(session.link("ndb", "dpc", &options).await.unwrap()).await });
        (linked, session.reserved_bytes())
    };

    let (refused, held) = link(tables + needed / 2, left.clone(), right.clone());
    assert_eq!(held, tables, "a refused plan must give back what it had reserved");
    let PlanError::Memory { rows, needed_bytes, free_bytes, .. } = refused.as_ref().unwrap_err() else {
        panic!("{refused:?}");
    };
    assert_eq!((*rows, *free_bytes), (20_000, (needed / 2) as u64));
    let message = refused.as_ref().unwrap_err().to_string();
    assert!(message.starts_with("the left side of the Dice join needs 2."), "{message}");
    let free = (needed / 2) as f64 / f64::from(1 << 20);
    let rest = format!(" MiB for 20000 rows, and {free:.1} MiB of the memory granted is free\nhint: ");
    assert!(message.contains(&rest), "{message}");

    // What the message names, and a batch of the right side per partition.
    let (linked, held) = link(tables + *needed_bytes as usize + (1 << 20), left, right);
    assert!(!linked.unwrap().is_empty());
    assert_eq!(held, tables);
}

#[test]
fn a_table_that_does_not_fit_is_not_registered() {
    let table = table(&rows(1000), 128, 100);
    let session = LinkSession::new(PlanOptions { memory_bytes: table.bytes() - 1, partitions: 1 }).unwrap();
    let refused = session.register("ndb", table.clone()).unwrap_err();
    assert!(matches!(refused, PlanError::Memory { rows: 1000, .. }), "{refused:?}");
    assert_eq!(session.reserved_bytes(), 0);

    let session = LinkSession::new(PlanOptions { memory_bytes: table.bytes(), partitions: 1 }).unwrap();
    session.register("ndb", table).unwrap();
    session.deregister("ndb").unwrap();
    assert_eq!(session.reserved_bytes(), 0);
}

#[test]
fn batches_that_are_no_tokens_are_refused() {
    let refused = TokenTable::try_new(vec![]).unwrap_err();
    assert!(matches!(&refused, PlanError::Table { .. }) && refused.to_string().contains("hint: "), "{refused}");
}

#[test]
fn a_link_runs_in_64_mib() {
    // The tables take 20 MiB and the left side as much again.
    let (left, right) = (rows(150_000), rows(1_000));
    let options = LinkOptions::new("1".parse().unwrap(), vec![]);
    let session = session(table(&left, 128, 8192), table(&right, 128, 8192), 64 << 20, 2);
    let tables = session.reserved_bytes();
    let linked = runtime().block_on(async { drain(session.link("ndb", "dpc", &options).await.unwrap()).await });
    assert!(!linked.unwrap().is_empty());
    assert_eq!(session.reserved_bytes(), tables);
}

#[test]
fn tokens_stay_where_they_were_read() {
    let schema = Arc::new(Schema::new(vec![Field::new("clk", DataType::FixedSizeBinary(128), false)]));
    let mut clks = FixedSizeBinaryBuilder::new(128);
    for row in rows(1000) {
        clks.append_value(row.clk.unwrap()).unwrap();
    }
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(clks.finish())]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    writer.write(&batch).unwrap();
    let read = Buffer::from_vec(writer.into_inner().unwrap());
    let bytes = read.as_ptr_range();

    let (mut decoder, mut rest) = (StreamDecoder::new(), read.clone());
    let batch = decoder.decode(&mut rest).unwrap().unwrap();
    let session = LinkSession::new(PlanOptions { memory_bytes: 1 << 20, partitions: 2 }).unwrap();
    let table = TokenTable::try_new(vec![batch]).unwrap();
    // A row is its 128 bytes and its number.
    assert_eq!(table.bytes(), 1000 * (128 + 4));
    session.register("ndb", table).unwrap();
    for batch in runtime().block_on(session.sql("SELECT clk FROM ndb")).unwrap() {
        let values = batch.column(0).as_fixed_size_binary().value_data().as_ptr_range();
        assert!(bytes.start <= values.start && values.end <= bytes.end, "a plan reads a copy of the tokens");
    }
}

/// So many rows of one token: every pair of them is a match.
fn alike(count: usize) -> Vec<Row> {
    vec![Row { clk: Some(vec![0b0101_1010; 128]), ..Row::default() }; count]
}

#[test]
fn where_memory_for_pairs_is_short_fewer_rows_are_compared_at_a_time() {
    let (left, right) = (alike(600), alike(1024));
    let pairs = 600 * 1024;
    let link = |spare_bytes: usize, query: Option<&str>| {
        let (left, right) = (table(&left, 128, 600), table(&right, 128, 1024));
        // Both sides as they are held, and twice what a side within blocks takes.
        let sides = 2 * ClkBlock::bytes_for(128, 600 + 1024) + 200 * (600 + 1024);
        let session = session(left.clone(), right.clone(), left.bytes() + right.bytes() + sides + spare_bytes, 1);
        runtime().block_on(async {
            match query {
                Some(query) => Ok(session.sql(query).await?.iter().map(RecordBatch::num_rows).sum()),
                None => {
                    let options = LinkOptions::new("0.9".parse().unwrap(), vec![]);
                    Ok::<_, PlanError>(drain(session.link("ndb", "dpc", &options).await?).await?.len())
                }
            }
        })
    };
    let within_blocks = "SELECT l.row, r.row FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.9 AND l.place = r.place";
    for query in [None, Some(within_blocks)] {
        // The pairs of the first step alone would take more.
        assert_eq!(link(300 << 10, query).unwrap(), pairs, "{query:?}");
    }
}
