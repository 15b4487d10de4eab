//! Runs and releases.

use std::collections::BTreeSet;

use linkage_proto::v1::run_service_client::RunServiceClient;
use linkage_proto::v1::{CancelRunRequest, ExplainRunRequest, ListRunsRequest, RunState, RunStatus};
use linkage_service::audit::verify;
use linkage_service::config::{Config, Limits, Matching};
use linkage_service::signing::PublicKey;

use crate::calls::{audit_log, catalogue, crosswalk, keys, link, start, submit, submit_all, watch};
use crate::tokens::{Recipe, record_ref};
use crate::world::{World, code};

/// 60 persons in ndb and dpc, of whom 20 are in kaigo as well; the rest are in one database only.
const DATABASES: [(&str, std::ops::Range<u32>); 3] = [("ndb", 0..100), ("dpc", 40..140), ("kaigo", 80..110)];

/// Two databases in which every record is compared with every other one for seconds.
const LARGE: [(&str, std::ops::Range<u32>); 2] = [("ndb", 0..60_000), ("dpc", 59_000..119_000)];

#[test]
fn a_run_gives_keys_to_the_project_and_each_custodian_its_own_records() {
    let world = World::new();
    world.block_on(async {
        submit_all(&world, &DATABASES).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc", "kaigo"], 1)).await.unwrap();
        let statuses = {
            let run = start(&world, "heart", "p-1").await.unwrap();
            watch(&world, "heart", &run.run_id).await.unwrap()
        };
        let done = statuses.last().unwrap();
        assert_eq!((done.state(), done.failure.as_str()), (RunState::Done, ""));
        assert_eq!((done.database_pairs_done, done.database_pairs), (3, 3));
        // 40..100 in ndb and dpc, 100..110 in dpc and kaigo.
        assert_eq!((done.linkage_keys.as_str(), done.threshold.as_str()), ("70", "0.80"));

        let keys = keys(&world, "heart", "").await.unwrap();
        let within = |databases: &[&str]| keys.iter().filter(|(_, of)| of == databases).count();
        assert_eq!(keys.len(), 70);
        assert_eq!(
            (within(&["dpc", "ndb"]), within(&["dpc", "kaigo", "ndb"]), within(&["dpc", "kaigo"])),
            (40, 20, 10)
        );
        assert!(keys.is_sorted(), "the order says nothing of the records");

        for (database, linked) in [("ndb", 40..100), ("dpc", 40..110), ("kaigo", 80..110)] {
            let crosswalk = crosswalk(&world, database, "heart").await.unwrap();
            let refs: BTreeSet<_> = crosswalk.iter().map(|(record, _)| record.clone()).collect();
            let own = linked.map(|person| record_ref(database, person).as_bytes().to_vec()).collect();
            assert_eq!(refs, own, "{database} gets the linked ones of its own records and no others");
            let known: BTreeSet<_> = keys.iter().map(|(key, _)| key).collect();
            assert!(crosswalk.iter().all(|(_, key)| known.contains(key)));
        }
    });
}

#[test]
fn what_a_run_counted_is_for_those_whom_its_permit_names() {
    let world = World::new();
    world.issue("stranger", "project:heart");
    world.block_on(async {
        submit_all(&world, &DATABASES).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc", "kaigo"], 1)).await.unwrap();
        let done = link(&world, "heart", "p-1").await;
        let counted = async |caller: &str| {
            let watched = watch(&world, caller, &done.run_id).await.unwrap().pop().unwrap();
            let mut client = RunServiceClient::new(world.connect(caller).await);
            let listed = client.list(ListRunsRequest {}).await.unwrap().into_inner().runs.pop().unwrap();
            assert_eq!((watched.state(), listed.state()), (RunState::Done, RunState::Done));
            assert_eq!(watched.linkage_keys, listed.linkage_keys);
            let explained = client.explain(ExplainRunRequest { run_id: done.run_id.clone() }).await;
            (listed.linkage_keys, explained.map(drop).map_err(|status| code(&status)))
        };
        assert_eq!(counted("heart").await, ("70".to_owned(), Ok(())));
        assert_eq!(counted("stranger").await, (String::new(), Err("caller-not-named".to_owned())));
        world.revoke_permit("p-1").await;
        assert_eq!(counted("heart").await, (String::new(), Err("revoked".to_owned())));
        let mut operator = RunServiceClient::new(world.connect("operator").await);
        let listed = operator.list(ListRunsRequest {}).await.unwrap().into_inner().runs.pop().unwrap();
        assert_eq!(listed.linkage_keys, "70", "the operator has the tokens themselves");
    });
}

