//! Keyed blocking against a naive reference.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use linkage_core::dice::{segment_presence, segmented_similarity, similarity};
use linkage_plan::{Candidate, LinkOptions, PlanError, Strategy, TokenTable};
use proptest::prelude::*;

use crate::support::{Draws, PLENTY, drain, runtime, session, table as plain};

struct Record {
    clk: Vec<u8>,
    exact: Option<u8>,
    blocks: [Option<u8>; 2],
}

fn records(draws: &mut Draws, count: usize) -> Vec<Record> {
    (0..count)
        .map(|_| {
            let clk = draws.clk(64);
            let mut key = |of: u64| match draws.below(6) {
                0 => None,
                _ => Some(draws.below(of) as u8),
            };
            Record { clk, exact: key(200).filter(|key| *key < 20), blocks: [key(12), key(30)] }
        })
        .collect()
}

fn table(records: &[Record]) -> TokenTable {
    let fields = [("clk", 64), ("exact_a", 16), ("block_name_year", 16), ("block_place", 16)];
    let schema =
        Schema::new(fields.map(|(name, bytes)| Field::new(name, DataType::FixedSizeBinary(bytes), true)).to_vec());
    let column = |bytes: i32, value: &dyn Fn(&Record) -> Option<Vec<u8>>| -> ArrayRef {
        let mut column = FixedSizeBinaryBuilder::new(bytes);
        for record in records {
            match value(record) {
                Some(value) => column.append_value(value).unwrap(),
                None => column.append_null(),
            }
        }
        Arc::new(column.finish())
    };
    let key = |key: Option<u8>| key.map(|key| vec![key; 16]);
    let columns = vec![
        column(64, &|record| Some(record.clk.clone())),
        column(16, &|record| key(record.exact)),
        column(16, &|record| key(record.blocks[0])),
        column(16, &|record| key(record.blocks[1])),
    ];
    TokenTable::try_new(vec![RecordBatch::try_new(Arc::new(schema), columns).unwrap()]).unwrap()
}

/// The same records without some of their four segments.
fn lacking(draws: &mut Draws, mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        let pattern = [0b1111, 0b1111, 0b0111, 0b1010][draws.below(4) as usize];
        for (segment, bits) in record.clk.chunks_mut(16).enumerate() {
            if pattern & 1 << segment == 0 {
                bits.fill(0);
            }
        }
    }
    records
}

fn keyed(keys: Vec<String>) -> Strategy {
    Strategy::Keyed { keys, seed: 3 }
}

fn options(exact: &[&str]) -> LinkOptions {
    let exact_tokens = exact.iter().map(|name| (*name).to_owned()).collect();
    LinkOptions::new("0.8".parse().unwrap(), exact_tokens)
}

