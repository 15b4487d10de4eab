//! The negative matrix: a good world, one change, one exact refusal.

use std::path::PathBuf;

use super::*;

type Case = (&'static str, &'static str, fn(&mut World));

/// Name (and vector), expected verdict, and the one thing that changes.
const CASES: &[Case] = &[
    ("good", "permitted", |_| {}),
    ("good_subset_of_databases", "permitted", |w| w.request.databases.truncate(2)),
    ("good_second_member", "permitted", |w| w.caller.fingerprint = BABA),
    ("good_all_three_signed", "permitted", |w| w.signers = vec![2, 1, 0]),
    ("good_with_unknown_signature", "permitted", |w| w.signers = vec![3, 0, 2]),
    ("good_first_instant", "permitted", |w| w.now = datetime!(2026-04-01 00:00:00 +9)),
    ("good_pseudonymised", "permitted", World::pseudonymised),
    ("good_other_permit_revoked", "permitted", |w| w.revoke("heart-2025", &[0, 1])),
    // Who asks.
    ("wrong_role_custodian", "wrong-role", |w| w.caller.role = Role::Custodian("ndb".parse().unwrap())),
    ("wrong_role_committee", "wrong-role", |w| w.caller.role = Role::Committee),
    ("wrong_role_operator", "wrong-role", |w| w.caller.role = Role::Operator),
    ("wrong_role_auditor", "wrong-role", |w| w.caller.role = Role::Auditor),
    ("wrong_project_of_caller", "wrong-project", |w| w.caller.role = Role::Project("liver-2026".parse().unwrap())),
    ("wrong_project_of_permit", "wrong-project", |w| w.set("project", json!("liver-2026"))),
    ("caller_not_named", "caller-not-named", |w| w.caller.fingerprint = STRANGER),
    // The permit and its signatures.
    ("no_permit", "no-permit", |w| w.permit = false),
    ("malformed_unknown_field", "malformed", |w| w.tamper = |e| e["note"] = json!("hello")),
    ("malformed_base64", "malformed", |w| w.tamper = |e| e["payload"] = json!("***")),
    ("malformed_short_signature", "malformed", |w| w.tamper = |e| e["signatures"][0]["sig"] = json!("AAAA")),
    ("wrong_type_revocation", "wrong-type", |w| w.payload_type = REVOCATION_TYPE),
    ("altered_type", "altered", |w| {
        w.payload_type = REVOCATION_TYPE;
        w.tamper = |e| e["payloadType"] = json!(PERMIT_TYPE);
    }),
    ("altered_payload", "altered", |w| w.tamper = |e| edit_payload(e, "\"kaigo\"", "\"gan\"")),
    ("altered_payload_whitespace", "altered", |w| w.tamper = |e| edit_payload(e, "{\n", "{ \n")),
    ("altered_signature_of_another", "altered", |w| {
        w.tamper = |e| e["signatures"][1]["sig"] = e["signatures"][0]["sig"].clone();
    }),
    ("under_signed_none", "under-signed", |w| w.signers = vec![]),
    ("under_signed_one", "under-signed", |w| w.signers = vec![1]),
    ("under_signed_one_twice", "under-signed", |w| {
        w.tamper = |e| e["signatures"][1] = e["signatures"][0].clone();
    }),
    ("unknown_signer", "unknown-signer", |w| w.signers = vec![0, 3]),
    ("unknown_signer_of_renamed_key", "unknown-signer", |w| {
        w.tamper = |e| e["signatures"][1]["keyid"] = json!("0000000000000000");
    }),
    ("revoked", "revoked", |w| w.revoke("heart-2026", &[0, 1])),
    ("revoked_by_damaged_store", "altered", |w| {
        w.revoke("heart-2026", &[0, 1]);
        let text = String::from_utf8(w.revocations.remove(0)).unwrap();
        let mut json: Value = serde_json::from_str(&text).unwrap();
        edit_payload(&mut json, "heart-2026", "heart-2025");
        w.revocations.push(json.to_string().into_bytes());
    }),
    // The statement.
    ("invalid_statement_format", "invalid-statement", |w| w.set("format", json!("permit/2"))),
    ("invalid_statement_unknown_field", "invalid-statement", |w| w.set("extra", json!(true))),
    ("invalid_statement_version_0", "invalid-statement", |w| w.set("version", json!(0))),
    ("invalid_statement_one_database", "invalid-statement", |w| w.databases(&["ndb"])),
    ("invalid_statement_repeated_database", "invalid-statement", |w| w.set("databases", json!(["ndb", "ndb"]))),
    ("invalid_statement_no_members", "invalid-statement", |w| w.set("members", json!([]))),
    ("invalid_statement_no_reason", "invalid-statement", |w| w.set("reason", json!(" "))),
    ("invalid_statement_hidden_text", "invalid-statement", |w| w.set("reason", json!("Yes\u{202e}on"))),
    ("invalid_statement_year_out_of_reach", "invalid-statement", |w| {
        w.set("valid_until", json!("9999-12-31T23:59:59-09:00"));
    }),
    ("invalid_statement_ends_before_it_begins", "invalid-statement", |w| {
        w.set("valid_until", json!("2026-03-31T00:00:00+09:00"));
    }),
    // The time.
    ("not_yet_valid", "not-yet-valid", |w| w.now = datetime!(2026-03-31 23:59:59 +9)),
    ("expired", "expired", |w| w.now = datetime!(2027-04-01 00:00:00 +9)),
    // What is asked.
    ("class_mismatch", "class-mismatch", |w| w.request.class = Class::Pseudonymised),
    ("database_outside_permit", "database-outside-permit", |w| {
        w.request.databases.push("kansensho".parse().unwrap());
    }),
    ("too_few_databases_one", "too-few-databases", |w| w.request.databases.truncate(1)),
    ("too_few_databases_none", "too-few-databases", |w| w.request.databases.clear()),
    ("repeated_database", "repeated-database", |w| w.request.databases[1] = w.request.databases[0].clone()),
    // The policy.
    ("other_policy", "other-policy", |w| w.policy = "proposal-2024"),
    ("policy_not_in_force", "policy-not-in-force", |w| {
        w.set("valid_from", json!("2024-01-01T00:00:00+09:00"));
        w.now = datetime!(2024-05-31 23:59:59 +9);
    }),
    ("advertising", "advertising", |w| w.statement["purpose"]["advertising"] = json!(true)),
    ("no_public_interest", "no-public-interest", |w| {
        w.statement["purpose"]["substantial_public_interest"] = json!(false);
    }),
    ("hearing_missing", "hearing-missing", |w| drop(w.statement["hearings"].as_array_mut().unwrap().pop())),
    ("no_necessity", "no-necessity", |w| {
        w.pseudonymised();
        w.statement.as_object_mut().unwrap().remove("necessity");
    }),
    ("environment_not_visiting", "environment-not-visiting", |w| {
        w.pseudonymised();
        w.set("environment", json!("own-premises"));
    }),
    ("not_certified", "not-certified", |w| {
        w.pseudonymised();
        w.set("declarations", json!([]));
    }),
    ("consent_missing", "consent-missing", |w| {
        w.pseudonymised();
        w.set("class", json!("identified"));
        w.request.class = Class::Identified;
        w.databases(&["gan", "denkaru"]);
    }),
    ("class_not_offered_consent_does_not_help", "class-not-offered", |w| {
        w.pseudonymised();
        w.set("class", json!("identified"));
        w.set("declarations", json!(["consent"]));
        w.request.class = Class::Identified;
        w.databases(&["gan", "denkaru"]);
    }),
    ("class_not_offered", "class-not-offered", |w| w.databases(&["ndb", "yobosesshu"])),
    ("class_not_offered_by_law", "class-not-offered", |w| {
        w.pseudonymised();
        w.set("policy", json!("law"));
        w.policy = "law";
        w.databases(&["ndb", "jisedai"]);
    }),
    ("class_not_offered_yet", "class-not-offered", |w| {
        w.databases(&["jisedai", "shogai"]);
        w.set("valid_from", json!("2025-11-01T00:00:00+09:00"));
        w.now = datetime!(2025-11-30 23:59:59 +9);
    }),
    ("unknown_database", "unknown-database", |w| w.databases(&["ndb", "denkaru"])),
    ("pair_not_open", "pair-not-open", |w| w.databases(&["ndb", "nanbyo"])),
    ("pair_not_open_of_closed_database", "pair-not-open", |w| w.databases(&["ndb", "midnet"])),
    ("pair_not_open_yet", "pair-not-open", |w| {
        w.databases(&["jisedai", "kansensho"]);
        w.set("valid_from", json!("2025-11-01T00:00:00+09:00"));
        w.now = datetime!(2025-11-30 23:59:59 +9);
    }),
    ("good_pair_open_by_decree", "permitted", |w| {
        w.databases(&["jisedai", "kansensho"]);
        w.set("valid_from", json!("2025-11-01T00:00:00+09:00"));
        w.now = datetime!(2025-12-01 00:00:00 +9);
    }),
    ("pair_not_open_in_unused_part_of_permit", "pair-not-open", |w| {
        w.databases(&["ndb", "kaigo", "nanbyo"]);
        w.request.databases.truncate(2);
    }),
    ("bridging", "bridging", |w| {
        w.databases(&["jisedai", "ndb", "kansensho"]);
        w.set("valid_from", json!("2025-11-01T00:00:00+09:00"));
        w.now = datetime!(2025-11-30 23:59:59 +9);
    }),
    ("bridging_over_two_stations", "bridging", |w| w.databases(&["ndb", "jisedai", "nanbyo", "shoman"])),
];

