//! Pairs compared per second at 1024 bits, by kernel and threshold, on one core.
//!
//! `cargo bench -p linkage-benches --profile dev --bench dice`: the dev profile shares its build with everything else,
//! and optimises `linkage-core` fully.
#![allow(missing_docs, reason = "criterion's macros generate undocumented functions")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use linkage_benches::person_like;
use linkage_core::dice::{DiceThreshold, Kernel, search};

/// At 0.5 stopping early does not pay on these tokens, so that is the rate of whole comparisons.
const THRESHOLDS: [&str; 4] = ["0.5", "0.8", "0.85", "0.9"];

fn dice(c: &mut Criterion) {
    let (left, right) = (person_like(1, 1024), person_like(2, 8192));
    let mut group = c.benchmark_group("dice");
    group.throughput(Throughput::Elements((left.rows() * right.rows()) as u64));
    group.sampling_mode(SamplingMode::Flat).sample_size(20).nresamples(2_000);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for kernel in Kernel::available() {
        for text in THRESHOLDS {
            let threshold: DiceThreshold = text.parse().expect("a threshold");
            group.bench_function(BenchmarkId::new(kernel.name(), text), |bencher| {
                let mut matches = Vec::new();
                bencher.iter(|| {
                    matches.clear();
                    search(kernel, &left, 0..left.rows(), &right, 0..right.rows(), threshold, &mut matches)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, dice);
criterion_main!(benches);
