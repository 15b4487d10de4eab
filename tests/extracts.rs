//! The way of a methodologist through it all: extracts of people who do not exist in the formats that custodians hold, the
//! whole linkage over them, and the measures against their truth.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use crate::stage::{DATABASES, linkage, path};

fn json(folder: &Path, args: &[&str]) -> Value {
    let output = linkage(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_datasets_of_a_sweep_are_one_json_document() {
    let folder = tempfile::tempdir().unwrap();
    let line = ["generate", "extracts", "-o", "s", "--people", "50", "--database", "jisedai", "--json", "--sweep"];
    for (sweep, folders) in
        [("kana_typo=0,0.1", &["s-kana_typo-0", "s-kana_typo-0.1"][..]), ("sex_error=1", &["s-sex_error-1"])]
    {
        let datasets = json(folder.path(), &[&line[..], &[sweep]].concat());
        let found: Vec<_> = datasets.as_array().unwrap().iter().map(|one| one["folder"].as_str().unwrap()).collect();
        assert_eq!(found, folders);
    }
}

#[test]
fn what_custodians_hold_is_generated_linked_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let mut generate = vec!["generate", "extracts", "-o", "study", "--people", "2500", "--seed", "5", "--json"];
    DATABASES.iter().for_each(|name| generate.extend(["--database", name]));
    let made = json(folder.path(), &generate);
    let summary = json(folder.path(), &["demo", "--extracts", "study", "--keep", "linked", "--json"]);

    // Every record of the truth came through its custodian's reader, and no other.
    let mut truth: HashMap<String, HashSet<String>> = HashMap::new();
    for row in csv::Reader::from_path(folder.path().join("study/truth.csv")).unwrap().records() {
        let row = row.unwrap();
        truth.entry(row[0].to_owned()).or_default().insert(row[1].to_owned());
    }
    for (at, name) in DATABASES.iter().enumerate() {
        let (generated, linked) = (&made["databases"][at], &summary["databases"][at]);
        assert_eq!((generated["database"].as_str(), linked["database"].as_str()), (Some(*name), Some(*name)));
        assert_eq!(generated["records"], linked["records"], "{name}");
        assert_eq!(
            (linked["set_aside_rows"].as_u64(), linked["records"].as_u64()),
            (Some(0), Some(truth[*name].len() as u64))
        );
        let mut crosswalk = csv::Reader::from_path(folder.path().join(format!("linked/{name}/crosswalk.csv"))).unwrap();
        let ids: Vec<_> = crosswalk.records().map(|row| row.unwrap()[0].to_owned()).collect();
        assert!(
            ids.len() as u64 == linked["linked_records"].as_u64().unwrap()
                && ids.iter().all(|id| truth[*name].contains(id))
        );
    }

    let crosswalks = DATABASES.map(|name| format!("{name}=linked/{name}/crosswalk.csv"));
    let mut evaluate = vec!["evaluate", "links", "--truth", "study/truth.csv", "--json"];
    crosswalks.iter().for_each(|crosswalk| evaluate.extend(["--crosswalk", crosswalk]));
    let judged = json(folder.path(), &evaluate);
    for measure in ["precision", "recall", "f1"] {
        let [judged, shown] = [&judged, &summary].map(|from| from["quality"][measure].as_f64().unwrap());
        assert!((judged - shown).abs() < 1e-9, "{measure}: {judged} {shown}");
    }
    // The people follow from the seed, but custodians draw their secret anew: figures move in the third decimal.
    assert!(judged["true_pairs"].as_u64().unwrap() > 2000, "{judged}");
    assert!(judged["quality"]["precision"].as_f64().unwrap() > 0.97, "{judged}");
    assert!(judged["quality"]["recall"].as_f64().unwrap() > 0.8, "{judged}");

    // A database by a name that the truth does not have is an error, and no bad figure.
    let wrong = crosswalks[1].replacen("dpc=", "DPC=", 1);
    let output = linkage(folder.path(), &["evaluate", "links", "--truth", "study/truth.csv", "--crosswalk", &wrong]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("the truth has none of the records of DPC"), "{told}");
    // Databases that no permit can join are told before one of them is tokenised.
    let study =
        ["generate", "extracts", "-o", "closed", "--people", "50", "--database", "ndb", "--database", "kenshin"];
    assert!(linkage(folder.path(), &study).status.success());
    let output = linkage(folder.path(), &["demo", "--extracts", "closed"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("kenshin offers no anonymised data"), "{told}");
    assert!(told.contains("permit new") && !told.contains("tokenise"), "{told}");
    let nothing = path(folder.path());
    let output = linkage(folder.path(), &["demo", "--extracts", nothing, "--json"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("manifest.json") && told.contains("hint: "), "{told}");
}
