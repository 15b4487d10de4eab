//! The LSH join against the Dice join.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use linkage_plan::{Candidate, LinkOptions, LinkSession, PlanError, Strategy};

use crate::support::{Draws, LONG, PLENTY, Row, drain, runtime, session, table};

const LSH: Strategy = Strategy::Lsh { recall: 0.95, seed: 5 };

/// People of whom every third is on both sides, changed in some bits; some have no CLK, some an empty one.
fn people(count: usize) -> (Vec<Row>, Vec<Row>) {
    let mut draws = Draws(77);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for at in 0..count {
        let mut clk: Vec<u8> = (0..128).map(|_| (draws.below(256) & draws.below(256)) as u8).collect();
        let exact = [(at % 50 == 0).then_some((at / 50 % 250) as u8), None];
        let clk_or_none = match at % 40 {
            0 => None,
            1 => Some(vec![0; 128]),
            _ => Some(clk.clone()),
        };
        left.push(Row { clk: clk_or_none, exact, ..Row::default() });
        if at % 3 != 0 {
            clk = (0..128).map(|_| (draws.below(256) & draws.below(256)) as u8).collect();
        }
        for _ in 0..draws.below(60) {
            clk[draws.below(128) as usize] ^= 1 << draws.below(8);
        }
        right.push(Row { clk: Some(clk), exact, ..Row::default() });
    }
    (left, right)
}

fn tables(count: usize, memory_bytes: usize) -> LinkSession {
    let (left, right) = people(count);
    session(table(&left, 128, 700), table(&right, 128, 900), memory_bytes, 2)
}

fn options(exact: &[&str]) -> LinkOptions {
    LinkOptions::new("0.8".parse().unwrap(), exact.iter().map(|name| (*name).to_owned()).collect())
}

fn key(candidates: Vec<Candidate>) -> BTreeSet<(u32, u32, u64, bool)> {
    let count = candidates.len();
    let set: BTreeSet<_> = candidates.iter().map(|c| (c.left, c.right, c.score.to_bits(), c.exact)).collect();
    assert_eq!(set.len(), count, "a pair came twice");
    set
}

#[test]
fn bands_find_the_pairs_of_the_exhaustive_link_and_certify_how_many() {
    let session = tables(4000, PLENTY);
    runtime().block_on(async {
        for exact in [&[][..], &["a"]] {
            let all = key(drain(session.link("ndb", "dpc", &options(exact)).await.unwrap()).await.unwrap());
            let stream = session.link_by("ndb", "dpc", &options(exact), LSH).await.unwrap();
            let progress = stream.progress();
            let found = key(drain(stream).await.unwrap());
            assert!(found.is_subset(&all));
            let similar = |set: &BTreeSet<(u32, u32, u64, bool)>| set.iter().filter(|pair| !pair.3).count() as f64;
            let recall = similar(&found) / similar(&all);
            assert!(similar(&all) > 800.0 && recall >= 0.95, "{recall} of {}", similar(&all));
            let report = progress.report();
            let lsh = report.lsh.unwrap();
            assert!((lsh.certificate.lower..=lsh.certificate.upper).contains(&recall), "{} {recall}", lsh.certificate);
            assert!(lsh.certificate.certified() && lsh.plan.worst_recall() >= 0.95);
            assert!(lsh.bands.bands <= 2 * lsh.plan.bands());
            assert_eq!(lsh.bands.kept, report.dice_pairs);
            assert!(report.compared == lsh.bands.candidates && report.compared < 4000 * 4000 / 10 && report.bytes > 0);
            let again = session.link_by("ndb", "dpc", &options(exact), LSH).await.unwrap();
            // Also when the rows come in another order, as they do from the exact stage.
            assert!(key(drain(again).await.unwrap()) == found, "the same seed gives the same pairs");
        }
    });
    let tables_alone = tables(4000, PLENTY).reserved_bytes();
    assert_eq!(session.reserved_bytes(), tables_alone);
}

