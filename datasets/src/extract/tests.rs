use std::collections::{HashMap, HashSet};

use super::*;

fn options(people: u64) -> ExtractOptions {
    ExtractOptions { people, seed: 21, model: Model::default(), databases: Vec::new(), threads: 2 }
}

fn files(dir: &Path) -> HashMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|e| (e.file_name().to_string_lossy().into_owned(), std::fs::read(e.path()).unwrap())).collect()
}

fn written(options: &ExtractOptions) -> (HashMap<String, Vec<u8>>, ExtractManifest) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    let mut done = 0;
    let manifest = write_extracts(&target, options, &mut |people| done = people).unwrap();
    assert_eq!(done, options.people);
    assert!(matches!(write_extracts(&target, options, &mut |_| {}), Err(DatasetError::Exists { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    (files(&target), manifest)
}

/// The messages of the storages, by their paths.
fn storages(options: &ExtractOptions) -> Vec<(String, String)> {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    write_extracts(&target, options, &mut |_| {}).unwrap();
    let mut files = Vec::new();
    tree(&target, "ssmix2", &mut files);
    files.into_iter().map(|(path, bytes)| (path, encoding_rs::ISO_2022_JP.decode(&bytes).0.into_owned())).collect()
}

fn truth(files: &HashMap<String, Vec<u8>>) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(&files["truth.csv"][..]);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let (one, manifest) = written(&ExtractOptions { threads: 1, ..options(9000) });
    let (three, _) = written(&ExtractOptions { threads: 3, ..options(9000) });
    assert!(one == three);
    let names: HashSet<&str> = manifest.databases.iter().flat_map(|d| &d.files).map(String::as_str).collect();
    assert_eq!(names.len() + 2, one.len());

    let truth = truth(&one);
    let ids: HashSet<(&String, &String)> = truth.iter().map(|row| (&row[0], &row[1])).collect();
    assert_eq!(ids.len(), truth.len(), "an id stands for two people");
    for database in &manifest.databases {
        let records = truth.iter().filter(|row| row[0] == database.name).count() as u64;
        assert_eq!(records, database.records);
        assert!(
            records > 0 && database.read_with.ends_with(database.files.last().unwrap().split('.').next_back().unwrap())
        );
    }
}

#[test]
fn coverage_goes_by_age_and_overlap_is_a_parameter() {
    let share = |truth: &[Vec<String>], a: &str, b: &str| {
        let people = |name: &str| truth.iter().filter(|r| r[0] == name).map(|r| r[2].clone()).collect::<HashSet<_>>();
        let (a, b) = (people(a), people(b));
        a.intersection(&b).count() as f64 / a.len() as f64
    };
    let apart = truth(&written(&options(8000)).0);
    assert!(apart.iter().all(|row| row[0] != "kaigo" || ["40-64", "65-74", "75+"].contains(&row[4].as_str())));
    assert!(apart.iter().all(|row| row[0] != "shoman" || ["0-14", "15-39"].contains(&row[4].as_str())));
    let mut together = options(8000);
    together.model.overlap = 1.0;
    let together = truth(&written(&together).0);
    // Of the rarer database all are in the one that holds more of every age.
    assert!(share(&apart, "dpc", "ndb") < 0.95 && share(&together, "dpc", "ndb") == 1.0);
    assert!(share(&together, "jisedai", "denkaru") > 0.9 && share(&apart, "jisedai", "denkaru") < 0.5);
}

#[test]
fn a_sweep_keeps_the_people_and_moves_one_error() {
    let errors = |rate: f64| {
        let mut options = ExtractOptions { databases: vec!["ndb".to_owned()], ..options(8000) };
        options.model.set("kana_typo", rate).unwrap();
        // A reading that is missing has no typing error.
        options.model.set("kana_missing", 0.0).unwrap();
        truth(&written(&options).0)
    };
    let (few, many) = (errors(0.0), errors(0.5));
    assert_eq!(few.len(), many.len());
    let (mut typos, mut without) = (0, Vec::new());
    for row in &many {
        typos += usize::from(row[10].split('+').any(|error| error == "kana-typo"));
        let rest: Vec<&str> = row[10].split('+').filter(|error| *error != "kana-typo").collect();
        without.push((row[..10].to_vec(), rest.join("+")));
    }
    assert!(typos.abs_diff(few.len() / 2) < few.len() / 20, "{typos} of {}", few.len());
    assert!(few.iter().map(|row| (row[..10].to_vec(), row[10].clone())).eq(without));
}

#[test]
fn a_name_in_common_use_is_where_the_format_has_a_place_and_told_where_it_stands_for_the_legal_one() {
    let options = |share: f64, instead: f64, database: &str| {
        let mut options = ExtractOptions { databases: vec![database.to_owned()], ..options(4000) };
        for (rate, value) in [("foreign_share", 0.3), ("alias_share", share), ("alias_instead_of_name", instead)] {
            options.model.set(rate, value).unwrap();
        }
        options
    };
    let made = |share: f64, instead: f64| {
        let (files, _) = written(&options(share, instead, "denkaru"));
        let text = std::str::from_utf8(&files["denkaru.ndjson"]).unwrap();
        let of_id = |line: &str| {
            let patient: serde_json::Value = serde_json::from_str(line).unwrap();
            (patient["identifier"][0]["value"].as_str().unwrap().to_owned(), line.to_owned())
        };
        (truth(&files), text.lines().map(of_id).collect::<HashMap<_, _>>())
    };
    let (plain, beside, instead) = (made(0.0, 1.0), made(1.0, 0.0), made(1.0, 1.0));
    let chart = |row: &[String]| row[1].split_once(':').unwrap().1.to_owned();
    let mut foreign = 0;
    for ((row, shown), hidden) in plain.0.iter().zip(&beside.0).zip(&instead.0) {
        assert!(row[..10] == shown[..10] && row[..10] == hidden[..10]);
        let [line, with, without] = [&plain.1, &beside.1, &instead.1].map(|lines| &lines[&chart(row)]);
        let told = |row: &[String]| row[10].split('+').any(|error| error == "alias-instead-of-name");
        let is_foreign = row[6] == "1";
        foreign += u32::from(is_foreign);
        assert!(is_foreign || (line, &row[10]) == (with, &shown[10]) && (line, &row[10]) == (without, &hidden[10]));
        let usual = [line, with, without].map(|line| line.contains("\"usual\""));
        assert_eq!(usual, [false, is_foreign, false]);
        assert_eq!([told(row), told(shown), told(hidden)], [false, false, is_foreign]);
    }
    assert!(foreign > 200, "{foreign}");
    let common = |share: f64, instead: f64| {
        storages(&options(share, instead, "ssmix2")).iter().filter(|(_, text)| text.contains("A^I~")).count()
    };
    assert_eq!((common(0.0, 1.0), common(1.0, 1.0)), (0, 0));
    assert!(common(1.0, 0.0) > 200);
}

#[test]
fn an_extract_sees_people_as_of_its_day() {
    let mut options = ExtractOptions { databases: vec!["kenshin".to_owned()], ..options(8000) };
    options.model.databases.entry("kenshin".to_owned()).or_default().as_of = Some("2020-04-01".to_owned());
    let old = truth(&written(&options).0);
    assert!(old.iter().all(|row| row[9].as_str() <= "2020-04-01" && row[9].as_str() > "2019-03-01"));
    let moved = old.iter().filter(|row| row[10].contains("old-place")).count() as f64 / old.len() as f64;
    // Six years and a half at 4.2 % a year, and marriages.
    assert!((0.2..0.4).contains(&moved), "{moved}");
    options.databases = vec!["nobody".to_owned()];
    let dir = tempfile::tempdir().unwrap();
    let refused = write_extracts(&dir.path().join("out"), &options, &mut |_| {});
    assert!(matches!(refused, Err(DatasetError::UnknownDatabase { .. })));
}

#[test]
fn each_format_looks_as_custodians_know_it() {
    let (files, _) = written(&options(5000));
    let text = |name: &str| encoding_rs::SHIFT_JIS.decode(&files[name]).0.into_owned();
    let uke = text("ndb.uke");
    for line in uke.lines().filter(|line| line.starts_with("RE,")) {
        let columns: Vec<&str> = line.split(',').collect();
        assert!(columns.len() == 38 && columns[13].len() == 9 && columns[4].chars().count() <= 20, "{line}");
        assert!(columns[36].chars().all(|c| ('ァ'..='ー').contains(&c)), "{line}");
    }
    assert!(uke.lines().any(|l| l.starts_with("HO,  ")) && uke.lines().any(|l| l.starts_with("HO,00")));
    for line in text("dpc.ff1.txt").lines() {
        assert_eq!(line.split('\t').count(), 17);
    }
    assert!(text("kaigo.ledger.csv").contains("ｻﾄｳ ") && !text("kaigo.claims.csv").contains('ｻ'));
    for file in ["kaigo.ledger.csv", "kaigo.claims.csv"] {
        // Numbered through, over the ends of blocks.
        let text = text(file);
        assert!(
            text.lines().count() > 200
                && text.starts_with("1,1,711,")
                && text.lines().last().unwrap().starts_with("3,")
        );
        for (at, line) in text.lines().enumerate() {
            assert_eq!(line.split(',').nth(1), Some((at + 1).to_string().as_str()), "{file}");
        }
    }
    let nanbyo = text("nanbyo.csv");
    assert!(nanbyo.starts_with("受給者番号,") && nanbyo.contains("昭和"));
    let fhir = String::from_utf8(files["denkaru.ndjson"].clone()).unwrap();
    for line in fhir.lines().take(50) {
        let patient: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(patient["resourceType"], "Patient");
    }
    assert!(fhir.contains("valueString") && fhir.contains("Idsysmem"));
    let mut latin = 0;
    for line in fhir.lines() {
        let patient: serde_json::Value = serde_json::from_str(line).unwrap();
        for name in patient["name"].as_array().unwrap() {
            let extension = &name["extension"][0];
            let code = extension["valueCode"].as_str().or(extension["valueString"].as_str());
            let in_latin = name["text"].as_str().unwrap().is_ascii();
            assert_eq!(code == Some("ABC"), in_latin, "{name}");
            latin += u32::from(in_latin);
        }
    }
    assert!(latin > 10, "{latin}");
}

#[test]
fn every_habit_is_a_rate() {
    let rate = |name: &str, rate: f64, database: &str| {
        let mut options = ExtractOptions { databases: vec![database.to_owned()], ..options(3000) };
        // Where names are whole they have no further habit.
        options.model.set("whole_names", 0.0).unwrap();
        options.model.set("middle_names", 0.0).unwrap();
        options.model.set(name, rate).unwrap();
        options
    };
    let text = |name: &str, share: f64, database: &str, file: &str| {
        let (files, manifest) = written(&rate(name, share, database));
        (encoding_rs::SHIFT_JIS.decode(&files[file]).0.into_owned(), manifest.databases[0].records as usize)
    };
    let [(spaces, _), (zeros, _)] = [0.0, 1.0].map(|share| text("insurer_zeros", share, "ndb", "ndb.uke"));
    assert!(
        spaces.contains("HO,  ") && !spaces.contains("HO,00") && !zeros.contains("HO,  ") && zeros.contains("HO,00")
    );
    for (share, receipts) in [(0.0, 1), (1.0, 2)] {
        let (text, records) = text("earlier_receipt", share, "ndb", "ndb.uke");
        assert_eq!(text.lines().filter(|line| line.starts_with("RE,")).count(), receipts * records);
    }
    let fhir = |name: &str, share: f64| {
        String::from_utf8(written(&rate(name, share, "denkaru")).0["denkaru.ndjson"].clone()).unwrap()
    };
    for (habit, with, without) in
        [("old_systems", "valueString", "valueCode"), ("whole_names", "", "\"family\":"), ("wide_numbers", "１", "")]
    {
        let [none, all] = [0.0, 1.0].map(|share| fhir(habit, share));
        assert!(with.is_empty() || !none.contains(with) && all.contains(with), "{habit}");
        assert!(without.is_empty() || none.contains(without) && !all.contains(without), "{habit}");
    }
    let storages = |name: &str, share: f64| storages(&rate(name, share, "ssmix2"));
    let [none, all] = [0.0, 1.0].map(|share| storages("prescribed", share));
    let prescriptions = |files: &[(String, String)]| files.iter().filter(|(path, _)| path.contains("OMP-01")).count();
    assert_eq!((prescriptions(&none), prescriptions(&all), all.len()), (0, none.len(), 2 * none.len()));
    let [none, all] = [0.0, 1.0].map(|share| storages("caret_missing", share));
    let written = |files: &[(String, String)], part: &str| files.iter().filter(|(_, text)| text.contains(part)).count();
    // The place after the given name is that of further ones.
    assert_eq!((written(&none, "^^^^^L^"), written(&all, "^^^^^L^"), all.len()), (none.len(), 0, none.len()));
    let [none, all] = [0.0, 1.0].map(|share| storages("middle_names", share));
    let further = |files: &[(String, String)]| {
        let names = files.iter().flat_map(|(_, text)| text.split(['|', '~']).filter(|name| name.contains("^L^A")));
        names.filter(|name| name.split('^').nth(2).is_some_and(|further| !further.is_empty())).count()
    };
    assert!(further(&none) == 0 && further(&all) > 0, "{}", further(&all));
}

#[test]
fn the_share_of_records_with_insurance_is_a_rate_of_the_databases_that_do_not_ask_everybody() {
    let missing = |insured: Option<f64>, database: &str| {
        let mut options = ExtractOptions { databases: vec![database.to_owned()], ..options(20_000) };
        options.model.set("insurance_missing", 0.0).unwrap();
        options.model.set("branch_missing", 0.0).unwrap();
        if let Some(insured) = insured {
            options.model.set(&format!("databases.{database}.insured"), insured).unwrap();
        }
        let truth = truth(&written(&options).0);
        let missing = truth.iter().filter(|row| row[10].contains("insurance-missing")).count();
        missing as f64 / truth.len() as f64
    };
    for (database, default, tolerance) in [("jisedai", 0.3, 0.03), ("nanbyo", 0.05, 0.04)] {
        let share = missing(None, database);
        assert!((share - default).abs() < tolerance, "{database}: {share}");
        assert_eq!((missing(Some(1.0), database), missing(Some(0.0), database)), (0.0, 1.0), "{database}");
    }
}

#[test]
fn the_manifest_counts_the_records_that_the_truth_has() {
    let mut options = ExtractOptions { databases: vec!["kenshin".to_owned()], ..options(4000) };
    options.model.set("birth_date_missing", 0.5).unwrap();
    let (files, manifest) = written(&options);
    let documents = String::from_utf8(files["kenshin.xml"].clone()).unwrap().matches("<ClinicalDocument ").count();
    let records = manifest.databases[0].records;
    assert_eq!(truth(&files).len() as u64, records);
    // Nobody can tell whose checkup it is that has no birth date.
    assert!((documents as f64 * 0.5 - records as f64).abs() < documents as f64 * 0.06, "{records} of {documents}");
}

#[test]
fn records_are_as_old_as_the_staleness_says() {
    let rows = |staleness: f64| {
        let mut options = ExtractOptions { databases: vec!["denkaru".to_owned()], ..options(6000) };
        options.model.set("staleness", staleness).unwrap();
        truth(&written(&options).0)
    };
    let fresh = rows(0.0);
    assert!(fresh.iter().all(|row| row[9] == "2026-04-01" && !row[10].contains("old-")));
    let old_before = |rows: &[Vec<String>], day: &str| {
        rows.iter().filter(|row| row[9].as_str() < day).count() as f64 / rows.len() as f64
    };
    let (half, full) = (rows(0.5), rows(1.0));
    // Up to six years, or three.
    assert!(old_before(&half, "2023-03-30") == 0.0);
    assert!((old_before(&full, "2023-03-30") - 0.5).abs() < 0.06, "{}", old_before(&full, "2023-03-30"));
    assert!((old_before(&half, "2024-10-01") - 0.5).abs() < 0.06, "{}", old_before(&half, "2024-10-01"));
}

#[test]
fn a_population_is_written_as_of_a_day_on_which_it_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, day| {
        let model = crate::PopulationModel::default();
        write_population(&dir.path().join(name), (500, 1), &model, day, 1, &mut |_| {})
    };
    for day in [Date::new(1999, 12, 31), Date::new(2026, 4, 2)] {
        let refused = write("refused.csv", day).unwrap_err();
        assert!(matches!(refused, DatasetError::Day) && refused.to_string().contains("from 2000-01-01 to 2026-04-01"));
    }
    assert!(!dir.path().join("refused.csv").exists());
    let (then, now) =
        (write("then.csv", Date::new(2000, 1, 1)).unwrap(), write("now.csv", Date::new(2026, 4, 1)).unwrap());
    assert!(now == 500 && (250..500).contains(&then), "{then} {now}");
}

#[test]
fn an_error_says_its_cause_once() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing").join("out");
    let error = write_extracts(&missing, &options(10), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("missing/out: ") && std::error::Error::source(&error).is_none(), "{error}");
}