#[test]
fn a_repeated_run_gives_the_same_keys_and_another_project_gives_none_of_them() {
    let mut world = World::new();
    let (first, other) = world.block_on(async {
        submit_all(&world, &DATABASES[..2]).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        world.submit_permit(world.permit("p-2", "stroke", &["dpc", "ndb"], 1)).await.unwrap();
        link(&world, "heart", "p-1").await;
        link(&world, "stroke", "p-2").await;
        (keys(&world, "heart", "").await.unwrap(), keys(&world, "stroke", "").await.unwrap())
    });
    assert_eq!((first.len(), other.len()), (60, 60));
    let distinct: BTreeSet<_> = first.iter().chain(&other).map(|(key, _)| key).collect();
    assert_eq!(distinct.len(), 120);
    // Not after a restart either, and the same file sealed anew is still the same records.
    world.stop();
    world.start();
    world.block_on(async {
        assert_eq!(keys(&world, "heart", "").await.unwrap(), first);
        let again = world.tokens("again.tokens", Recipe::of("ndb"), DATABASES[0].1.clone());
        submit(&world, "ndb", &again).await.unwrap();
        assert_eq!(catalogue(&world).await.databases[1].submissions, 2);
        link(&world, "heart", "p-1").await;
        assert_eq!(keys(&world, "heart", "").await.unwrap(), first);
        let key = PublicKey::load(&world.unit().join("audit.pub")).unwrap();
        verify(audit_log(&world).await.as_bytes(), &key, None).unwrap();
    });
}

#[test]
fn nothing_is_released_once_the_permit_has_ended() {
    let world = World::new();
    world.block_on(async {
        submit_all(&world, &DATABASES).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc", "kaigo"], 1)).await.unwrap();
        link(&world, "heart", "p-1").await;
        assert_eq!(keys(&world, "heart", "").await.unwrap().len(), 70);

        // An amendment without kaigo: the run with kaigo is outside the permit now.
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 2)).await.unwrap();
        assert_eq!(code(&keys(&world, "heart", "").await.unwrap_err()), "database-outside-permit");
        assert_eq!(code(&crosswalk(&world, "kaigo", "heart").await.unwrap_err()), "database-outside-permit");
        link(&world, "heart", "p-1").await;
        assert_eq!(keys(&world, "heart", "").await.unwrap().len(), 60);
        assert_eq!(code(&crosswalk(&world, "kaigo", "heart").await.unwrap_err()), "database-outside-permit");

        world.revoke_permit("p-1").await;
        assert_eq!(code(&keys(&world, "heart", "").await.unwrap_err()), "revoked");
        assert_eq!(code(&crosswalk(&world, "ndb", "heart").await.unwrap_err()), "revoked");
        assert_eq!(code(&start(&world, "heart", "p-1").await.unwrap_err()), "revoked");
    });
}

#[test]
fn what_is_another_projects_is_as_good_as_none() {
    let world = World::new();
    world.block_on(async {
        submit_all(&world, &DATABASES[..2]).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        let run = link(&world, "heart", "p-1").await.run_id;
        assert_eq!(code(&watch(&world, "stroke", &run).await.unwrap_err()), "no-run");
        assert_eq!(code(&keys(&world, "stroke", &run).await.unwrap_err()), "no-run");
        assert_eq!(code(&crosswalk(&world, "ndb", "stroke").await.unwrap_err()), "no-run");
        assert_eq!(code(&start(&world, "stroke", "p-1").await.unwrap_err()), "wrong-project");
        for (caller, runs) in [("stroke", 0), ("heart", 1), ("operator", 1)] {
            let mut client = RunServiceClient::new(world.connect(caller).await);
            assert_eq!(client.list(ListRunsRequest {}).await.unwrap().into_inner().runs.len(), runs, "{caller}");
        }
    });
}

#[test]
fn a_run_waits_for_every_database_of_its_permit() {
    let world = World::new();
    world.block_on(async {
        submit_all(&world, &DATABASES[..1]).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        let refused = start(&world, "heart", "p-1").await.unwrap_err();
        assert_eq!(code(&refused), "no-submission");
        assert!(refused.message().contains("dpc"));
    });
}

