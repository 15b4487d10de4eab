//! Links and queries on workers, compared with the same on one machine. Workers of this test are servers in this process,
//! without TLS; the service's own cluster test has them as processes, with it.
//!
//! Needs the feature `distributed`, which CI does not build: `just cluster`.

mod codec;
mod people;
mod shapes;
mod strategies;
#[path = "../plan/support.rs"]
#[allow(dead_code, reason = "shared with the tests of plans, which use all of it")]
mod support;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use linkage_plan::cluster::{Cluster, ClusterOptions, ClusterSession, Connect, worker_service};
use linkage_plan::{Candidate, LinkOptions, LinkSession, PlanError, PlanOptions};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use url::Url;

use support::{Draws, LONG, PLENTY, Row, drain, pairs_of, runtime, session, table};

/// Connects without TLS.
struct Plain;

impl Connect for Plain {
    fn connect(&self, worker: &Url) -> BoxFuture<'static, Result<Channel, Box<dyn Error + Send + Sync>>> {
        let worker = worker.to_string();
        async move { Ok(Channel::from_shared(worker)?.connect().await?) }.boxed()
    }
}

/// A worker at a free port of this machine, or at the given one.
fn worker(objects: &Arc<dyn ObjectStore>, address: Option<SocketAddr>) -> (SocketAddr, JoinHandle<()>) {
    worker_with(objects, address, PLENTY)
}

/// A worker with so much memory.
fn worker_with(
    objects: &Arc<dyn ObjectStore>,
    address: Option<SocketAddr>,
    memory_bytes: usize,
) -> (SocketAddr, JoinHandle<()>) {
    let address = address.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    let incoming = TcpIncoming::bind(address).unwrap();
    let address = incoming.local_addr().unwrap();
    let service = worker_service(memory_bytes, Arc::clone(objects)).unwrap();
    let serving = Server::builder().add_service(service).serve_with_incoming(incoming);
    (address, tokio::spawn(async move { serving.await.unwrap() }))
}

fn urls(addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(|address| format!("http://{address}")).collect()
}

fn small_units() -> ClusterOptions {
    ClusterOptions { unit_rows: 400, attempts: 3, patience: Duration::from_secs(2) }
}

fn options(threshold: &str, exact: &[&str]) -> LinkOptions {
    LinkOptions::new(threshold.parse().unwrap(), exact.iter().map(|name| (*name).into()).collect())
}

fn sorted(candidates: Vec<Candidate>) -> Vec<(u32, u32, u64, bool)> {
    let mut pairs: Vec<_> =
        candidates.into_iter().map(|pair| (pair.left, pair.right, pair.score.to_bits(), pair.exact)).collect();
    pairs.sort_unstable();
    pairs
}

fn tables(left: usize, right: usize) -> (Vec<Row>, Vec<Row>) {
    let mut draws = Draws(41);
    (draws.rows(left, 128), draws.rows(right, 128))
}

fn local(left: &[Row], right: &[Row]) -> LinkSession {
    session(table(left, 128, 500), table(right, 128, 500), PLENTY, 2)
}

#[test]
fn a_link_on_two_workers_finds_the_same_pairs_as_on_one_machine_and_leaves_nothing_in_the_store() {
    let (left, right) = tables(1500, 2500);
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (one, two) = (worker(&objects, None), worker(&objects, None));
        let cluster = Cluster::new(&urls(&[one.0, two.0]), Plain, Arc::clone(&objects), small_units()).unwrap();
        for exact in [&[][..], &["a"], &["a", "b"]] {
            let here = local(&left, &right);
            let expected =
                sorted(drain(here.link("ndb", "dpc", &options("0.85", exact)).await.unwrap()).await.unwrap());
            let there = local(&left, &right).with_cluster(cluster.clone());
            let stream = there.link("ndb", "dpc", &options("0.85", exact)).await.unwrap();
            let progress = stream.progress();
            let found = sorted(drain(stream).await.unwrap());
            assert!(!expected.is_empty() && found == expected, "{} of {} pairs", found.len(), expected.len());
            let report = progress.report();
            let exact_pairs = found.iter().filter(|pair| pair.3).count() as u64;
            assert_eq!((report.exact_pairs, report.dice_pairs), (exact_pairs, found.len() as u64 - exact_pairs));
            assert!(report.compared > 0 && report.bytes > 0, "{report:?}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let left_over = futures::TryStreamExt::try_collect::<Vec<_>>(objects.list(None)).await.unwrap();
        assert!(left_over.is_empty(), "{left_over:?}");
    });
}

