//! Which pairs a run compares, and the certificate of what it found by that.

use linkage_proto::v1::run_service_client::RunServiceClient;
use linkage_proto::v1::{CancelRunRequest, ExplainRunRequest, ListRunsRequest, RunState, RunStatus};
use linkage_service::audit::verify;
use linkage_service::config::{Candidates, Config, Matching, Uncertified};
use linkage_service::signing::PublicKey;

use crate::calls::{audit_log, catalogue, keys, link, start, submit, submit_all, watch};
use crate::tokens::{CHANGED, Recipe};
use crate::world::{World, code};

fn world(matching: Matching) -> World {
    World::with_config(Config { matching, ..Config::default() })
}

fn by(candidates: Candidates) -> Matching {
    Matching { candidates, ..Matching::default() }
}

async fn run(world: &World, databases: &[&str]) -> RunStatus {
    world.submit_permit(world.permit("p-1", "heart", databases, 1)).await.unwrap();
    link(world, "heart", "p-1").await
}

async fn explain(world: &World, run: &RunStatus) -> String {
    let mut client = RunServiceClient::new(world.connect("heart").await);
    let request = ExplainRunRequest { run_id: run.run_id.clone() };
    client.explain(request).await.unwrap().into_inner().text
}

async fn submit_blocked(world: &World, databases: &[(&'static str, std::ops::Range<u32>)]) {
    for (database, persons) in databases {
        let recipe = Recipe { schema: "person-ja-blocked", ..Recipe::of(database) };
        let path = world.tokens(&format!("{database}.tokens"), recipe, persons.clone());
        assert!(submit(world, database, &path).await.unwrap().receipt.is_some());
    }
}

const DATABASES: [(&str, std::ops::Range<u32>); 3] = [("ndb", 0..900), ("dpc", 300..1200), ("kaigo", 880..920)];

#[test]
fn bands_link_what_all_pairs_link_and_their_certificate_is_shown_stored_and_audited() {
    let mut world = world(by(Candidates::Bands));
    let (done, log) = world.block_on(async {
        submit_all(&world, &DATABASES).await;
        let done = run(&world, &["ndb", "dpc", "kaigo"]).await;
        assert_eq!((done.state(), done.failure.as_str()), (RunState::Done, ""));
        // 300..900 in ndb and dpc, 900..920 in dpc and kaigo.
        assert_eq!((done.linkage_keys.as_str(), done.candidates.as_str(), done.recall), ("620", "bands", Some(0.99)));
        assert_eq!(done.certificates.len(), 3);
        let pair = &done.certificates[1];
        assert_eq!((pair.left_database.as_str(), pair.right_database.as_str()), ("dpc", "ndb"));
        assert!(pair.certified && pair.demand == Some(0.99) && pair.candidates == "bands", "{pair:?}");
        assert!(pair.recall >= 0.99 && pair.lower >= 0.99 && pair.upper <= 1.0, "{pair:?}");
        assert!(pair.bands_searched >= 1 && pair.bands_solved > 1 && pair.bits > 3, "{pair:?}");
        assert_eq!((pair.found_pairs.as_str(), pair.sample_pairs.as_str()), ("600", "600"));
        assert!(done.compared_pairs < 900 * 900, "{}", done.compared_pairs);
        let text = explain(&world, &done).await;
        assert!(text.contains("LshJoinExec") && text.contains("strategy: bands, as asked for"), "{text}");
        assert_eq!(catalogue(&world).await.candidates, "bands");
        (done, audit_log(&world).await)
    });
    let entry = log.lines().find(|line| line.contains("run.certificate") && line.contains("dpc")).unwrap();
    for part in ["\"certified\":\"yes\"", "\"demand\":\"0.990000\"", "\"sample-found\":", "\"bands-searched\":"] {
        assert!(entry.contains(part), "{part}: {entry}");
    }
    // The same after a restart: it is in the store.
    world.stop();
    world.start();
    world.block_on(async {
        let mut client = RunServiceClient::new(world.connect("heart").await);
        let runs = client.list(ListRunsRequest {}).await.unwrap().into_inner().runs;
        assert_eq!(runs, [done]);
        let key = PublicKey::load(&world.unit().join("audit.pub")).unwrap();
        verify(audit_log(&world).await.as_bytes(), &key, None).unwrap();
    });
}

#[test]
fn a_repeated_run_by_bands_gives_the_same_keys() {
    let world = world(by(Candidates::Bands));
    world.block_on(async {
        submit_all(&world, &DATABASES[..2]).await;
        let first = run(&world, &["ndb", "dpc"]).await;
        let again = link(&world, "heart", "p-1").await;
        assert_eq!(
            keys(&world, "heart", &first.run_id).await.unwrap(),
            keys(&world, "heart", &again.run_id).await.unwrap()
        );
        assert_eq!(first.certificates, again.certificates);
    });
}

/// Two databases of strangers, and twenty persons in both who are harder to find than the solver takes the worst pair to be.
const HARD: [(&str, std::ops::Range<u32>); 2] =
    [("ndb", CHANGED - 2500..CHANGED + 20), ("dpc", CHANGED - 2500..CHANGED + 20)];

#[test]
fn a_run_whose_recall_is_not_shown_is_refused_or_marked_as_the_operator_chose() {
    for uncertified in [Uncertified::Refuse, Uncertified::Mark] {
        let world = world(Matching { uncertified, ..by(Candidates::Bands) });
        world.block_on(async {
            submit_all(&world, &HARD).await;
            let ended = run(&world, &["ndb", "dpc"]).await;
            let [pair] = ended.certificates.as_slice() else { panic!("{ended:?}") };
            // All rows were drawn, so that the recall is known exactly, and twice the bands were searched.
            assert!(!pair.certified && pair.recall < 0.99 && pair.bands_searched == 2 * pair.bands_solved, "{pair:?}");
            let log = audit_log(&world).await;
            let entry = log.lines().find(|line| line.contains("run.certificate")).unwrap();
            assert!(entry.contains("\"certified\":\"no\""), "{entry}");
            if uncertified == Uncertified::Mark {
                assert_eq!((ended.state(), ended.failure.as_str()), (RunState::Done, ""));
                assert!(!ended.linkage_keys.is_empty() && entry.contains("allowed"), "{entry}");
            } else {
                assert_eq!((ended.state(), ended.linkage_keys.as_str()), (RunState::Failed, ""));
                assert!(ended.failure.starts_with("dpc – ndb: the recall is NOT CERTIFIED: 0.99 was asked for"));
                for part in
                    ["; bands do not find more in these tokens\nhint: compare all pairs", "uncertified = \"mark\""]
                {
                    assert!(ended.failure.contains(part), "{}", ended.failure);
                }
                assert!(entry.contains("not-certified"), "{entry}");
                assert_eq!(code(&keys(&world, "heart", "").await.unwrap_err()), "no-run");
            }
        });
    }
}

#[test]
fn blocking_keys_find_pairs_and_the_run_says_how_many_of_them_there_are() {
    let world = world(by(Candidates::Keyed));
    world.block_on(async {
        submit_blocked(&world, &[("ndb", 0..600), ("dpc", 200..800)]).await;
        let done = run(&world, &["ndb", "dpc"]).await;
        // One person in ten has another key in dpc.
        assert_eq!((done.state(), done.linkage_keys.as_str(), done.recall), (RunState::Done, "360", None));
        let [pair] = done.certificates.as_slice() else { panic!("{done:?}") };
        assert_eq!((pair.candidates.as_str(), pair.demand, pair.certified), ("keyed", None, false));
        assert_eq!((pair.found_pairs.as_str(), pair.sample_pairs.as_str(), pair.recall), ("360", "400", 0.9));
        assert!(pair.reduction_ratio > 0.99 && pair.compared_pairs == "360", "{pair:?}");
        assert!(explain(&world, &done).await.contains("KeyedJoinExec"));
        assert!(audit_log(&world).await.contains("\"certified\":\"not-asked\""));
    });
}

#[test]
fn a_learnt_run_takes_its_candidates_by_the_same_means() {
    let world = world(Matching { threshold: "learnt".to_owned(), ..by(Candidates::Keyed) });
    world.block_on(async {
        submit_blocked(&world, &[("ndb", 0..900), ("dpc", 301..1201)]).await;
        let done = run(&world, &["ndb", "dpc"]).await;
        assert_eq!((done.state(), done.failure.as_str(), done.threshold.as_str()), (RunState::Done, "", "learnt"));
        assert!(done.certificates.len() == 1 && explain(&world, &done).await.contains("KeyedJoinExec"));
    });
}

#[test]
fn what_cannot_be_had_is_refused_with_a_hint() {
    // Token files without blocking keys.
    let keyed = world(by(Candidates::Keyed));
    keyed.block_on(async {
        submit_all(&keyed, &DATABASES[..2]).await;
        let failed = run(&keyed, &["ndb", "dpc"]).await;
        assert_eq!(failed.state(), RunState::Failed);
        assert!(failed.failure.starts_with("the token file of dpc has no blocking keys"), "{}", failed.failure);
        assert!(failed.failure.contains("\nhint: tokenise with a linkage schema that has `blocking_keys`"));
    });
    // Half of the bits set, and a threshold hardly above chance, as diffused tokens have: the solver says so.
    let diffused = world(Matching { threshold: "0.60".to_owned(), ..by(Candidates::Bands) });
    diffused.block_on(async {
        submit_all(&diffused, &[("ndb", 0..4000), ("dpc", 3000..7000)]).await;
        let failed = run(&diffused, &["ndb", "dpc"]).await;
        assert_eq!(failed.state(), RunState::Failed);
        for part in ["dpc – ndb: bands cannot find 99.0 %", "as in diffused tokens", "\nhint: compare all pairs"] {
            assert!(failed.failure.contains(part), "{part}: {}", failed.failure);
        }
    });
    // Tokens of several segments.
    let segmented = world(by(Candidates::Bands));
    segmented.block_on(async {
        for database in ["ndb", "dpc"] {
            let recipe = Recipe { schema: "person-ja-max-quality", ..Recipe::of(database) };
            let path = segmented.tokens(&format!("{database}.tokens"), recipe, 0..60);
            assert!(submit(&segmented, database, &path).await.unwrap().receipt.is_some());
        }
        let accepting = segmented.permit_that_declares("p-1", "heart", &["ndb", "dpc"], 1, &["max-quality-risk"]);
        segmented.submit_permit(accepting).await.unwrap();
        let refused = start(&segmented, "heart", "p-1").await.unwrap_err();
        assert_eq!(code(&refused), "segments-in-bands");
        assert!(refused.message().contains("\nhint: "), "{}", refused.message());
    });
}

#[test]
fn the_planner_compares_all_pairs_of_small_databases_and_certifies_nothing() {
    let world = world(by(Candidates::Auto));
    world.block_on(async {
        submit_all(&world, &DATABASES[..2]).await;
        let done = run(&world, &["ndb", "dpc"]).await;
        assert_eq!((done.state(), done.linkage_keys.as_str(), done.recall), (RunState::Done, "600", Some(0.99)));
        assert_eq!((done.certificates.len(), done.candidates.as_str()), (0, "auto"));
        assert!(explain(&world, &done).await.contains("strategy: exhaustive, because"));
    });
}

#[test]
fn a_run_by_bands_can_be_cancelled() {
    let world = world(by(Candidates::Bands));
    world.block_on(async {
        submit_all(&world, &[("ndb", 0..60_000), ("dpc", 59_000..119_000)]).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        let run = start(&world, "heart", "p-1").await.unwrap();
        let mut client = RunServiceClient::new(world.connect("heart").await);
        let request = CancelRunRequest { run_id: run.run_id.clone() };
        let ended = client.cancel(request).await.unwrap().into_inner().run.unwrap();
        assert_eq!((ended.state(), ended.certificates.len()), (RunState::Cancelled, 0));
        let last = watch(&world, "heart", &run.run_id).await.unwrap().pop().unwrap();
        assert_eq!(last.state(), RunState::Cancelled);
    });
}
