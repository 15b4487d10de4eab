//! Blocking keys, bands and best pairs on workers: pair by pair and count by count what one process finds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use linkage_plan::cluster::{Cluster, ClusterOptions};
use linkage_plan::{Candidate, LinkOptions, LinkReport, LinkSession, PlanError, Strategy};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::people::{Person, crowd, people, token_table};
use crate::support::{Draws, LONG, PLENTY, drain, runtime, session};
use crate::{Plain, small_units, sorted, urls, worker};

fn tables([left, right]: &[Vec<Person>; 2], segments: u32) -> LinkSession {
    session(token_table(left, segments), token_table(right, segments), PLENTY, 2)
}

fn options(threshold: &str, exact: &[&str], top_k: Option<u32>) -> LinkOptions {
    let exact = exact.iter().map(|name| (*name).to_owned()).collect();
    LinkOptions { top_k, ..LinkOptions::new(threshold.parse().unwrap(), exact) }
}

const BANDS: Strategy = Strategy::Lsh { recall: 0.95, seed: 5 };

fn keyed(keys: &[&str]) -> Strategy {
    Strategy::Keyed { keys: keys.iter().map(|key| (*key).to_owned()).collect(), seed: 3 }
}

async fn found(session: &LinkSession, options: &LinkOptions, strategy: &Strategy) -> (Vec<Candidate>, LinkReport) {
    let stream = session.link_by("ndb", "dpc", options, strategy.clone()).await.unwrap();
    let progress = stream.progress();
    (drain(stream).await.unwrap(), progress.report())
}

/// Links both here and on two workers, and compares.
async fn same(cluster: &Cluster, people: &[Vec<Person>; 2], segments: u32, options: &LinkOptions, strategy: Strategy) {
    let (here, expected) = found(&tables(people, segments), options, &strategy).await;
    let there = tables(people, segments).with_cluster(cluster.clone());
    let before = there.reserved_bytes();
    let (pairs, report) = found(&there, options, &strategy).await;
    let LinkOptions { top_k, exact_tokens, rivals, .. } = options;
    let case = format!("{strategy:?} best {top_k:?} exact {exact_tokens:?} segments {segments} rivals {rivals}");
    let similar = here.iter().filter(|pair| !pair.exact).count();
    assert!(similar > 0, "{case} shows nothing");
    let (here, there_pairs) = (sorted(here), sorted(pairs));
    assert!(there_pairs == here, "{case}: {} of {} pairs", there_pairs.len(), here.len());
    assert_eq!((report.lsh, report.keyed), (expected.lsh, expected.keyed), "{case}");
    assert_eq!((report.compared, report.dice_pairs), (expected.compared, expected.dice_pairs), "{case}");
    assert_eq!(report.exact_with_rival, expected.exact_with_rival, "{case}");
    assert_eq!(report.exact_below_threshold, expected.exact_below_threshold, "{case}");
    assert!(!rivals || report.exact_with_rival.is_some_and(|count| count > 0), "{case} shows no rivals");
    assert!(report.bytes > 0 && report.work_units > 0 && expected.work_units == 0, "{case}");
    // Workers that search what is not wanted any more are being stopped.
    let ended = Instant::now();
    while there.reserved_bytes() > before {
        assert!(ended.elapsed() < LONG, "{case}: memory is held long after the end");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn every_strategy_finds_and_counts_on_workers_what_it_does_in_one_process() {
    let (people, crowd) = (people(1500), crowd(600));
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (one, two) = (worker(&objects, None), worker(&objects, None));
        let cluster = Cluster::new(&urls(&[one.0, two.0]), Plain, Arc::clone(&objects), small_units()).unwrap();
        for exact in [&[][..], &["a"]] {
            for top_k in [None, Some(1)] {
                let options = options("0.8", exact, top_k);
                for strategy in [BANDS, keyed(&[]), keyed(&["place"])] {
                    same(&cluster, &people, 1, &options, strategy).await;
                }
            }
        }
        for segments in [1, 4] {
            for top_k in [None, Some(1), Some(3)] {
                let options = options("0.9", &["a"], top_k);
                let auto = Strategy::Auto { recall: 0.99, seed: 1 };
                for strategy in [Strategy::Exhaustive, auto, keyed(&["place", "name"])] {
                    same(&cluster, &crowd, segments, &options, strategy).await;
                }
            }
        }
        // What exact pairs compete with is counted by work units too, beside every strategy.
        let counting = LinkOptions { rivals: true, ..options("0.7", &["a"], None) };
        for segments in [1, 4] {
            for strategy in [Strategy::Exhaustive, keyed(&["place"])] {
                same(&cluster, &crowd, segments, &counting, strategy.clone()).await;
                same(&cluster, &crowd, segments, &LinkOptions { top_k: Some(2), ..counting.clone() }, strategy).await;
            }
        }
        same(&cluster, &with_rivals(people), 1, &LinkOptions { rivals: true, ..options("0.8", &["a"], None) }, BANDS)
            .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(objects.list(None).next().await.is_none(), "chunks are left in the store");
    });
}

