//! `custodian tune`: a schema out of pairs that are known.

use std::fmt::Write as _;

use linkage_core::schema::LinkageSchema;

use crate::site::{Site, people};

/// 120 people, and the same people again under other ids, their postal codes all others; and who is who.
fn twin(site: &Site, known: u32) {
    let left = people(known);
    let mut right = String::new();
    let mut gold = "left_id,right_id\n".to_owned();
    for (n, line) in left.lines().enumerate() {
        let mut values: Vec<String> = line.split(',').map(str::to_owned).collect();
        if n > 0 {
            writeln!(gold, "{},q{}", values[0], &values[0][1..]).unwrap();
            values[0] = values[0].replace('p', "q");
            values[7] = format!("{:07}", 1_000_000 + n * 777_773 % 8_000_000);
        }
        writeln!(right, "{}", values.join(",")).unwrap();
    }
    site.write("a.csv", left);
    site.write("b.csv", right.replacen("id,", "row,", 1));
    site.write("gold.csv", gold);
}

const TUNE: &str = "tune --left a.csv --right b.csv --gold gold.csv --schema person-ja --id-column id";

#[test]
fn a_tuned_schema_can_be_used_at_once_and_no_value_is_shown() {
    let site = Site::new();
    twin(&site, 120);
    let run = site.run(&format!("{TUNE} --right-id-column row --name ours -o tuned.json"));
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let shown = run.stdout() + &run.stderr();
    assert!(["p17", "q17", "佐", "ア"].iter().all(|value| !shown.contains(value)), "{shown}");
    let schema = LinkageSchema::load(site.path("tuned.json").to_str().unwrap()).unwrap();
    assert_eq!(schema.name(), "ours");
    // Postal codes agree by chance alone: of 45 bits the least are left, or none.
    let postal_code = schema.encoded_fields().find(|(_, field, _)| field.name() == "postal_code");
    assert!(postal_code.is_none_or(|(_, _, encoding)| encoding.bits() <= 8), "{}", run.stdout());
    let again = site.run(&format!("{TUNE} --right-id-column row --name ours --json -o again.json"));
    let report: serde_json::Value = serde_json::from_str(&again.stdout()).unwrap();
    assert_eq!((&report["people"]["held_out"], &report["fields"][6]["old_budget"]), (&60.into(), &45.into()));
    assert!(report["held_out"]["f1"].as_f64().unwrap() > 0.9, "{report}");
    assert_eq!(std::fs::read(site.path("tuned.json")).unwrap(), std::fs::read(site.path("again.json")).unwrap());
    let refused = site.run(&format!("{TUNE} --right-id-column row -o tuned.json"));
    assert!(refused.code() == 1 && refused.stderr().contains("--force"));
    let sealed = site.run(
        "tokenise --database ndb --schema tuned.json --secret linkage.secret --to unit.pub --id-column id a.csv -o a.tokens",
    );
    assert_eq!(sealed.code(), 0, "{}", sealed.stderr());
}

#[test]
fn too_little_gold_or_none_that_fits_is_refused_and_nothing_is_written() {
    let site = Site::new();
    twin(&site, 40);
    let absent = site.run(&format!("{TUNE} --right-id-column name -o tuned.json"));
    assert!(absent.code() == 1 && absent.stderr().contains("`name`"), "{}", absent.stderr());
    let without = site.run(&TUNE.replace("--id-column id", "-o tuned.json"));
    assert!(without.code() == 1 && without.stderr().contains("--id-column"), "{}", without.stderr());
    let few = site.run(&format!("{TUNE} --right-id-column row -o tuned.json"));
    assert!(few.code() == 1 && few.stderr().contains("40 people") && few.stderr().contains("linkage generate"));
    site.write("gold.csv", "left,right\n");
    let columns = site.run(&format!("{TUNE} --right-id-column row -o tuned.json"));
    assert!(columns.code() == 1 && columns.stderr().contains("no column `left_id`"), "{}", columns.stderr());
    assert!(!site.path("tuned.json").exists());
}
