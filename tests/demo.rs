//! What the demo leaves with each party.

use std::collections::HashSet;

use crate::stage::{DATABASES, Stage, linkage};

fn csv(file: &std::path::Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_path(file).unwrap();
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    (header, rows)
}

#[test]
fn the_demo_links_five_databases_well() {
    let summary = &Stage::shared().summary;
    assert_eq!(summary["databases"].as_array().unwrap().len(), DATABASES.len());
    assert!(summary["quality"]["precision"].as_f64().unwrap() > 0.98, "{}", summary["quality"]);
    assert!(summary["quality"]["recall"].as_f64().unwrap() > 0.93, "{}", summary["quality"]);
    assert!(summary["run"]["exact_pairs"].as_u64().unwrap() > 0);
    assert!(summary["run"]["dice_pairs"].as_u64().unwrap() > 0);
}

#[test]
fn a_project_gets_keys_and_databases_and_nothing_else() {
    let stage = Stage::shared();
    let (header, rows) = csv(&stage.party("project").join("keys.csv"));
    assert_eq!(header, ["linkage_key", "databases"]);
    assert_eq!(rows.len() as u64, stage.summary["keys_released"].as_u64().unwrap());
    for row in &rows {
        let databases: Vec<_> = row[1].split(';').collect();
        assert!(databases.len() >= 2, "a key of one database alone is a non-match, and must not leave");
        assert!(databases.iter().all(|name| DATABASES.contains(name)));
    }
}

#[test]
fn a_custodian_gets_its_own_linked_records_and_nothing_else() {
    let stage = Stage::shared();
    let (_, keys) = csv(&stage.party("project").join("keys.csv"));
    for database in DATABASES {
        let (header, rows) = csv(&stage.party(database).join("crosswalk.csv"));
        assert_eq!(header, ["record_id", "linkage_key"]);
        let expected: HashSet<_> =
            keys.iter().filter(|row| row[1].split(';').any(|name| name == database)).map(|row| &row[0]).collect();
        let received: HashSet<_> = rows.iter().map(|row| &row[1]).collect();
        assert_eq!(received, expected, "{database}: the crosswalk and the project's keys disagree");
    }
}

#[test]
fn the_refusal_says_why() {
    let refusal = Stage::shared().summary["refusal"].as_str().unwrap();
    assert!(refusal.contains("permit"), "{refusal}");
}

#[test]
fn a_demo_by_bands_shows_their_certificate_and_one_that_fails_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let output = linkage(folder.path(), &["demo", "--people", "2000", "--candidates", "bands", "--json"]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &summary["run"];
    assert_eq!((run["candidates"].as_str(), run["certified"].as_bool()), (Some("bands"), Some(true)), "{run}");
    let certificates = run["certificates"].as_array().unwrap();
    assert!(!certificates.is_empty() && certificates.iter().all(|one| one["lower"].as_f64() >= Some(0.99)), "{run}");
    // What a run learns from begins far below the threshold, where bands cannot find nearly all pairs.
    let output = linkage(folder.path(), &["demo", "--people", "2000", "--candidates", "bands", "--learnt", "--json"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("bands cannot find 99.0 %"), "{told}");
}

#[test]
fn a_demo_never_writes_into_a_folder_in_use() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "mine").unwrap();
    let output = linkage(folder.path(), &["demo", "--people", "200", "--keep", "."]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: give a new folder"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