#[test]
fn every_shape_of_query_finds_on_workers_what_it_finds_here() {
    let (left, right) = tables(300, 700);
    let join = "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l JOIN dpc r ON";
    let shapes = [
        format!("{join} dice(l.clk, r.clk) >= 0.85"),
        format!("{join} 0.85 < dice(r.clk, l.clk)"),
        format!("{join} dice(l.clk, r.clk) >= 0.8 AND l.place + r.place > 4"),
        format!("{join} dice(l.clk, r.clk) >= 0.8 AND l.place = r.place"),
        format!("{join} dice(l.clk, r.clk) * 2 >= 1.7"),
        format!("{join} l.exact_a = r.exact_a"),
        format!("{join} dice(l.clk, r.clk) >= 0.8 WHERE l.row < 40"),
        "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l JOIN ndb r ON dice(l.clk, r.clk) >= 0.9 AND l.row < r.row"
            .into(),
        format!("{join} l.exact_a = r.exact_a UNION ALL {join} dice(l.clk, r.clk) >= 0.9 AND l.row + r.row < 100")
            .replacen("l.exact_a = r.exact_a UNION", "l.exact_a = r.exact_a AND l.row + r.row >= 100 UNION", 1),
        "SELECT l.row, r.row, dice(l.clk, r.clk)
         FROM (SELECT * FROM ndb x LEFT ANTI JOIN dpc y ON x.exact_a = y.exact_a) l
         JOIN (SELECT * FROM dpc x LEFT ANTI JOIN ndb y ON x.exact_a = y.exact_a) r ON dice(l.clk, r.clk) >= 0.8"
            .into(),
    ];
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (one, two) = (worker(&objects, None), worker(&objects, None));
        // A plan of one chunk on either side must not be cut wrongly either.
        for unit_rows in [400, 100_000] {
            let options = ClusterOptions { unit_rows, ..small_units() };
            let cluster = Cluster::new(&urls(&[one.0, two.0]), Plain, Arc::clone(&objects), options).unwrap();
            let here = local(&left, &right);
            let there = ClusterSession::new(&cluster, &here).await.unwrap();
            there.register("ndb", &table(&left, 128, 500)).await.unwrap();
            there.register("dpc", &table(&right, 128, 500)).await.unwrap();
            for query in &shapes {
                let expected = pairs_of(&here.sql(query).await.unwrap());
                let found = pairs_of(&there.sql(query).await.unwrap());
                let plan = there.explain_sql(query).await.unwrap();
                assert!(plan.contains("DistributedExec"), "{plan}");
                assert!(found == expected, "{query}: {} of {} pairs\n{plan}", found.len(), expected.len());
                assert!(!expected.is_empty(), "{query} shows nothing");
            }
        }
    });
}

#[test]
fn without_a_list_of_workers_a_link_runs_here() {
    let (left, right) = tables(100, 100);
    runtime().block_on(async {
        let cluster = Cluster::new(&[], Plain, Arc::new(InMemory::new()), ClusterOptions::default()).unwrap();
        let here = local(&left, &right).with_cluster(cluster);
        let stream = here.link("ndb", "dpc", &options("0.85", &["a"])).await.unwrap();
        assert!(!drain(stream).await.unwrap().is_empty());
    });
}

#[test]
fn a_worker_that_is_not_there_is_done_without_and_none_at_all_is_an_error_that_says_so() {
    let (left, right) = tables(600, 900);
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let one = worker(&objects, None);
        let nobody: SocketAddr = ([127, 0, 0, 1], 9).into();
        let expected =
            sorted(drain(local(&left, &right).link("ndb", "dpc", &options("0.85", &[])).await.unwrap()).await.unwrap());

        let cluster = Cluster::new(&urls(&[nobody, one.0]), Plain, Arc::clone(&objects), small_units()).unwrap();
        assert_eq!(cluster.probe().await.len(), 1);
        let there = local(&left, &right).with_cluster(cluster);
        let found = drain(there.link("ndb", "dpc", &options("0.85", &[])).await.unwrap()).await.unwrap();
        assert_eq!(sorted(found), expected);

        let cluster = Cluster::new(&urls(&[nobody]), Plain, Arc::clone(&objects), small_units()).unwrap();
        let there = local(&left, &right).with_cluster(cluster);
        let error = drain(there.link("ndb", "dpc", &options("0.85", &[])).await.unwrap()).await.unwrap_err();
        assert!(matches!(&error, PlanError::NoWorker { workers: 1, .. }), "{error:?}");
        assert!(error.to_string().contains("127.0.0.1:9") && error.to_string().contains("hint: "), "{error}");
    });
}

