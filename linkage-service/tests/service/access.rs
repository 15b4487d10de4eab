//! Who gets in, and who may call what.

use linkage_proto::client::connect;
use linkage_proto::v1::audit_service_client::AuditServiceClient;
use linkage_proto::v1::catalogue_service_client::CatalogueServiceClient;
use linkage_proto::v1::permit_service_client::PermitServiceClient;
use linkage_proto::v1::release_service_client::ReleaseServiceClient;
use linkage_proto::v1::run_service_client::RunServiceClient;
use linkage_proto::v1::submission_service_client::SubmissionServiceClient;
use linkage_proto::v1::{
    BeginRequest, CancelRunRequest, CheckpointRequest, CrosswalkRequest, ExplainRunRequest, ExportAuditRequest,
    GetCatalogueRequest, KeysRequest, ListPermitsRequest, ListRunsRequest, RevokePermitRequest, ShowPermitRequest,
    StartRunRequest, SubmitPermitRequest, UploadRequest, WatchRunRequest,
};
use linkage_service::audit::verify;
use linkage_service::authority::{Authority, write_private, write_public};
use linkage_service::role::Role;
use linkage_service::signing::PublicKey;
use rcgen::{CertificateParams, Issuer, KeyPair};
use time::OffsetDateTime;
use tonic::Status;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::calls::audit_log;
use crate::world::{World, code};

/// Every procedure and the callers that it admits; written down here a second time on purpose.
const TABLE: [(&str, &[&str]); 16] = [
    ("submission.begin", &["ndb"]),
    ("submission.upload", &["ndb"]),
    ("permit.submit", &["committee"]),
    ("permit.revoke", &["committee"]),
    ("permit.show", &["committee", "heart"]),
    ("permit.list", &["committee", "heart"]),
    ("run.start", &["heart"]),
    ("run.watch", &["heart"]),
    ("run.explain", &["heart"]),
    ("run.cancel", &["heart"]),
    ("run.list", &["heart", "operator"]),
    ("release.crosswalk", &["ndb"]),
    ("release.keys", &["heart"]),
    ("catalogue.get", &["operator", "auditor"]),
    ("audit.export", &["auditor"]),
    ("audit.checkpoint", &["auditor"]),
];

const CALLERS: [&str; 5] = ["ndb", "committee", "heart", "operator", "auditor"];

#[test]
fn every_procedure_admits_its_roles_and_no_other() {
    let world = World::new();
    let mut refused = 0;
    world.block_on(async {
        for caller in CALLERS {
            let channel = world.connect(caller).await;
            for (procedure, admitted) in TABLE {
                let outcome = call(procedure, channel.clone()).await;
                let wrong_role = outcome.as_ref().is_err_and(|status| code(status) == "wrong-role");
                assert_eq!(!wrong_role, admitted.contains(&caller), "{caller} calls {procedure}: {outcome:?}");
                refused += u64::from(outcome.is_err());
            }
        }
        // Every one of those refusals stands in the log, and the log is sound.
        let key = PublicKey::load(&world.unit().join("audit.pub")).unwrap();
        let report = verify(audit_log(&world).await.as_bytes(), &key, None).unwrap();
        assert_eq!(report.refused, refused);
    });
}

#[test]
fn strangers_do_not_get_past_the_handshake() {
    let world = World::new();
    let stranger = World::new();
    world.block_on(async {
        // No certificate.
        let ca = std::fs::read(world.unit().join("ca.pem")).unwrap();
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
        let endpoint = Channel::from_shared(world.url().to_owned()).unwrap().tls_config(tls).unwrap();
        assert!(!answers(endpoint.connect().await.ok()).await);

        // A certificate of another unit's authority, though it trusts ours.
        let mixed = world.path("mixed");
        std::fs::create_dir(&mixed).unwrap();
        for (from, file) in [(&stranger, "cert.pem"), (&stranger, "key.pem"), (&world, "ca.pem")] {
            std::fs::copy(from.credential("operator").join(file), mixed.join(file)).unwrap();
        }
        assert!(!answers(connect(world.url(), &mixed).await.ok()).await);

        // And the client, for its part, does not talk to a server of another authority.
        assert!(connect(world.url(), &stranger.credential("operator")).await.is_err());

        assert!(answers(Some(world.connect("operator").await)).await);
    });
}

#[test]
fn a_certificate_without_exactly_one_role_is_refused_and_audited() {
    let world = World::new();
    world.block_on(async {
        for (name, roles) in [("none", &[][..]), ("two", &["urn:linkage:auditor", "urn:linkage:operator"][..])] {
            let folder = odd_credential(&world, name, roles);
            let channel = connect(world.url(), &folder).await.unwrap();
            assert_eq!(code(&call("catalogue.get", channel).await.unwrap_err()), "no-role");
        }
        assert_eq!(audit_log(&world).await.matches("no-role").count(), 2);
    });
}