fn agree(a: Option<u8>, b: Option<u8>) -> bool {
    a.is_some() && a == b
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pairs_that_agree_in_a_blocking_key_are_found_once_each_and_null_agrees_with_nothing(
        seed in 1_u64..,
        (left, right) in (0_usize..120, 0_usize..160),
        partitions in 1_usize..4,
        exact in any::<bool>(),
        segments in prop::sample::select(vec![1, 4]),
        keys in prop::sample::select(vec![vec!["name_year"], vec!["name_year", "place"], vec!["place", "name_year"], vec![]]),
    ) {
        let mut draws = Draws(seed);
        let (left, right) = (records(&mut draws, left), records(&mut draws, right));
        let (left, right) = match segments {
            1 => (left, right),
            _ => (lacking(&mut draws, left), lacking(&mut draws, right)),
        };
        let of_segments = |rows: &[Record]| table(rows).with_segments(segments).unwrap();
        let session = session(of_segments(&left), of_segments(&right), PLENTY, partitions);
        let similarity = |a: &[u8], b: &[u8]| match segments as usize {
            1 => similarity(a, b),
            n => segmented_similarity((a, segment_presence(a, n)), (b, segment_presence(b, n)), n),
        };
        let options = options(if exact { &["a"] } else { &[] });
        let by_exact = |a: &Record, b: &Record| exact && agree(a.exact, b.exact);
        let used = |at: usize| keys.is_empty() || keys.contains(&["name_year", "place"][at]);
        let blocked = |a: &Record, b: &Record| (0..2).any(|at| used(at) && agree(a.blocks[at], b.blocks[at]));
        let matched = [&left, &right].map(|side| {
            let other = if std::ptr::eq(side, &left) { &right } else { &left };
            side.iter().map(|a| other.iter().any(|b| by_exact(a, b))).collect::<Vec<bool>>()
        });
        let (mut expected, mut joined, mut similar) = (BTreeSet::new(), 0, 0);
        for (l, a) in left.iter().enumerate() {
            for (r, b) in right.iter().enumerate() {
                let rest = !matched[0][l] && !matched[1][r];
                joined += u64::from(rest && blocked(a, b));
                similar += u64::from(rest && similarity(&a.clk, &b.clk) >= 0.8);
                if by_exact(a, b) || (rest && blocked(a, b) && similarity(&a.clk, &b.clk) >= 0.8) {
                    expected.insert((l as u32, r as u32, by_exact(a, b)));
                }
            }
        }
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let (found, all, report) = runtime().block_on(async {
            let stream = session.link_by("ndb", "dpc", &options, keyed(keys)).await.unwrap();
            let progress = stream.progress();
            let found = drain(stream).await.unwrap();
            let all = drain(session.link("ndb", "dpc", &options).await.unwrap()).await.unwrap();
            (found, all, progress.report())
        });
        let bits = |all: &[Candidate]| all.iter().map(|c| (c.left, c.right, c.score.to_bits())).collect::<BTreeSet<_>>();
        prop_assert!(bits(&found).is_subset(&bits(&all)));
        let pairs: BTreeSet<_> = found.iter().map(|c| (c.left, c.right, c.exact)).collect();
        prop_assert_eq!(pairs.len(), found.len(), "a pair came twice");
        prop_assert_eq!(pairs, expected);
        prop_assert_eq!(report.compared, joined);
        let below = found.iter().filter(|c| c.exact && c.score < 0.8).count() as u64;
        prop_assert_eq!(report.exact_below_threshold, below);
        if let Some(report) = report.keyed {
            // So few left rows are all drawn, so that the estimate is the truth.
            let rest = |side: usize| matched[side].iter().filter(|matched| !**matched).count() as u64;
            prop_assert_eq!((report.left_rows, report.right_rows), (rest(0), rest(1)));
            prop_assert_eq!((report.candidates, report.completeness.found), (joined, report.kept));
            prop_assert_eq!(report.completeness.pairs, similar);
        }
    }
}

/// Records of their own CLKs, every other of whom is on both sides, changed in a few bits; one in ten of these has other
/// keys there.
fn people(count: usize) -> (Vec<Record>, Vec<Record>) {
    let mut draws = Draws(43);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for at in 0..count {
        let mut clk = || (0..64).map(|_| (draws.below(256) & draws.below(256)) as u8).collect::<Vec<u8>>();
        let (a, b) = (clk(), clk());
        let both = at % 2 == 0;
        let mut again = a.clone();
        for _ in 0..draws.below(20) {
            again[draws.below(64) as usize] ^= 1 << draws.below(8);
        }
        let left_keys = [Some((at % 100) as u8), Some((at / 100) as u8)];
        let right_keys = match (both, at % 20) {
            (true, 0) => [Some(200), None],
            (true, _) => left_keys,
            // Nobody of the left side has these keys.
            (false, _) => [Some(201), Some(202)],
        };
        right.push(Record { clk: if both { again } else { b }, exact: None, blocks: right_keys });
        left.push(Record { clk: a, exact: None, blocks: left_keys });
    }
    (left, right)
}