#[test]
fn explain_shows_the_plan_and_no_token() {
    let world = World::new();
    world.block_on(async {
        submit_all(&world, &DATABASES[..2]).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        let run_id = link(&world, "heart", "p-1").await.run_id;
        let mut client = RunServiceClient::new(world.connect("heart").await);
        let text = client.explain(ExplainRunRequest { run_id }).await.unwrap().into_inner().text;
        assert!(text.contains("DiceJoinExec") && text.contains("dpc – ndb"), "{text}");
        let hex = |c: char| c.is_ascii_hexdigit();
        // 16 digits are a run id; a record ref has 32.
        let longest = text.split(|c| !hex(c)).map(str::len).max();
        assert!(longest <= Some(16), "{text}");
    });
}

#[test]
fn a_run_can_be_cancelled_and_revoking_its_permit_ends_it() {
    let world = World::new();
    world.block_on(async {
        submit_all(&world, &LARGE).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        world.submit_permit(world.permit("p-2", "stroke", &["ndb", "dpc"], 1)).await.unwrap();
        let run = start(&world, "heart", "p-1").await.unwrap();
        assert_eq!(code(&start(&world, "heart", "p-1").await.unwrap_err()), "run-under-way");
        // Another project's run waits for its turn.
        let queued = start(&world, "stroke", "p-2").await.unwrap();
        assert_eq!(queued.state(), RunState::Queued);

        let ended = cancel(&world, "heart", &run.run_id).await.unwrap();
        assert_eq!((ended.state(), ended.linkage_keys.as_str()), (RunState::Cancelled, ""));
        assert_eq!(code(&cancel(&world, "heart", &run.run_id).await.unwrap_err()), "run-ended");
        assert_eq!(code(&keys(&world, "heart", &run.run_id).await.unwrap_err()), "no-run");

        world.revoke_permit("p-2").await;
        let ended = watch(&world, "stroke", &queued.run_id).await.unwrap().pop().unwrap();
        assert_eq!((ended.state(), ended.failure.as_str()), (RunState::Failed, "its permit was revoked"));
    });
}

#[test]
fn a_run_that_its_permit_no_longer_covers_does_not_begin() {
    let world = World::new();
    world.block_on(async {
        submit_all(&world, &LARGE).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        world.submit_permit(world.permit("p-2", "stroke", &["ndb", "dpc"], 1)).await.unwrap();
        let run = start(&world, "heart", "p-1").await.unwrap();
        let queued = start(&world, "stroke", "p-2").await.unwrap();
        world.submit_permit(world.permit("p-2", "stroke", &["ndb", "kaigo"], 2)).await.unwrap();
        cancel(&world, "heart", &run.run_id).await.unwrap();
        let ended = watch(&world, "stroke", &queued.run_id).await.unwrap().pop().unwrap();
        assert_eq!(ended.state(), RunState::Failed);
        assert!(ended.failure.contains("does not cover it any more"), "{}", ended.failure);
        assert!(audit_log(&world).await.contains("\"state\":\"database-outside-permit\""));
    });
}

#[test]
fn token_files_that_do_not_fit_each_other_or_the_memory_fail_the_run_and_say_so() {
    let matching = Matching { threshold: "learnt".to_owned(), ..Matching::default() };
    let limits = Limits { memory_mib: 2, ..Limits::default() };
    let world = World::with_config(Config { matching, limits, ..Config::default() });
    world.block_on(async {
        submit_all(&world, &[("ndb", 0..200), ("dpc", 0..20_000)]).await;
        let short = Recipe { bits: Some(512), ..Recipe::of("kaigo") };
        let path = world.tokens("short.tokens", short, 0..200);
        assert!(submit(&world, "kaigo", &path).await.unwrap().receipt.is_some());
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        world.submit_permit(world.permit("p-2", "heart", &["ndb", "kaigo"], 1)).await.unwrap();
        let failures = [link(&world, "heart", "p-1").await, link(&world, "heart", "p-2").await].map(|run| run.failure);
        assert!(failures[0].contains("memory_mib"), "{failures:?}");
        assert!(failures[1].contains("ndb are not cut"), "{failures:?}");
        // Neither is in the way of the next run.
        assert_eq!(start(&world, "heart", "p-2").await.unwrap().state(), RunState::Queued);
    });
}