/// The same people, and on the right side some of those with an exact token once more, without it.
fn with_rivals([left, mut right]: [Vec<Person>; 2]) -> [Vec<Person>; 2] {
    let twins = left.iter().filter(|person| person.exact.is_some()).step_by(2);
    right.extend(twins.map(|person| Person { exact: None, ..person.clone() }));
    [left, right]
}

#[test]
fn explain_says_what_a_work_unit_runs_and_how_many_there_were() {
    let crowd = crowd(600);
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (one, two) = (worker(&objects, None), worker(&objects, None));
        let cluster = Cluster::new(&urls(&[one.0, two.0]), Plain, Arc::clone(&objects), small_units()).unwrap();
        let session = tables(&crowd, 1).with_cluster(cluster);
        let counting = LinkOptions { rivals: true, ..options("0.8", &["a"], None) };
        for (strategy, operator) in
            [(Strategy::Exhaustive, "DiceJoinExec"), (BANDS, "LshJoinExec"), (keyed(&[]), "KeyedJoinExec")]
        {
            let before = session.explain_by("ndb", "dpc", &counting, strategy.clone(), false).await.unwrap();
            let (units, here) = before.split_once("\nOn this machine:\n").unwrap();
            assert!(units.contains("on 2 workers") && units.contains("\nstrategy: "), "{before}");
            assert!(units.contains(operator) && units.matches("SharedScanExec").count() >= 6, "{before}");
            assert_eq!(units.matches("which counts conflicts, runs:").count(), 2, "{before}");
            assert!(here.contains("HashJoinExec") && !here.contains(operator), "{before}");
        }
        let after = session.explain("ndb", "dpc", &counting, true).await.unwrap();
        assert!(after.contains(" work units, 0 times one was run again\n"), "{after}");
        assert!(after.contains(" of a record that is more like another one"), "{after}");
    });
}

#[test]
fn bands_that_are_not_enough_go_on_on_workers_as_they_do_here() {
    // Strangers, and fifteen people whose filters are much fuller than theirs and differ in more bits than the solver takes the
    // worst pair to: twice the bands are searched, and the recall is not shown.
    let (mut draws, mut flips) = (Draws(23), Draws(24));
    let mut draw = |full: bool| -> Vec<u8> {
        let byte = |[a, b, c]: [u8; 3]| if full { a | (b & c) } else { a & b };
        (0..128).map(|_| byte([(); 3].map(|()| draws.below(256) as u8))).collect()
    };
    let person = |clk| Person { clk: Some(clk), exact: None, blocks: [None; 2] };
    let mut people = [(); 2].map(|()| (0..2000).map(|_| person(draw(false))).collect::<Vec<_>>());
    for _ in 0..15 {
        let mut clk = draw(true);
        people[0].push(person(clk.clone()));
        // About every fifth bit.
        (0..1024).filter(|_| flips.below(5) == 0).for_each(|bit| clk[bit / 8] ^= 1 << (bit % 8));
        people[1].push(person(clk));
    }
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let one = worker(&objects, None);
        let cluster = Cluster::new(&urls(&[one.0]), Plain, Arc::clone(&objects), small_units()).unwrap();
        let options = options("0.8", &[], None);
        let (_, here) = found(&tables(&people, 1), &options, &BANDS).await;
        let lsh = here.lsh.unwrap();
        assert!(lsh.bands.bands == 2 * lsh.plan.bands() && !lsh.certificate.certified(), "it shows nothing: {lsh}");
        same(&cluster, &people, 1, &options, BANDS).await;
    });
}