/// The files below a folder, by their paths.
fn tree(dir: &Path, below: &str, out: &mut Vec<(String, Vec<u8>)>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir.join(below)).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        match entry.file_type().unwrap().is_dir() {
            true => tree(dir, &path, out),
            false => out.push((path, std::fs::read(entry.path()).unwrap())),
        }
    }
}

#[test]
fn a_standardised_storage_has_the_same_people_as_the_records_in_fhir() {
    let made = |databases: &[&str], threads: usize| {
        let databases = databases.iter().map(|name| (*name).to_owned()).collect();
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        write_extracts(&target, &ExtractOptions { databases, threads, ..options(5000) }, &mut |_| {}).unwrap();
        let mut files = Vec::new();
        if target.join("ssmix2").exists() {
            tree(&target, "ssmix2", &mut files);
        }
        (files, truth(&HashMap::from([("truth.csv".to_owned(), std::fs::read(target.join("truth.csv")).unwrap())])))
    };
    let (files, both) = made(&["ssmix2", "denkaru"], 3);
    assert!((&files, both.len()) == (&made(&["ssmix2"], 1).0, 2 * made(&["denkaru"], 1).1.len()));
    assert!(made(&[], 1).1.iter().all(|row| row[0] != "ssmix2"), "nobody has asked for it");

    // All but what the narrower characters did.
    let of = |database: &str| {
        let rows = both.iter().filter(|row| row[0] == database).map(|row| {
            let errors = row[10].split('+').filter(|error| *error != "jis-fallback").collect::<Vec<_>>().join("+");
            [&row[1..10], &[errors]].concat()
        });
        rows.collect::<HashSet<_>>()
    };
    assert!(!of("ssmix2").is_empty() && of("ssmix2") == of("denkaru"));

    let mut masters = 0;
    for (path, bytes) in &files {
        let parts: Vec<&str> = path.split('/').collect();
        let [_, facility, first, second, chart, day, kind, name] = parts[..] else { panic!("{path}") };
        assert!(facility.len() == 10 && chart.starts_with(&format!("{first}{second}")), "{path}");
        assert!(name.starts_with(&format!("{chart}_{day}_{kind}_")) && name.split('_').count() == 7, "{path}");
        assert!(bytes.is_ascii() && bytes.starts_with(b"MSH|^~\\&|HIS|") && bytes.ends_with(b"\r"), "{path}");
        masters += usize::from(kind == "ADT-00");
    }
    assert_eq!(masters * 2, both.len());
    let text: String = files.iter().map(|(_, bytes)| encoding_rs::ISO_2022_JP.decode(bytes).0.into_owned()).collect();
    for habit in ["^^^^^L^I~", "^^^^L^P||", "^^^^L^A~", "　", "|39", "１", "OMP^O09"] {
        assert!(text.contains(habit), "{habit}");
    }
    assert!(!text.chars().any(crate::names::outside_jis));
}

