//! Records tokenised per second on one core with the schema `person-ja`, and where the time goes.
//!
//! `cargo bench -p linkage-benches --profile dev --bench tokenise`: the dev profile shares its build with everything
//! else, and optimises `linkage-core` fully. The records are those of the demo's hospital extract (western dates, UTF-8), all
//! different people; reading CSV and sealing are not in these figures.
#![allow(missing_docs, reason = "criterion's macros generate undocumented functions")]

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use linkage_core::encode::Encoder;
use linkage_core::normalise;
use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_datasets::{ErrorModel, write_demo};

const PEOPLE: u64 = 100_000;

/// The hospital extract, one entry per field of the schema.
fn records(schema: &LinkageSchema) -> Vec<Vec<Option<String>>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_demo(folder.path(), PEOPLE, 1, &ErrorModel::default()).expect("made-up extracts");
    let mut reader = csv::Reader::from_path(folder.path().join("dpc.csv")).expect("the extract");
    let header = reader.headers().expect("a header").clone();
    let places: Vec<_> =
        schema.fields().iter().map(|field| header.iter().position(|column| column == field.name())).collect();
    let row = |row: csv::StringRecord| places.iter().map(|place| row.get((*place)?).map(str::to_owned)).collect();
    reader.records().map(|record| row(record.expect("a row"))).collect()
}

fn tokenise(c: &mut Criterion) {
    let schema = LinkageSchema::shipped("person-ja").expect("a shipped schema");
    let encoder = Encoder::new(&schema, &LinkageSecret::from_bytes([7; 32]));
    let raw = records(&schema);
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
    group.bench_function("encode", |bencher| {
        bencher.iter(|| normalised.iter().map(|row| u64::from(worker.encode(row).presence)).sum::<u64>());
    });
    group.bench_function("normalise and encode", |bencher| {
        bencher.iter(|| raw.iter().map(|row| u64::from(worker.encode_raw(row).token.presence)).sum::<u64>());
    });
    group.finish();
}

criterion_group!(benches, tokenise);
criterion_main!(benches);