fn edit_payload(envelope: &mut Value, from: &str, to: &str) {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let payload = String::from_utf8(payload).unwrap();
    assert!(payload.contains(from), "{from}");
    envelope["payload"] = json!(STANDARD.encode(payload.replacen(from, to, 1)));
}

fn world(change: fn(&mut World)) -> World {
    let mut world = World::new();
    change(&mut world);
    world
}

#[test]
fn one_thing_wrong_is_one_exact_refusal() {
    let refused = CASES.iter().filter(|case| case.1 != "permitted").count();
    assert!(refused >= 25);
    let wrong: Vec<_> = CASES
        .iter()
        .map(|(name, expected, change)| (*name, *expected, world(*change).verdict()))
        .filter(|(_, expected, verdict)| expected != verdict)
        .collect();
    assert!(wrong.is_empty(), "(case, expected, verdict): {wrong:#?}");
}

#[test]
fn every_refusal_has_a_hint_and_its_own_code_in_its_audit_entry() {
    for (name, _, change) in CASES {
        let Err(refusal) = world(*change).decide() else { continue };
        let text = refusal.to_string();
        assert!(text.contains("\nhint: "), "{name}: {text}");
        let outcome = serde_json::to_value(crate::audit::Outcome::from(&refusal)).unwrap();
        assert_eq!(outcome, json!({"refused": refusal.code()}));
    }
}