#[test]
fn the_report_estimates_completeness_with_an_interval_that_holds_the_truth() {
    let (left, right) = people(8000);
    let session = session(table(&left), table(&right), PLENTY, 2);
    let tables = session.reserved_bytes();
    runtime().block_on(async {
        let stream = session.link_by("ndb", "dpc", &options(&[]), keyed(vec![])).await.unwrap();
        let progress = stream.progress();
        let found = drain(stream).await.unwrap();
        let report = progress.report().keyed.unwrap();
        // Of 4000 pairs 400 have other keys.
        assert_eq!((found.len(), report.kept), (3600, 3600));
        let measured = report.completeness;
        assert!(measured.rows < 8000 && measured.pairs >= 1000, "{report}");
        assert!((measured.lower..=measured.upper).contains(&0.9) && measured.upper - measured.lower < 0.06, "{report}");
        assert!(report.reduction_ratio() > 0.9 && report.to_string().contains("pair completeness 0."), "{report}");
    });
    assert_eq!(session.reserved_bytes(), tables, "memory is held after the link");
}

#[test]
fn the_bloom_filter_prunes_rows_without_a_partner_before_they_are_joined() {
    let (left, right) = people(8000);
    let session = session(table(&left), table(&right), PLENTY, 2);
    let text = runtime()
        .block_on(session.explain_by("ndb", "dpc", &options(&[]), keyed(vec!["name_year".into()]), true))
        .unwrap();
    let line = text.lines().find(|line| line.contains("BloomSemiExec: block_name_year in block_name_year")).unwrap();
    // 4000 rows of the right side have keys that nobody on the left has.
    for part in [
        "keys=8.00 K",
        "blocks=",
        "largest_block_rows=",
        "probed=8.00 K",
        "pruned=4.",
        "pruned_bytes=",
        "filter_bytes=",
        "build_time=",
        "probe_time=",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn explain_shows_one_hash_join_per_key_and_unknown_keys_are_refused() {
    let mut draws = Draws(42);
    let session = session(table(&records(&mut draws, 50)), table(&records(&mut draws, 50)), PLENTY, 2);
    runtime().block_on(async {
        for analyze in [false, true] {
            let text = session.explain_by("ndb", "dpc", &options(&[]), keyed(vec![]), analyze).await.unwrap();
            for part in [
                if analyze { " given up early\n" } else { "by hash join on block_name_year, block_place\n" },
                "strategy: blocking keys, as asked for\n",
                "KeyedJoinExec: threshold=0.8, seed=3, kernel=",
                if analyze { "reduction ratio 0." } else { "" },
                if analyze { "candidates=" } else { "" },
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
            for operator in ["HashJoinExec", "BloomSemiExec"] {
                assert_eq!(text.matches(operator).count(), 2, "{text}");
            }
            assert!(!text.contains("DynamicFilter"), "{text}");
        }
        let refused = session.link_by("ndb", "dpc", &options(&[]), keyed(vec!["shoe_size".into()])).await.unwrap_err();
        assert!(matches!(refused, PlanError::Link { .. }) && refused.to_string().contains("\nhint: "), "{refused}");
    });
}

#[test]
fn tables_without_a_common_key_are_refused() {
    let rows = Draws(44).rows(20, 64);
    let session = session(plain(&rows, 64, 9), plain(&rows, 64, 9), PLENTY, 2);
    let refused = runtime().block_on(session.link_by("ndb", "dpc", &options(&[]), keyed(vec![]))).unwrap_err();
    assert!(matches!(refused, PlanError::Link { .. }), "{refused}");
    assert!(refused.to_string().contains("no blocking key in common"), "{refused}");
}

#[test]
fn sides_that_do_not_fit_are_refused() {
    let (left, right) = people(4000);
    let rows = 8000;
    let session = session(table(&left), table(&right), rows * 200, 2);
    let stream = async { drain(session.link_by("ndb", "dpc", &options(&[]), keyed(vec![])).await.unwrap()).await };
    let refused = runtime().block_on(stream).unwrap_err();
    assert!(matches!(refused, PlanError::Memory { .. } | PlanError::OutOfMemory { .. }), "{refused}");
}
