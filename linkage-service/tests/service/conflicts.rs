//! Where exact tokens and similarity disagree, counted in a run and told to those who may know what it counted.

use linkage_proto::v1::run_service_client::RunServiceClient;
use linkage_proto::v1::{ExactConflicts, ExplainRunRequest, ListRunsRequest, RunState};
use linkage_service::config::{Candidates, Config, Matching};

use crate::calls::{link, submit_all};
use crate::tokens::CONFLICTING;
use crate::world::World;

/// Of ten persons seven agree in an exact token; one of these is somebody else by similarity, and two are more like another record.
/// A third one has an equal in another record, which is no reason to doubt the exact token.
const PERSONS: u32 = 200;

fn counted(with_rival: &str) -> Vec<ExactConflicts> {
    vec![ExactConflicts {
        left_database: "dpc".to_owned(),
        right_database: "ndb".to_owned(),
        exact_pairs: "140".to_owned(),
        below_threshold: "20".to_owned(),
        with_rival: with_rival.to_owned(),
    }]
}

#[test]
fn conflicts_of_exact_tokens_and_similarity_are_counted_shown_and_stored() {
    for candidates in [Candidates::AllPairs, Candidates::Bands] {
        for count_rivals in [false, true] {
            let matching = Matching { candidates, count_rivals, ..Matching::default() };
            let mut world = World::with_config(Config { matching, ..Config::default() });
            let persons = CONFLICTING..CONFLICTING + PERSONS;
            let done = world.block_on(async {
                submit_all(&world, &[("ndb", persons.clone()), ("dpc", persons)]).await;
                world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
                let done = link(&world, "heart", "p-1").await;
                assert_eq!((done.state(), done.failure.as_str()), (RunState::Done, ""));
                // The exact stage decides, whatever is more similar.
                assert_eq!((done.linkage_keys.as_str(), done.exact_pairs.as_str()), ("140", "140"));
                assert_eq!(done.conflicts, counted(if count_rivals { "40" } else { "" }));
                let mut client = RunServiceClient::new(world.connect("heart").await);
                let request = ExplainRunRequest { run_id: done.run_id.clone() };
                let text = client.explain(request).await.unwrap().into_inner().text;
                assert!(text.contains(", exact below the threshold 20"), "{text}");
                assert_eq!(
                    text.contains(", exact of a record that is more like another one 40"),
                    count_rivals,
                    "{text}"
                );
                done
            });
            // The same after a restart: it is in the store.
            world.stop();
            world.start();
            world.block_on(async {
                let mut client = RunServiceClient::new(world.connect("heart").await);
                let runs = client.list(ListRunsRequest {}).await.unwrap().into_inner().runs;
                assert_eq!(runs, [done]);
            });
        }
    }
}

#[test]
fn conflicts_are_withheld_from_whom_the_permit_does_not_name_and_few_of_them_from_all() {
    let world = World::with_config(Config {
        matching: Matching { count_rivals: true, ..Matching::default() },
        ..Config::default()
    });
    world.block_on(async {
        let persons = CONFLICTING..CONFLICTING + 30;
        submit_all(&world, &[("ndb", persons.clone()), ("dpc", persons)]).await;
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc"], 1)).await.unwrap();
        let done = link(&world, "heart", "p-1").await;
        let [few] = done.conflicts.as_slice() else { panic!("{done:?}") };
        // Three, and six.
        assert_eq!((few.below_threshold.as_str(), few.with_rival.as_str()), ("<10", "<10"));
        assert_eq!(few.exact_pairs, "21");
        world.revoke_permit("p-1").await;
        let mut client = RunServiceClient::new(world.connect("heart").await);
        let runs = client.list(ListRunsRequest {}).await.unwrap().into_inner().runs;
        assert!(runs.len() == 1 && runs[0].conflicts.is_empty(), "{runs:?}");
    });
}
