//! Workers as processes of their own, over mutual TLS on this machine: the same pairs as in one process, also when a
//! worker is killed in mid-run; a dropped run stops them; nobody but the linkage unit is answered.
//!
//! Needs the feature `distributed`, which CI does not build: `just cluster`.

#[path = "../../../linkage-plan/tests/cluster/people.rs"]
#[allow(dead_code, reason = "shared with the tests of linkage-plan, which use all of it")]
mod people;
#[path = "../../../linkage-plan/tests/plan/support.rs"]
#[allow(dead_code, reason = "shared with the tests of linkage-plan, which use all of it")]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkage_plan::cluster::{Cluster, ClusterOptions, Connect};
use linkage_plan::{Candidate, LinkOptions, LinkSession, Strategy};
use linkage_service::authority::Authority;
use linkage_service::cluster::UnitConnect;
use linkage_service::role::Role;
use object_store::local::LocalFileSystem;
use time::OffsetDateTime;

use support::{Draws, PLENTY, Row, drain, runtime, session, table};

/// A worker's process; killed when this is dropped.
struct Worker {
    process: Child,
    url: String,
}

impl Worker {
    fn start(world: &Path, name: &str) -> Self {
        let ready = world.join(format!("{name}.ready"));
        let process = Command::new(env!("CARGO_BIN_EXE_linkage-service"))
            .arg("worker")
            .args(["--listen", "127.0.0.1:0"])
            .args([Path::new("--credential"), &world.join("worker"), Path::new("--objects"), &world.join("shared")])
            .args([Path::new("--ready-file"), &ready])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let waiting = Instant::now();
        while !ready.exists() {
            assert!(waiting.elapsed() < Duration::from_secs(60), "the worker does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, url: format!("https://{}", std::fs::read_to_string(ready).unwrap().trim()) }
    }

    /// Processor time that it has used.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder of a linkage unit with an authority, a worker's credential and the shared folder.
fn world() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let now = OffsetDateTime::now_utc();
    let authority = Authority::create(&path, now).unwrap();
    let identity = authority.issue_worker(&["127.0.0.1".into()], "worker", now).unwrap();
    identity.write_credential(&authority, &path.join("worker")).unwrap();
    std::fs::create_dir(path.join("shared")).unwrap();
    (folder, path)
}

fn cluster(world: &Path, workers: &[&Worker], unit_rows: usize) -> Cluster {
    let connect = UnitConnect::new(world, OffsetDateTime::now_utc()).unwrap();
    let urls: Vec<String> = workers.iter().map(|worker| worker.url.clone()).collect();
    let objects = Arc::new(LocalFileSystem::new_with_prefix(world.join("shared")).unwrap());
    let options = ClusterOptions { unit_rows, attempts: 5, patience: Duration::from_secs(10) };
    Cluster::new(&urls, connect, objects, options).unwrap()
}

/// Distinct random CLKs, of which every hundredth comes again on the other side.
fn rows(count: usize, seed: u64) -> Vec<Row> {
    let (mut draws, mut shared) = (Draws(seed), Draws(99));
    let clk = |draws: &mut Draws| Some((0..128).map(|_| draws.below(256) as u8).collect());
    let row = |at: usize| clk(if at.is_multiple_of(100) { &mut shared } else { &mut draws });
    (0..count).map(row).map(|clk| Row { clk, ..Row::default() }).collect()
}

fn local(left: &[Row], right: &[Row]) -> LinkSession {
    session(table(left, 128, 5000), table(right, 128, 5000), PLENTY, 2)
}

fn options() -> LinkOptions {
    LinkOptions::new("0.9".parse().unwrap(), Vec::new())
}

fn sorted(candidates: Vec<Candidate>) -> Vec<(u32, u32, u64)> {
    let mut pairs: Vec<_> = candidates.iter().map(|pair| (pair.left, pair.right, pair.score.to_bits())).collect();
    pairs.sort_unstable();
    pairs
}

#[test]
fn two_processes_find_the_same_pairs_as_one_also_when_one_of_them_is_killed() {
    let (_folder, world) = world();
    let (one, two) = (Worker::start(&world, "one"), Worker::start(&world, "two"));
    let (left, right) = (rows(20_000, 5), rows(20_000, 6));
    runtime().block_on(async {
        let expected = sorted(drain(local(&left, &right).link("ndb", "dpc", &options()).await.unwrap()).await.unwrap());
        assert!(expected.len() >= 200, "{} pairs", expected.len());

        let cluster = cluster(&world, &[&one, &two], 4_000);
        assert_eq!(cluster.probe().await, Vec::<String>::new());
        let there = local(&left, &right).with_cluster(cluster.clone());
        let found = drain(there.link("ndb", "dpc", &options()).await.unwrap()).await.unwrap();
        assert_eq!(sorted(found), expected);
        assert!(one.cpu() > Duration::ZERO && two.cpu() > Duration::ZERO);

        // SIGKILL, as soon as the first pairs are there.
        let mut stream = there.link("ndb", "dpc", &options()).await.unwrap();
        let mut found = stream.next().await.unwrap().unwrap();
        drop(one);
        while let Some(more) = stream.next().await {
            found.extend(more.unwrap());
        }
        assert_eq!(sorted(found), expected, "after a worker was killed");
        assert_eq!(cluster.probe().await.len(), 1);
    });
    let sealed = std::fs::read_dir(world.join("shared/links")).unwrap().count();
    assert!(sealed <= 2, "{sealed} folders are left");
}

#[test]
fn bands_blocking_keys_and_best_pairs_are_those_of_one_process_also_when_a_worker_is_killed() {
    let [left, right] = people::people(8000);
    let local = || session(people::token_table(&left, 1), people::token_table(&right, 1), PLENTY, 2);
    let bands = Strategy::Lsh { recall: 0.99, seed: 5 };
    let keyed = Strategy::Keyed { keys: Vec::new(), seed: 3 };
    for (strategy, top_k) in [(bands, None), (keyed, None), (Strategy::Exhaustive, Some(1))] {
        let (_folder, world) = world();
        let (one, two) = (Worker::start(&world, "one"), Worker::start(&world, "two"));
        runtime().block_on(async {
            let options = LinkOptions { top_k, ..LinkOptions::new("0.8".parse().unwrap(), vec!["a".into()]) };
            let stream = local().link_by("ndb", "dpc", &options, strategy.clone()).await.unwrap();
            let progress = stream.progress();
            let expected = sorted(drain(stream).await.unwrap());
            let here = progress.report();
            assert!(here.dice_pairs >= 1000, "{} pairs", here.dice_pairs);

            let cluster = cluster(&world, &[&one, &two], 1_000);
            let there = local().with_cluster(cluster.clone());
            for killed in [None, Some(one)] {
                let case = format!("{strategy:?}, killed: {}", killed.is_some());
                let mut stream = there.link_by("ndb", "dpc", &options, strategy.clone()).await.unwrap();
                let progress = stream.progress();
                let mut found = Vec::new();
                // The exact pairs come first. Best pairs are handed on in the end, and so is nothing before it.
                while let Some(more) = stream.next().await {
                    found.extend(more.unwrap());
                    if top_k.is_some() || found.iter().any(|pair| !pair.exact) {
                        break;
                    }
                }
                // SIGKILL.
                let lost = killed.is_some();
                drop(killed);
                while let Some(more) = stream.next().await {
                    found.extend(more.unwrap());
                }
                assert!(sorted(found) == expected, "{case}");
                let report = progress.report();
                assert_eq!(
                    (report.lsh, report.keyed, report.compared),
                    (here.lsh, here.keyed, here.compared),
                    "{case}"
                );
                assert_eq!(cluster.probe().await.len(), usize::from(lost), "{case}");
            }
            assert!(two.cpu() > Duration::ZERO);
        });
    }
}

#[test]
fn a_dropped_run_stops_both_workers() {
    let (_folder, world) = world();
    let (one, two) = (Worker::start(&world, "one"), Worker::start(&world, "two"));
    let left = rows(60_000, 7);
    runtime().block_on(async {
        let there = local(&left, &left).with_cluster(cluster(&world, &[&one, &two], 10_000));
        let cpu = || one.cpu() + two.cpu();
        // All pairs of a unit are streamed; the best ones are known when all units are done.
        for top_k in [None, Some(1)] {
            let options = LinkOptions { top_k, ..options() };
            let before = cpu();
            drain(there.link("ndb", "dpc", &options).await.unwrap()).await.unwrap();
            let whole = cpu() - before;

            let before = cpu();
            let mut stream = there.link("ndb", "dpc", &options).await.unwrap();
            let began = Instant::now();
            // They are at work.
            while cpu() - before < whole / 10 {
                let _ = tokio::time::timeout(Duration::from_millis(20), stream.next()).await;
                assert!(began.elapsed() < Duration::from_secs(60), "the workers do not begin");
            }
            drop(stream);
            let dropped = Instant::now();
            let mut used = cpu();
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let now = cpu();
                // Workers are asked now and then whether they are there, which takes next to nothing.
                if now - used <= Duration::from_millis(20) {
                    break;
                }
                used = now;
                assert!(dropped.elapsed() < Duration::from_secs(60), "the workers go on");
            }
            let used = cpu() - before;
            assert!(used < whole / 2, "the workers used {used:?} for a dropped run, {whole:?} for a whole one");
        }
    });
}

#[test]
fn a_worker_answers_its_linkage_unit_and_nobody_else() {
    let (_folder, world) = world();
    let worker = Worker::start(&world, "one");
    let now = OffsetDateTime::now_utc();
    let authority = Authority::open(&world).unwrap();
    let url: url::Url = worker.url.parse().unwrap();
    runtime().block_on(async {
        assert_eq!(cluster(&world, &[&worker], 1000).probe().await, Vec::<String>::new());
        // The operator's certificate is of the same authority, and still it is not the unit's.
        let operator = authority.issue_client(&Role::Operator, "operator", now).unwrap();
        let tls = tonic::transport::ClientTlsConfig::new()
            .ca_certificate(tonic::transport::Certificate::from_pem(authority.certificate_pem()))
            .identity(tonic::transport::Identity::from_pem(operator.certificate_pem, operator.key_pem));
        let channel = tonic::transport::Endpoint::from_shared(worker.url.clone())
            .unwrap()
            .tls_config(tls)
            .unwrap()
            .connect_lazy();
        struct AsOperator(tonic::transport::Channel);
        impl Connect for AsOperator {
            fn connect(
                &self,
                _: &url::Url,
            ) -> futures::future::BoxFuture<
                'static,
                Result<tonic::transport::Channel, Box<dyn std::error::Error + Send + Sync>>,
            > {
                let channel = self.0.clone();
                Box::pin(async { Ok(channel) })
            }
        }
        let objects = Arc::new(object_store::memory::InMemory::new());
        let cluster =
            Cluster::new(&[url.to_string()], AsOperator(channel), objects, ClusterOptions::default()).unwrap();
        let problems = cluster.probe().await;
        assert!(problems.len() == 1 && problems[0].contains("linkage unit alone"), "{problems:?}");
        // Another unit's certificate does not get past the handshake.
        let other = tempfile::tempdir().unwrap();
        Authority::create(other.path(), now).unwrap();
        let stranger = UnitConnect::new(other.path(), now).unwrap();
        let objects = Arc::new(object_store::memory::InMemory::new());
        let cluster = Cluster::new(&[url.to_string()], stranger, objects, ClusterOptions::default()).unwrap();
        assert_eq!(cluster.probe().await.len(), 1);
    });
}
