//! Token files on their way in.

use linkage_proto::v1::submission_service_client::SubmissionServiceClient;
use tokio_stream::StreamExt;

use crate::calls::{audit_log, begin, catalogue, parts, submit, upload};
use crate::tokens::Recipe;
use crate::world::{World, code, files_below};

#[test]
fn an_upload_that_was_broken_off_goes_on_where_it_stopped() {
    let mut world = World::new();
    let file = std::fs::read(world.tokens("ndb.tokens", Recipe::of("ndb"), 0..500)).unwrap();
    let half = file.len() / 2;
    let received = world.block_on(async {
        assert_eq!(begin(&world, "ndb", &file).await.unwrap().received_bytes, 0);
        // The client falls silent in the middle and hangs up when something has arrived.
        let mut client = SubmissionServiceClient::new(world.connect("ndb").await);
        let silent = tokio_stream::iter(parts(&file, 0, &file[..half])).chain(tokio_stream::pending());
        let uploads = world.unit().join("uploads");
        tokio::select! {
            _ = client.upload(silent) => panic!("an answer to half an upload"),
            () = arrived(&uploads) => {}
        }
        drop(client);
        // It may take a moment until the service has heard of it.
        loop {
            match upload_nothing(&world, &file).await {
                Err(status) if code(&status) == "wrong-offset" => break,
                Err(status) => assert_eq!(code(&status), "upload-under-way"),
                Ok(()) => panic!("an upload from the wrong place"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        begin(&world, "ndb", &file).await.unwrap().received_bytes
    });
    assert!(received > 0 && received <= half as u64, "{received}");
    // Not even a new service has to hear the first half again.
    world.stop();
    world.start();
    world.block_on(async {
        assert_eq!(begin(&world, "ndb", &file).await.unwrap().received_bytes, received);
        let answer = upload(&world, "ndb", &file, received, &file[received as usize..]).await.unwrap();
        let receipt = answer.receipt.unwrap();
        assert_eq!((receipt.records, receipt.database.as_str()), (500, "ndb"));
    });
}

async fn upload_nothing(world: &World, file: &[u8]) -> Result<(), tonic::Status> {
    upload(world, "ndb", file, file.len() as u64, &[]).await.map(drop)
}

#[test]
fn a_file_is_accepted_once_however_often_it_is_sent() {
    let world = World::new();
    let path = world.tokens("ndb.tokens", Recipe::of("ndb"), 0..50);
    let file = std::fs::read(&path).unwrap();
    world.block_on(async {
        let first = submit(&world, "ndb", &path).await.unwrap().receipt.unwrap();
        let announced = begin(&world, "ndb", &file).await.unwrap();
        assert_eq!(announced.receipt.as_ref(), Some(&first));
        let second = submit(&world, "ndb", &path).await.unwrap().receipt.unwrap();
        assert_eq!(second.file_blake3, first.file_blake3);
        assert_eq!(catalogue(&world).await.databases[0].submissions, 1);
    });
    assert_eq!((files_below(&world.unit().join("objects")), files_below(&world.unit().join("uploads"))), (1, 0));
}

#[test]
fn a_damaged_file_is_refused_and_leaves_nothing() {
    let world = World::new();
    let good = std::fs::read(world.tokens("ndb.tokens", Recipe::of("ndb"), 0..50)).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut middle = good.clone();
    middle[good.len() / 2] ^= 0x40;
    let short = good[..good.len() - 20].to_vec();
    let clear = b"id,name\n1,somebody\n".to_vec();
    world.block_on(async {
        for damaged in [&flipped, &middle, &short, &clear] {
            // Announced as it is: the seal shows the damage.
            let refused = upload(&world, "ndb", damaged, 0, damaged).await.unwrap_err();
            assert_eq!(code(&refused), "token-file", "{refused}");
            assert_eq!(begin(&world, "ndb", damaged).await.unwrap().received_bytes, 0);
        }
        // Announced as the good one: the hash shows it.
        assert_eq!(code(&upload(&world, "ndb", &good, 0, &flipped).await.unwrap_err()), "hash-mismatch");
        // More than announced.
        let long = [good.as_slice(), b"more"].concat();
        assert_eq!(code(&upload(&world, "ndb", &good, 0, &long).await.unwrap_err()), "too-much");
        assert!(catalogue(&world).await.databases.is_empty());
        assert_eq!(files_below(&world.unit().join("objects")), 0);
        assert_eq!(files_below(&world.unit().join("uploads")), 0);
        // The good one is not spoilt by all this.
        assert!(upload(&world, "ndb", &good, 0, &good).await.unwrap().receipt.is_some());
        assert_eq!(audit_log(&world).await.matches("\"token-file\"").count(), 4);
    });
}

#[test]
fn files_that_do_not_belong_here_are_refused_with_the_reason() {
    let world = World::new();
    let stranger = World::new();
    let ndb = Recipe::of("ndb");
    let dpc = Recipe::of("dpc");
    let cases = [
        ("another unit's", "token-file", stranger.tokens("a", dpc, 0..20)),
        ("another database's", "other-database", world.tokens("b", ndb, 30..50)),
        ("another schema", "other-schema", world.tokens("c", Recipe { schema: "person-en", ..dpc }, 0..20)),
        ("another secret", "other-secret", world.tokens("d", Recipe { secret: 2, ..dpc }, 0..20)),
    ];
    let first = world.tokens("ndb.tokens", ndb, 0..20);
    world.block_on(async {
        // The first submission decides the encoding of the linkage group.
        submit(&world, "ndb", &first).await.unwrap();
        for (name, expected, path) in &cases {
            let refused = submit(&world, "dpc", path).await.unwrap_err();
            assert_eq!(code(&refused), *expected, "{name}");
            assert!(refused.message().contains("hint: "), "{name}: {refused}");
        }
        let catalogue = catalogue(&world).await;
        assert_eq!(catalogue.databases.len(), 1);
        assert_eq!(catalogue.databases[0].records, "20");
    });
}

#[test]
fn the_catalogue_does_not_show_small_counts() {
    let world = World::new();
    let path = world.tokens("ndb.tokens", Recipe::of("ndb"), 0..9);
    world.block_on(async {
        submit(&world, "ndb", &path).await.unwrap();
        assert_eq!(catalogue(&world).await.databases[0].records, "<10");
    });
}

/// Ready when a file in the folder has some content.
async fn arrived(uploads: &std::path::Path) {
    let has_some = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().metadata().is_ok_and(|m| m.len() > 0);
    while !std::fs::read_dir(uploads).unwrap().any(has_some) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