#[test]
fn explain_names_the_strategy_its_reason_and_after_a_run_the_certificate() {
    let session = tables(3000, PLENTY);
    runtime().block_on(async {
        let text = session.explain_by("ndb", "dpc", &options(&["a"]), LSH, false).await.unwrap();
        for part in [
            "Dice stage: pairs that agree in a band, of the rows that the exact stage did not match\nstrategy: bands, as asked for\n",
            "LshJoinExec: threshold=0.8, recall>=0.95, seed=5, kernel=",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let text = session.explain_by("ndb", "dpc", &options(&[]), LSH, true).await.unwrap();
        let line = text.lines().find(|line| line.contains("LshJoinExec")).unwrap();
        for part in [
            "bits=", "bands=", " bands searched, ", "recall>=0.95", " certified: ", "candidates=", "early_aborts=", "blocks=", "largest_block=", "pairs_kept=",
            "pairs_capped=", "build_bytes=", "solve_time=", "sample_time=", "keys_time=", "deal_time=", "blocks_time=",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        let auto = Strategy::Auto { recall: 0.99, seed: 1 };
        let text = session.explain_by("ndb", "dpc", &options(&[]), auto, false).await.unwrap();
        let reason = "strategy: exhaustive, because 9.0e6 pairs take about 0.0 s at 1.2e9 pairs/s and core\n";
        assert!(text.contains(reason) && text.contains("DiceJoinExec"), "{text}");
    });
}

#[test]
fn what_bands_cannot_do_is_refused() {
    let session = tables(3000, PLENTY);
    runtime().block_on(async {
        for recall in [0.0, 1.0, f64::NAN] {
            let refused =
                session.link_by("ndb", "dpc", &options(&[]), Strategy::Lsh { recall, seed: 1 }).await.unwrap_err();
            assert!(matches!(refused, PlanError::Lsh(_)), "{refused}");
        }
        // At this threshold unrelated rows are near enough, so that bands would compare a good share of all pairs.
        let low = LinkOptions { threshold: "0.4".parse().unwrap(), ..options(&[]) };
        let refused = drain(session.link_by("ndb", "dpc", &low, LSH).await.unwrap()).await.unwrap_err();
        assert!(matches!(refused, PlanError::Lsh(_)) && refused.to_string().contains("\nhint: "), "{refused}");
    });
    let tight = tables(3000, 2 * 3000 * 200);
    runtime().block_on(async {
        let refused = drain(tight.link_by("ndb", "dpc", &options(&[]), LSH).await.unwrap()).await.unwrap_err();
        assert!(matches!(refused, PlanError::Memory { .. }), "{refused}");
    });
}

#[test]
fn pairs_of_a_band_that_do_not_fit_are_refused_and_all_memory_given_back() {
    // A placeholder token that 600 rows of either side have: 360,000 pairs, all in the first band.
    let (mut left, mut right) = people(30_000);
    for row in left.iter_mut().chain(&mut right).filter(|row| row.exact[0].is_none()).step_by(50) {
        row.clk = Some(vec![0b0101_0100; 128]);
    }
    let run = |spare_bytes: usize| {
        let sides = 60_000 * 150;
        let (left, right) = (table(&left, 128, 700), table(&right, 128, 900));
        let tables = left.bytes() + right.bytes();
        let session = session(left, right, tables + sides + spare_bytes, 2);
        let linked =
            runtime().block_on(async { drain(session.link_by("ndb", "dpc", &options(&[]), LSH).await?).await });
        assert_eq!(session.reserved_bytes(), tables);
        linked
    };
    let refused = run(3 << 20).unwrap_err();
    assert!(matches!(refused, PlanError::OutOfMemory { .. }), "{refused}");
    assert!(run(200 << 20).unwrap().len() > 300_000);
}

#[test]
fn dropping_the_stream_stops_the_bands_and_gives_all_memory_back() {
    let session = tables(40_000, PLENTY);
    let tables = session.reserved_bytes();
    runtime().block_on(async {
        let mut stream = session.link_by("ndb", "dpc", &options(&[]), LSH).await.unwrap();
        assert!(!stream.next().await.unwrap().unwrap().is_empty());
        assert!(session.reserved_bytes() > tables);
        drop(stream);
        let dropped = Instant::now();
        while session.reserved_bytes() > tables {
            assert!(dropped.elapsed() < LONG, "memory is held long after the stream was dropped");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn an_empty_table_links_to_nothing() {
    let (left, _) = people(20);
    let session = session(table(&[], 128, 9), table(&left, 128, 9), PLENTY, 2);
    runtime().block_on(async {
        for (left, right) in [("ndb", "dpc"), ("dpc", "ndb")] {
            let stream = session.link_by(left, right, &options(&[]), LSH).await.unwrap();
            assert_eq!(drain(stream).await.unwrap(), []);
        }
    });
}