#[test]
fn an_expired_credential_is_refused() {
    let world = World::new();
    let authority = Authority::open(&world.unit()).unwrap();
    let then = OffsetDateTime::now_utc() - time::Duration::days(800);
    let folder = world.path("expired");
    authority.issue_client(&Role::Operator, "operator", then).unwrap().write_credential(&authority, &folder).unwrap();
    assert!(!world.block_on(async { answers(connect(world.url(), &folder).await.ok()).await }));
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let key = world.credential("operator").join("key.pem");
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = world.block_on(connect(world.url(), &world.credential("operator"))).unwrap_err();
    assert!(refused.to_string().contains("hint: chmod 600"), "{refused}");
}

#[test]
fn health_answers_and_reflection_does_not() {
    let world = World::new();
    world.block_on(async {
        let channel = world.connect("operator").await;
        let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
        let status = health.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap().into_inner().status;
        assert_eq!(status, tonic_health::pb::health_check_response::ServingStatus::Serving as i32);
        let mut reflection = tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(channel);
        let refused = reflection.server_reflection_info(tokio_stream::empty()).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unimplemented);
    });
}

/// Whether a call comes through.
async fn answers(channel: Option<Channel>) -> bool {
    match channel {
        Some(channel) => call("catalogue.get", channel).await.is_ok(),
        None => false,
    }
}

/// A certificate of the right authority with any set of URIs.
fn odd_credential(world: &World, name: &str, uris: &[&str]) -> std::path::PathBuf {
    let (unit, folder) = (world.unit(), world.path(name));
    let ca = std::fs::read_to_string(unit.join("ca.pem")).unwrap();
    let ca_key = KeyPair::from_pem(&std::fs::read_to_string(unit.join("ca.key")).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&ca, ca_key).unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names.extend(uris.iter().map(|uri| rcgen::SanType::URI((*uri).try_into().unwrap())));
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    std::fs::create_dir(&folder).unwrap();
    write_public(&folder.join("ca.pem"), ca.as_bytes()).unwrap();
    write_public(&folder.join("cert.pem"), certificate.pem().as_bytes()).unwrap();
    write_private(&folder.join("key.pem"), key.serialize_pem().as_bytes()).unwrap();
    folder
}

async fn call(procedure: &str, channel: Channel) -> Result<(), Status> {
    let (run_id, permit_id) = ("run-1".to_owned(), "p-1".to_owned());
    let mut submission = SubmissionServiceClient::new(channel.clone());
    let mut permit = PermitServiceClient::new(channel.clone());
    let mut run = RunServiceClient::new(channel.clone());
    let mut release = ReleaseServiceClient::new(channel.clone());
    let mut audit = AuditServiceClient::new(channel.clone());
    match procedure {
        "submission.begin" => submission.begin(BeginRequest::default()).await.map(drop),
        "submission.upload" => submission.upload(tokio_stream::iter([UploadRequest::default()])).await.map(drop),
        "permit.submit" => permit.submit(SubmitPermitRequest::default()).await.map(drop),
        "permit.revoke" => permit.revoke(RevokePermitRequest::default()).await.map(drop),
        "permit.show" => permit.show(ShowPermitRequest { permit_id }).await.map(drop),
        "permit.list" => permit.list(ListPermitsRequest {}).await.map(drop),
        "run.start" => run.start(StartRunRequest { permit_id }).await.map(drop),
        "run.watch" => run.watch(WatchRunRequest { run_id }).await.map(drop),
        "run.explain" => run.explain(ExplainRunRequest { run_id }).await.map(drop),
        "run.cancel" => run.cancel(CancelRunRequest { run_id }).await.map(drop),
        "run.list" => run.list(ListRunsRequest {}).await.map(drop),
        "release.crosswalk" => {
            release.crosswalk(CrosswalkRequest { project: "heart".to_owned(), run_id }).await.map(drop)
        }
        "release.keys" => release.keys(KeysRequest { run_id }).await.map(drop),
        "catalogue.get" => CatalogueServiceClient::new(channel).get(GetCatalogueRequest {}).await.map(drop),
        "audit.export" => audit.export(ExportAuditRequest::default()).await.map(drop),
        "audit.checkpoint" => audit.checkpoint(CheckpointRequest {}).await.map(drop),
        other => panic!("no procedure {other}"),
    }
}