#[test]
fn a_worker_that_answers_and_breaks_all_that_it_is_given_does_not_fail_the_link() {
    let (left, right) = tables(1500, 2500);
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        // It has no memory for anything, says so at once, and asks for more.
        let (broken, one) = (worker_with(&objects, None, 1000), worker(&objects, None));
        let options = options("0.85", &["a"]);
        let expected = sorted(drain(local(&left, &right).link("ndb", "dpc", &options).await.unwrap()).await.unwrap());
        // With two attempts a unit may fail by the broken one once, and never twice.
        let attempts = ClusterOptions { attempts: 2, ..small_units() };
        let cluster = Cluster::new(&urls(&[broken.0, one.0]), Plain, Arc::clone(&objects), attempts.clone()).unwrap();
        assert!(cluster.probe().await.is_empty(), "the broken worker does not answer");
        let stream = local(&left, &right).with_cluster(cluster).link("ndb", "dpc", &options).await.unwrap();
        let progress = stream.progress();
        assert_eq!(sorted(drain(stream).await.unwrap()), expected);
        assert!(progress.report().work_units_run_again > 0, "it was given nothing");

        let cluster = Cluster::new(&urls(&[broken.0]), Plain, Arc::clone(&objects), attempts).unwrap();
        let alone = local(&left, &right).with_cluster(cluster).link("ndb", "dpc", &options).await.unwrap();
        let error = drain(alone).await.unwrap_err();
        assert!(matches!(&error, PlanError::WorkUnit { attempts: 2, .. }), "{error:?}");
    });
}

#[test]
fn dropping_the_stream_ends_the_link_and_clears_the_store() {
    let mut draws = Draws(8);
    let rows: Vec<Row> = (0..40_000)
        .map(|_| Row { clk: Some((0..128).map(|_| draws.below(256) as u8).collect()), ..Row::default() })
        .collect();
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (one, two) = (worker(&objects, None), worker(&objects, None));
        let unit = ClusterOptions { unit_rows: 4_000, ..small_units() };
        let cluster = Cluster::new(&urls(&[one.0, two.0]), Plain, Arc::clone(&objects), unit).unwrap();
        let there = local(&rows, &rows).with_cluster(cluster);
        let mut stream = there.link("ndb", "dpc", &options("0.8", &[])).await.unwrap();
        let progress = stream.progress();
        assert!(!stream.next().await.unwrap().unwrap().is_empty());
        drop(stream);
        let compared = progress.report().compared;
        assert!(compared < 40_000 * 40_000, "it was done before it was dropped");
        let dropped = Instant::now();
        while objects.list(None).next().await.is_some() {
            assert!(dropped.elapsed() < LONG, "chunks lie in the store long after the stream was dropped");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        // That workers stop computing the service's cluster test shows, whose workers are processes.
        assert_eq!(progress.report().compared, compared, "units were taken over after the stream was dropped");
    });
}

#[test]
fn a_worker_that_goes_and_comes_back_loses_and_doubles_nothing() {
    let (left, right) = tables(3000, 3000);
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (one, two) = (worker(&objects, None), worker(&objects, None));
        let expected =
            sorted(drain(local(&left, &right).link("ndb", "dpc", &options("0.9", &[])).await.unwrap()).await.unwrap());
        let unit = ClusterOptions { unit_rows: 800, attempts: 9, ..small_units() };
        let cluster = Cluster::new(&urls(&[one.0, two.0]), Plain, Arc::clone(&objects), unit).unwrap();
        let there = local(&left, &right).with_cluster(cluster);
        let mut stream = there.link("ndb", "dpc", &options("0.9", &[])).await.unwrap();
        let mut found = stream.next().await.unwrap().unwrap();
        one.1.abort();
        let objects_again = Arc::clone(&objects);
        let again = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(700)).await;
            worker(&objects_again, Some(one.0))
        });
        while let Some(more) = stream.next().await {
            found.extend(more.unwrap());
        }
        assert_eq!(sorted(found), expected);
        let _ = again.await;
    });
}

#[test]
fn a_session_on_a_cluster_still_runs_sql_here() {
    let (left, right) = tables(50, 50);
    let session = LinkSession::new(PlanOptions { memory_bytes: PLENTY, partitions: 2 }).unwrap();
    session.register("ndb", table(&left, 128, 20)).unwrap();
    session.register("dpc", table(&right, 128, 20)).unwrap();
    runtime().block_on(async {
        let cluster =
            Cluster::new(&["http://127.0.0.1:9".into()], Plain, Arc::new(InMemory::new()), small_units()).unwrap();
        let session = session.with_cluster(cluster);
        assert_eq!(session.sql("SELECT count(*) FROM ndb").await.unwrap()[0].num_rows(), 1);
    });
}