#[test]
fn an_empty_side_has_no_pairs_on_workers_either() {
    let [left, _] = people(60);
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let one = worker(&objects, None);
        let cluster = Cluster::new(&urls(&[one.0]), Plain, Arc::clone(&objects), small_units()).unwrap();
        for people in [[left.clone(), Vec::new()], [Vec::new(), left]] {
            for strategy in [Strategy::Exhaustive, BANDS, keyed(&[])] {
                let there = tables(&people, 1).with_cluster(cluster.clone());
                let (pairs, report) = found(&there, &options("0.8", &["a"], Some(2)), &strategy).await;
                assert_eq!((pairs.len(), report.lsh), (0, None));
            }
        }
    });
}

#[test]
fn a_worker_that_goes_in_mid_run_loses_and_doubles_nothing_by_any_strategy() {
    let people = people(6000);
    runtime().block_on(async {
        for (strategy, top_k) in [(BANDS, None), (keyed(&[]), None), (Strategy::Exhaustive, Some(1))] {
            let options = options("0.8", &["a"], top_k);
            let (expected, _) = found(&tables(&people, 1), &options, &strategy).await;
            let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let (one, two) = (worker(&objects, None), worker(&objects, None));
            let unit = ClusterOptions { unit_rows: 800, attempts: 9, ..small_units() };
            let cluster = Cluster::new(&urls(&[one.0, two.0]), Plain, Arc::clone(&objects), unit).unwrap();
            let there = tables(&people, 1).with_cluster(cluster);
            let mut stream = there.link_by("ndb", "dpc", &options, strategy.clone()).await.unwrap();
            let mut found = Vec::new();
            // The exact pairs come first; then the workers are at work.
            while let Some(more) = stream.next().await {
                let more = more.unwrap();
                let similar = more.iter().any(|pair| !pair.exact);
                found.extend(more);
                if similar || top_k.is_some() {
                    break;
                }
            }
            one.1.abort();
            while let Some(more) = stream.next().await {
                found.extend(more.unwrap());
            }
            assert_eq!(sorted(found), sorted(expected), "{strategy:?}");
        }
    });
}

#[test]
fn dropping_the_stream_ends_a_search_by_bands_and_clears_the_store() {
    let people = people(20_000);
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (one, two) = (worker(&objects, None), worker(&objects, None));
        let cluster = Cluster::new(&urls(&[one.0, two.0]), Plain, Arc::clone(&objects), small_units()).unwrap();
        let there = tables(&people, 1).with_cluster(cluster);
        let before = there.reserved_bytes();
        let mut stream = there.link_by("ndb", "dpc", &options("0.8", &[], None), BANDS).await.unwrap();
        let progress = stream.progress();
        assert!(!stream.next().await.unwrap().unwrap().is_empty());
        drop(stream);
        let bands = |report: LinkReport| report.lsh.unwrap().bands.bands;
        let searched = bands(progress.report());
        let dropped = Instant::now();
        while objects.list(None).next().await.is_some() || there.reserved_bytes() > before {
            assert!(dropped.elapsed() < LONG, "chunks or memory are held long after the stream was dropped");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(bands(progress.report()), searched, "units were taken over after the stream was dropped");
    });
}

#[test]
fn what_workers_cannot_do_is_refused_with_a_hint() {
    let (people, crowd) = (people(60), crowd(60));
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let one = worker(&objects, None);
        let cluster = Cluster::new(&urls(&[one.0]), Plain, Arc::clone(&objects), small_units()).unwrap();
        let composite = tables(&people, 1).with_cluster(cluster.clone());
        let segmented = tables(&crowd, 4).with_cluster(cluster);
        let plain = options("0.8", &["a"], None);
        for (session, strategy, problem) in
            [(&segmented, BANDS, "bands need composite CLKs"), (&composite, keyed(&["sound"]), "`block_sound`")]
        {
            let error = session.link_by("ndb", "dpc", &plain, strategy).await.unwrap_err();
            assert!(matches!(&error, PlanError::Link { .. }), "{error:?}");
            assert!(error.to_string().contains(problem) && error.to_string().contains("\nhint: "), "{error}");
        }
    });
}