#[test]
fn the_vectors_on_disk_are_these() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/vectors/permit"));
    check_vector(&folder.join("committee.json"), &World::new().committee.to_json());
    for (name, expected, change) in CASES {
        let vector = serde_json::to_string_pretty(&world(*change).vector(expected)).unwrap();
        check_vector(&folder.join(format!("{name}.json")), format!("{vector}\n").as_bytes());
    }
}

#[test]
fn a_closed_pair_is_named_with_the_revision_that_closes_it() {
    let refusal = world(|w| w.databases(&["ndb", "nanbyo"])).decide().unwrap_err().to_string();
    assert!(
        refusal
            .starts_with("ndb and nanbyo may not be linked as anonymised data (policy `law`, revision of 2025-12-01)")
    );
    let bridge = world(|w| w.databases(&["ndb", "jisedai", "shoman"])).decide().unwrap_err();
    assert!(matches!(bridge, Refusal::Bridging { via, .. } if via.as_str() == "jisedai"));
}

#[test]
fn a_permitted_request_carries_the_permit_and_its_signers() {
    let permitted = world(|w| w.signers = vec![3, 2, 0]).decide().unwrap();
    assert_eq!(permitted.permit().statement().id.as_str(), "heart-2026");
    assert_eq!(permitted.request().databases.len(), 3);
    let endorsement = permitted.verified_permit().endorsement();
    assert_eq!(endorsement.signers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Member 0", "Member 2"]);
    assert_eq!(endorsement.unknown, [Some(key(3).public_key().key_id())]);
}

#[test]
fn a_custodian_is_served_for_its_own_database_under_the_same_permit() {
    let world = World::new();
    let decide = |role: Role, now| {
        let envelope = world.envelope();
        let state = PermitState { committee: &world.committee, permit: Some(&envelope), revocations: &[] };
        let policy = Policy::shipped("law").unwrap();
        authorise_custodian(world.request.clone(), &caller(role, STRANGER), state, &policy, now).map_err(|r| r.code())
    };
    let custodian = |id: &str| Role::Custodian(id.parse().unwrap());
    assert!(decide(custodian("ndb"), world.now).is_ok());
    assert_eq!(decide(custodian("kansensho"), world.now).unwrap_err(), "database-outside-permit");
    assert_eq!(decide(custodian("ndb"), datetime!(2028-01-01 00:00 UTC)).unwrap_err(), "expired");
    assert_eq!(decide(world.caller.role.clone(), world.now).unwrap_err(), "wrong-role");
}
