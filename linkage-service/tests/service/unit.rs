//! The unit's folder: who has it open, and with which keys and committee.

use linkage_proto::v1::permit_service_client::PermitServiceClient;
use linkage_proto::v1::{ListPermitsRequest, ShowPermitRequest};
use linkage_service::error::{JournalError, SetupError};
use linkage_service::signing::SigningKey;
use linkage_service::unit::Unit;

use crate::calls::{audit_log, link, start, submit_all};
use crate::world::{World, code};

#[test]
fn one_folder_is_served_by_one_process() {
    let mut world = World::new();
    let second = world.block_on(Unit::open(&world.unit()));
    assert!(matches!(second, Err(SetupError::Served { .. })));
    // The first one has not noticed.
    world.block_on(audit_log(&world));
    world.stop();
    let opened = world.block_on(Unit::open(&world.unit())).unwrap();
    world.block_on(opened.close());
}

#[test]
fn a_log_goes_on_with_its_own_key_alone() {
    let mut world = World::new();
    world.stop();
    let key = world.unit().join("audit.key");
    std::fs::remove_file(&key).unwrap();
    SigningKey::generate(|seed| seed.fill(9)).create_file(&key).unwrap();
    let opened = world.block_on(Unit::open(&world.unit()));
    assert!(matches!(opened, Err(SetupError::Journal(JournalError::OtherLog))));
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::new();
    world.stop();
    let key = world.unit().join("unit.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(world.block_on(Unit::open(&world.unit())), Err(SetupError::Key(_))));
}

#[test]
fn a_permit_of_a_committee_that_is_no_more_can_be_seen_and_amended_and_opens_nothing() {
    let mut world = World::new();
    let databases = ["ndb", "dpc"];
    world.block_on(async {
        submit_all(&world, &[("ndb", 0..60), ("dpc", 30..90)]).await;
        world.submit_permit(world.permit("p-1", "heart", &databases, 1)).await.unwrap();
    });
    world.stop();
    world.replace_committee([2, 3]);
    world.start();
    world.block_on(async {
        assert_eq!(code(&start(&world, "heart", "p-1").await.unwrap_err()), "unknown-signer");
        for caller in ["committee", "heart"] {
            let mut client = PermitServiceClient::new(world.connect(caller).await);
            let listed = client.list(ListPermitsRequest {}).await.unwrap().into_inner().permits;
            let shown = client.show(ShowPermitRequest { permit_id: "p-1".to_owned() }).await.unwrap().into_inner();
            assert_eq!(listed[0].state, "signatures-do-not-hold");
            assert_eq!(shown.permit.unwrap(), listed[0]);
        }
        world.submit_permit(world.permit("p-1", "heart", &databases, 2)).await.unwrap();
        assert_eq!(link(&world, "heart", "p-1").await.linkage_keys, "30");
        // What an amendment changes is in the log by name.
        world.submit_permit(world.permit("p-1", "heart", &["ndb", "dpc", "kaigo"], 3)).await.unwrap();
        assert!(audit_log(&world).await.contains("\"databases\":\"widens\""));
    });
}