#[test]
fn a_run_that_a_crash_or_a_stop_has_cut_off_is_failed() {
    let mut world = World::new();
    let killed = world.block_on(async {
        submit_all(&world, &LARGE).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        start(&world, "heart", "p-1").await.unwrap().run_id
    });
    world.kill();
    world.start();
    let stopped = world.block_on(async {
        let status = watch(&world, "heart", &killed).await.unwrap().pop().unwrap();
        assert_eq!((status.state(), status.failure.as_str()), (RunState::Failed, "the service stopped during the run"));
        start(&world, "heart", "p-1").await.unwrap().run_id
    });
    world.stop();
    world.start();
    world.block_on(async {
        let status = watch(&world, "heart", &stopped).await.unwrap().pop().unwrap();
        assert_eq!(status.state(), RunState::Failed);
        let key = PublicKey::load(&world.unit().join("audit.pub")).unwrap();
        verify(audit_log(&world).await.as_bytes(), &key, None).unwrap();
    });
}

#[test]
fn a_threshold_far_too_low_fails_the_run_and_says_so() {
    let matching = Matching { threshold: "0.01".to_owned(), ..Matching::default() };
    // Memory for some two million candidates and what is made of them, and four million pairs that all pass.
    let limits = Limits { memory_mib: 128, ..Limits::default() };
    let world = World::with_config(Config { matching, limits, ..Config::default() });
    world.block_on(async {
        submit_all(&world, &[("ndb", 0..2000), ("dpc", 2000..4000)]).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        let ended = link(&world, "heart", "p-1").await;
        assert_eq!(ended.state(), RunState::Failed);
        let failure = &ended.failure;
        assert!(
            failure.starts_with("what is made of the candidate pairs needs ") && failure.contains(" MiB for "),
            "{failure}"
        );
        assert!(failure.contains("hint: raise `limits.memory_mib`; or `matching.threshold`"), "{failure}");
    });
}

async fn cancel(world: &World, project: &str, run_id: &str) -> Result<RunStatus, tonic::Status> {
    let mut client = RunServiceClient::new(world.connect(project).await);
    let request = CancelRunRequest { run_id: run_id.to_owned() };
    client.cancel(request).await.map(|response| response.into_inner().run.unwrap())
}

#[test]
fn max_quality_tokens_are_linked_only_when_the_committee_accepts_their_risk() {
    let world = World::new();
    world.block_on(async {
        for (database, persons) in [("ndb", 0..60), ("dpc", 20..80)] {
            let recipe = Recipe { schema: "person-ja-max-quality", ..Recipe::of(database) };
            let path = world.tokens(&format!("{database}.tokens"), recipe, persons);
            assert!(submit(&world, database, &path).await.unwrap().receipt.is_some());
        }
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        let refused = start(&world, "heart", "p-1").await.unwrap_err();
        assert_eq!(code(&refused), "risk-not-accepted");
        assert!(refused.message().contains("hint: the committee declares `max-quality-risk`"));

        let accepting = world.permit_that_declares("p-2", "heart", &["ndb", "dpc"], 1, &["max-quality-risk"]);
        world.submit_permit(accepting).await.unwrap();
        let run = start(&world, "heart", "p-2").await.unwrap();
        let statuses = watch(&world, "heart", &run.run_id).await.unwrap();
        assert_eq!(statuses.last().unwrap().linkage_keys, "40");
    });
}

#[test]
fn a_run_may_learn_what_a_match_is_and_says_what_to_expect() {
    let matching = Matching { threshold: "learnt".to_owned(), ..Matching::default() };
    let world = World::with_config(Config { matching, ..Config::default() });
    world.block_on(async {
        submit_all(&world, &[("ndb", 0..900), ("dpc", 300..1200)]).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        let run = start(&world, "heart", "p-1").await.unwrap();
        let done = watch(&world, "heart", &run.run_id).await.unwrap().pop().unwrap();
        assert_eq!((done.state(), done.failure.as_str(), done.threshold.as_str()), (RunState::Done, "", "learnt"));
        assert_eq!(done.linkage_keys, "600");
        let mut client = RunServiceClient::new(world.connect("heart").await);
        let request = ExplainRunRequest { run_id: run.run_id };
        let text = client.explain(request).await.unwrap().into_inner().text;
        assert!(text.contains("learnt without truth") && text.contains("expected: precision"), "{text}");
    });
}