#[test]
fn the_truth_tells_of_a_name_that_the_encoding_of_a_format_lacks() {
    let mut options = ExtractOptions { databases: vec!["ndb".to_owned()], ..options(9000) };
    options.model.set("foreign_share", 0.9).unwrap();
    options.model.set("jis_fallback", 0.0).unwrap();
    let (files, _) = written(&options);
    let receipts = encoding_rs::SHIFT_JIS.decode(&files["ndb.uke"]).0;
    let marked = receipts.lines().filter(|line| line.starts_with("RE,") && line.contains('〓'));
    let marked: HashSet<&str> = marked.map(|line| line.split(',').nth(13).unwrap()).collect();
    assert!(marked.len() > 5, "{}", marked.len());
    let truth = truth(&files);
    let told = truth.iter().filter(|row| row[10].split('+').any(|error| error == "jis-fallback"));
    assert_eq!(told.map(|row| row[1].split_once(':').unwrap().1).collect::<HashSet<_>>(), marked);
}

#[test]
fn the_truth_names_no_fault_of_a_value_that_the_format_does_not_have_and_names_all_that_are_missing() {
    let (files, _) = written(&options(9000));
    let truth = truth(&files);
    let faults = |database: &str| -> HashSet<String> {
        let rows = truth.iter().filter(|row| row[0] == database);
        rows.flat_map(|row| row[10].split('+').map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    for (database, absent) in [
        ("ndb", &["postal-code-missing", "old-place"][..]),
        ("kansensho", &["insurance-missing", "old-insurance", "number-typo"]),
        ("kenshin", &["jis-fallback", "ordinary-form"]),
        ("kaigo", &["jis-fallback", "ordinary-form", "old-place", "old-insurance", "insurance-missing"]),
    ] {
        let found = faults(database);
        assert!(found.len() > 2 && absent.iter().all(|fault| !found.contains(*fault)), "{database}: {found:?}");
    }
    let mut jisedai = csv::Reader::from_reader(&files["jisedai.csv"][..]);
    let without: HashSet<String> =
        jisedai.records().map(Result::unwrap).filter(|row| row[8].is_empty()).map(|row| row[0].to_owned()).collect();
    let of_jisedai = || truth.iter().filter(|row| row[0] == "jisedai");
    assert!(without.len() > 100 && of_jisedai().count() > 2 * without.len());
    for row in of_jisedai() {
        assert!(!without.contains(&row[1]) || row[10].split('+').any(|fault| fault == "insurance-missing"), "{row:?}");
    }
}
