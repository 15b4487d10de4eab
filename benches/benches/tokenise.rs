//! Records tokenised per second on one core with the schema `person-ja`, and where the time goes.
//!
//! `cargo bench -p linkage-benches --profile dev --bench tokenise`: the dev profile shares its build with everything
//! else, and optimises `linkage-core` fully. The records are those of the demo's hospital extract (western dates, UTF-8), all
//! different people. "XOF" hashes as many messages as these people have q-grams, which the encoder does only for those
//! that it does not remember. "encode" meets people whose values it remembers, "encode, first time" meets them new: the difference is
//! the making of q-grams and their hashing.
#![allow(missing_docs, reason = "criterion's macros generate undocumented functions")]

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use linkage_core::encode::{Encoder, Token};
use linkage_core::normalise;
use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_core::source::{BATCH_ROWS, CsvLayout, CsvSource, RawBatch, Source as _};
use linkage_core::token_file::{Existing, TokenBatchBuilder, TokenFileHeader, TokenFileWriter, density_ppm};
use linkage_core::types::RecordRef;
use linkage_datasets::{ErrorModel, write_demo};

const PEOPLE: u64 = 100_000;
const FILE_BATCH_ROWS: usize = 8192;

/// The hospital extract, one entry per field of the schema.
fn records(schema: &LinkageSchema, extract: &[u8]) -> Vec<Vec<Option<String>>> {
    let mut reader = csv::Reader::from_reader(extract);
    let header = reader.headers().expect("a header").clone();
    let places: Vec<_> =
        schema.fields().iter().map(|field| header.iter().position(|column| column == field.name())).collect();
    let row = |row: csv::StringRecord| places.iter().map(|place| row.get((*place)?).map(str::to_owned)).collect();
    reader.records().map(|record| row(record.expect("a row"))).collect()
}

/// Reads the extract into batches, as the custodian's program does; the number of rows.
fn parse(schema: &LinkageSchema, extract: &[u8]) -> usize {
    let layout = CsvLayout {
        fields: schema.fields().iter().map(|field| field.name().to_owned()).collect(),
        id_column: Some("record_id".to_owned()),
        ..CsvLayout::default()
    };
    let mut source = CsvSource::open(extract, &layout).expect("the columns of the schema");
    let (mut batch, mut rows) = (RawBatch::new(), 0);
    while source.read_batch(&mut batch, BATCH_ROWS).expect("rows") {
        rows += batch.len();
    }
    rows
}

/// Writes the tokens to a sealed file on disk, as the custodian's program does after sorting.
fn seal(schema: &LinkageSchema, secret: &LinkageSecret, tokens: &[Token], to: &age::x25519::Recipient, path: &Path) {
    let database = "dpc".parse().expect("a database id");
    let mut header = TokenFileHeader::new(database, schema, secret.key_check(), false);
    header.records = tokens.len() as u64;
    let ones = tokens.iter().map(|token| u64::from(token.clk.popcount())).sum();
    header.density_ppm = density_ppm(ones, header.records, header.clk_bits);
    let mut builder = TokenBatchBuilder::new(&header);
    let mut writer = TokenFileWriter::create(path, header, &[to], Existing::Replace).expect("a new file");
    let mut clk = Vec::new();
    for (row, token) in (0_u128..).zip(tokens) {
        clk.clear();
        clk.extend(token.clk.bytes());
        builder.push(&RecordRef(row.to_be_bytes()), &clk, token.presence, &token.exact).expect("a row");
        if builder.len() == FILE_BATCH_ROWS {
            writer.write(&builder.finish().expect("a batch")).expect("room on the disk");
        }
    }
    if !builder.is_empty() {
        writer.write(&builder.finish().expect("a batch")).expect("room on the disk");
    }
    writer.finish().expect("room on the disk");
}

/// Hashes so many messages as the encoder does when it remembers none: keyed BLAKE3, one block of extended output.
fn xof(messages: usize) -> u64 {
    let keyed = blake3::Hasher::new_keyed(&[7; 32]);
    let mut output = [0; 64];
    (0..messages as u64).fold(0, |sum, message| {
        let mut text = [1; 12];
        text[4..].copy_from_slice(&message.to_le_bytes());
        keyed.clone().update(&text).finalize_xof().fill(&mut output);
        sum ^ u64::from(output[0])
    })
}

fn tokenise(c: &mut Criterion) {
    let schema = LinkageSchema::shipped("person-ja").expect("a shipped schema");
    let secret = LinkageSecret::from_bytes([7; 32]);
    let encoder = Encoder::new(&schema, &secret);
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_demo(folder.path(), PEOPLE, 1, &ErrorModel::default()).expect("made-up extracts");
    let extract = std::fs::read(folder.path().join("dpc.csv")).expect("the extract");
    let raw = records(&schema, &extract);
    let raw: Vec<Vec<Option<&str>>> = raw.iter().map(|row| row.iter().map(Option::as_deref).collect()).collect();
    let normalised: Vec<Vec<Option<String>>> = raw
        .iter()
        .map(|row| {
            let value = |(field, value): (&linkage_core::schema::Field, &Option<&str>)| {
                normalise::normalise(field.kind(), value.unwrap_or_default()).ok().flatten()
            };
            schema.fields().iter().zip(row).map(value).collect()
        })
        .collect();

    let mut group = c.benchmark_group("tokenise");
    group.throughput(Throughput::Elements(raw.len() as u64));
    group.sampling_mode(SamplingMode::Flat).sample_size(20).nresamples(2_000);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.bench_function("parse", |bencher| bencher.iter(|| parse(&schema, &extract)));
    group.bench_function("normalise", |bencher| {
        let mut text = String::new();
        bencher.iter(|| {
            for row in &raw {
                for (field, value) in schema.fields().iter().zip(row) {
                    let _ = normalise::normalise_into(field.kind(), value.unwrap_or_default(), &mut text);
                }
            }
            text.len()
        });
    });
    let mut worker = encoder.worker();
    group.bench_function("q-grams", |bencher| {
        bencher.iter(|| normalised.iter().map(|row| worker.count_features(row)).sum::<usize>());
    });
    let features: usize = normalised.iter().map(|row| worker.count_features(row)).sum();
    group.bench_function("XOF", |bencher| bencher.iter(|| xof(features)));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| normalised.iter().map(|row| u64::from(worker.encode(row).presence)).sum::<u64>());
    });
    group.bench_function("encode, first time", |bencher| {
        bencher.iter(|| {
            let encoder = Encoder::new(&schema, &secret);
            let mut worker = encoder.worker();
            normalised.iter().map(|row| u64::from(worker.encode(row).presence)).sum::<u64>()
        });
    });
    group.bench_function("normalise and encode", |bencher| {
        bencher.iter(|| raw.iter().map(|row| u64::from(worker.encode_raw(row).token.presence)).sum::<u64>());
    });
    let tokens: Vec<Token> = normalised.iter().map(|row| worker.encode(row)).collect();
    let to = age::x25519::Identity::generate().to_public();
    let path = folder.path().join("out.tokens");
    group.bench_function("seal", |bencher| bencher.iter(|| seal(&schema, &secret, &tokens, &to, &path)));
    group.finish();
}

criterion_group!(benches, tokenise);
criterion_main!(benches);
