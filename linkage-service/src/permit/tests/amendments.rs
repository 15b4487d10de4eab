//! What the service lets into its store.

use super::*;

struct Arrival {
    world: World,
    current: Option<World>,
    caller: Caller,
}

fn arrival(change: impl FnOnce(&mut Arrival)) -> Result<AcceptedPermit, &'static str> {
    let mut arrival = Arrival { world: World::new(), current: None, caller: caller(Role::Committee, STRANGER) };
    change(&mut arrival);
    let Arrival { world, current, caller } = arrival;
    let current = current.map(|current| VerifiedPermit::verify(&current.envelope(), &world.committee).unwrap());
    let policy = Policy::shipped(world.policy).unwrap();
    let (envelope, revocations) = (world.envelope(), &world.revocations);
    accept_permit(
        &envelope,
        &caller,
        &world.committee,
        &policy,
        current.as_ref().map(VerifiedPermit::permit),
        revocations,
        world.now,
    )
    .map_err(|refusal| refusal.code())
}

#[test]
fn a_signed_permit_is_accepted_from_the_committee_alone() {
    assert_eq!(arrival(|_| {}).unwrap().changes, []);
    assert_eq!(arrival(|a| a.caller.role = Role::Operator).unwrap_err(), "wrong-role");
    assert_eq!(arrival(|a| a.caller = a.world.caller.clone()).unwrap_err(), "wrong-role");
    assert_eq!(arrival(|a| a.world.signers = vec![1]).unwrap_err(), "under-signed");
}

#[test]
fn an_amendment_needs_a_higher_version_of_the_same_project() {
    let amend = |version: u32, project: &'static str| {
        arrival(move |a| {
            let mut current = World::new();
            current.set("version", json!(2));
            a.current = Some(current);
            a.world.set("version", json!(version));
            a.world.set("project", json!(project));
        })
    };
    assert_eq!(amend(1, "heart-2026").unwrap_err(), "not-newer");
    assert_eq!(amend(2, "heart-2026").unwrap_err(), "not-newer");
    assert_eq!(amend(3, "heart-2026").unwrap().changes, []);
    assert_eq!(amend(3, "liver-2026").unwrap_err(), "amends-another-project");
}

#[test]
fn nothing_widens_silently() {
    let changes = |change: fn(&mut World)| {
        let accepted = arrival(move |a| {
            a.current = Some(World::new());
            a.world.set("version", json!(2));
            change(&mut a.world);
        });
        accepted.unwrap().changes.into_iter().map(|c| (c.field, c.widens)).collect::<Vec<_>>()
    };
    type Case = (fn(&mut World), &'static [(&'static str, bool)]);
    let cases: [Case; 8] = [
        (|w| w.databases(&["ndb", "kaigo"]), &[("databases", false), ("hearings", false)]),
        (|w| w.databases(&["ndb", "kaigo", "kansensho"]), &[("databases", true), ("hearings", false)]),
        (|w| w.set("valid_until", json!("2028-04-01T00:00:00+09:00")), &[("valid_until", true)]),
        (|w| w.set("valid_until", json!("2026-12-01T00:00:00+09:00")), &[("valid_until", false)]),
        (|w| w.set("environment", json!("own-premises")), &[("environment", true)]),
        (|w| w.set("declarations", json!(["consent"])), &[("declarations", true)]),
        (|w| w.statement["members"][1]["certificate_sha256"] = json!(Fingerprint(STRANGER)), &[("members", true)]),
        (|w| drop(w.statement["members"].as_array_mut().unwrap().pop()), &[("members", false)]),
    ];
    for (change, expected) in cases {
        assert_eq!(changes(change), expected);
    }
}

#[test]
fn a_revoked_permit_does_not_come_back_as_an_amendment() {
    let result = arrival(|a| {
        a.current = Some(World::new());
        a.world.set("version", json!(2));
        a.world.revoke("heart-2026", &[1, 2]);
    });
    assert_eq!(result.unwrap_err(), "revoked");
}

#[test]
fn what_the_policy_will_allow_when_a_permit_begins_is_accepted_before() {
    let decree = |from: &'static str| {
        arrival(move |a| {
            a.world.databases(&["jisedai", "kansensho"]);
            a.world.set("valid_from", json!(from));
            a.world.now = datetime!(2025-11-20 12:00 +9);
        })
    };
    assert!(decree("2025-12-01T00:00:00+09:00").is_ok());
    assert_eq!(decree("2025-11-30T00:00:00+09:00").unwrap_err(), "pair-not-open");
    assert_eq!(arrival(|a| a.world.now = datetime!(2027-04-01 00:00 +9)).unwrap_err(), "expired");
}

#[test]
fn a_revocation_takes_as_many_members_as_a_permit() {
    let accept = |signers: &[u8], role: Role| {
        let mut world = World::new();
        world.revoke("heart-2026", signers);
        let accepted = accept_revocation(&world.revocations[0], &caller(role, STRANGER), &world.committee);
        accepted.map(|r| r.revocation().permit.to_string()).map_err(|refusal| refusal.code())
    };
    assert_eq!(accept(&[0, 1], Role::Committee).as_deref(), Ok("heart-2026"));
    assert_eq!(accept(&[0], Role::Committee), Err("under-signed"));
    assert_eq!(accept(&[0, 3], Role::Committee), Err("unknown-signer"));
    assert_eq!(accept(&[0, 1], Role::Operator), Err("wrong-role"));
}

#[test]
fn a_committee_that_contradicts_itself_is_refused() {
    let member = |name: &str, n: u8| CommitteeMember { name: name.to_owned(), public_key: key(n).public_key() };
    let cases: [(usize, Vec<CommitteeMember>); 5] = [
        (0, vec![member("A", 0)]),
        (2, vec![member("A", 0)]),
        (1, vec![]),
        (2, vec![member("A", 0), member("B", 0)]),
        (2, vec![member("A", 0), member("A", 1)]),
    ];
    for (threshold, members) in cases {
        assert!(Committee::new(threshold, members).is_err());
    }
    let committee = World::new().committee;
    assert_eq!(Committee::parse(&committee.to_json()).unwrap(), committee);
}
