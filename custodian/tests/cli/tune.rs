//! `custodian tune`: a schema out of pairs that are known.

use std::fmt::Write as _;

use std::collections::HashMap;

use linkage_core::schema::LinkageSchema;
use linkage_datasets::{ExtractOptions, Model, write_extracts};

use crate::site::{Site, parquet, people};

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
fn parquet_is_tuned_on_as_the_same_table_in_csv_is() {
    let site = Site::new();
    twin(&site, 120);
    let of_csv = site.run(&format!("{TUNE} --right-id-column row --json -o csv.json"));
    assert_eq!(of_csv.code(), 0, "{}", of_csv.stderr());
    for table in ["a", "b"] {
        let text = std::fs::read_to_string(site.path(&format!("{table}.csv"))).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        let column = |at: usize| rows[1..].iter().map(|row| row[at].as_bytes().to_vec()).collect();
        site.write(
            &format!("{table}.parquet"),
            parquet(rows[0].iter().enumerate().map(|(at, name)| (*name, column(at))).collect()),
        );
    }
    let both = TUNE.replace(".csv --right b.csv", ".parquet --format parquet --right b.parquet");
    let one = TUNE.replace("b.csv", "b.parquet") + " --right-format parquet";
    for (line, output) in [(both, "both.json"), (one, "one.json")] {
        let run = site.run(&format!("{line} --right-id-column row --json -o {output}"));
        assert_eq!(run.code(), 0, "{}", run.stderr());
        assert_eq!(run.stdout().replace(output, "csv.json"), of_csv.stdout());
        let [tuned, same] = [output, "csv.json"].map(|name| std::fs::read(site.path(name)).unwrap());
        assert_eq!(tuned, same, "{output}");
    }
    let numbered = site.run(&format!("{TUNE} --format parquet --right-id-column row -o tuned.json"));
    assert!(numbered.code() == 1 && numbered.stderr().contains("not a Parquet file"), "{}", numbered.stderr());
    assert!(!site.path("tuned.json").exists());
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

#[test]
fn tables_of_every_format_can_be_tuned_on_each_under_the_ids_of_its_reader() {
    const DATABASES: [&str; 7] = ["ndb", "dpc", "kaigo", "denkaru", "kenshin", "nanbyo", "ssmix2"];
    let site = Site::new();
    let everybody = |name: &str| format!("[databases.{name}]\ncoverage = [1.0, 1.0, 1.0, 1.0, 1.0]\n");
    let model = Model::parse(&DATABASES.map(everybody).concat()).unwrap();
    let databases = DATABASES.map(str::to_owned).to_vec();
    let options = ExtractOptions { people: 160, seed: 3, model, databases, threads: 1 };
    let manifest = write_extracts(&site.path("study"), &options, &mut |_| {}).unwrap();
    let mut ids: HashMap<(String, String), String> = HashMap::new();
    for row in std::fs::read_to_string(site.path("study/truth.csv")).unwrap().lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        ids.insert((cells[0].to_owned(), cells[2].to_owned()), cells[1].to_owned());
    }
    for database in manifest.databases.iter().filter(|database| database.name != "ndb") {
        let of = |name: &str, person: usize| ids.get(&(name.to_owned(), person.to_string()));
        let pairs = (0..160).filter_map(|person| of("ndb", person).zip(of(&database.name, person)));
        let pairs: Vec<String> = pairs.map(|(left, right)| format!("{left},{right}\n")).collect();
        assert!(pairs.len() > 140, "{}", database.name);
        site.write("gold.csv", format!("left_id,right_id\n{}", pairs.concat()));
        let mut right = String::new();
        let mut words = database.read_with.split_whitespace();
        while let Some(word) = words.next() {
            right += &match word.strip_prefix("--") {
                Some("names") => format!(" --right-names study/{}", words.next().unwrap()),
                Some(option) => format!(" --right-{option} {}", words.next().unwrap()),
                None => format!(" --right study/{word}"),
            };
        }
        if !right.contains("--right-format") {
            right += " --right-format csv";
        }
        let tune =
            "tune --gold gold.csv --schema person-ja --force --json -o tuned.json --format uke --left study/ndb.uke";
        // What receipts alone can take is not for the other table.
        let run = site.run(&format!("{tune} --kana-column medical=37 {right}"));
        assert_eq!(run.code(), 0, "{}: {}", database.name, run.stderr());
        let report: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
        let people = ["learnt_from", "held_out"].map(|half| report["people"][half].as_u64().unwrap());
        assert_eq!((people[0] + people[1], &report["absent_gold_pairs"]), (pairs.len() as u64, &0.into()));
        assert!(report["held_out"]["f1"].as_f64().unwrap() > 0.8, "{}: {report}", database.name);
        let refused = site.run(&format!("{tune} --branch-root 1.2 {right}"));
        assert_eq!(refused.code() == 1 && refused.stderr().contains("--branch-root"), database.name != "kenshin");
    }
}
