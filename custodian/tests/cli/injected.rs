//! What is damaged on purpose is what is reported, by rule, count and row, and nothing else is: every class of damage that a
//! program of this kind reports, in every format that can have it.

use std::collections::{BTreeMap, BTreeSet};

use linkage_core::normalise::Rule;
use proptest::prelude::*;

use crate::injected_formats::{Extract, Record, write};
use crate::site::Site;

const SCHEMA: &str = r#"{
  "format": "linkage-schema/1", "name": "injected", "normalisation": "ja/1", "threshold": "0.8",
  "fields": [
    {"name": "family_kana", "kind": "kana", "encode": {"bits": 80}},
    {"name": "given_kana", "kind": "kana", "encode": {"bits": 80}},
    {"name": "family_kanji", "kind": "kanji", "encode": {"bits": 40}},
    {"name": "given_kanji", "kind": "kanji", "encode": {"bits": 40}},
    {"name": "name_latin", "kind": "latin", "encode": {"bits": 40}},
    {"name": "birth_date", "kind": "date", "encode": {"bits": 80}},
    {"name": "sex", "kind": "sex", "encode": {"q": 1, "bits": 10}},
    {"name": "postal_code", "kind": "postal-code", "encode": {"q": 1, "bits": 10}},
    {"name": "insurer_number", "kind": "insurer-number", "encode": {"q": 1, "bits": 10}},
    {"name": "insured_symbol", "kind": "insured-symbol", "encode": {"q": 1, "bits": 10}},
    {"name": "insured_number", "kind": "insured-number", "encode": {"q": 1, "bits": 10}},
    {"name": "insured_branch", "kind": "insured-branch", "encode": {"q": 1, "bits": 10}},
    {"name": "facility_code", "kind": "facility-code"},
    {"name": "house_number", "kind": "digits"}
  ],
  "exact_tokens": [{"name": "house", "required": ["facility_code", "house_number"]}]
}"#;

/// What is done to a record on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// The record ends too early.
    Cut,
    /// Nobody has that birthday.
    Date,
    PartialDate,
    Year,
    Era,
    Sex,
    PostalCode,
    Insurer,
    CheckDigit,
    Symbol,
    Branch,
    Facility,
    House,
    /// A reading longer than any name.
    Long,
    /// A byte in the reading that the encoding does not have.
    Byte,
    /// The same in the record id.
    ByteInId,
    /// A reading of characters that stand for unreadable ones.
    Unreadable,
    /// Kanji for the reading.
    NotKana,
    /// Digits for the name in kanji.
    NoKanji,
    /// Kanji for the name in the alphabet.
    NotLatin,
    /// Kana for the name in kanji.
    KanaForKanji,
    /// The alphabet for the name in kanji.
    LatinForKanji,
    NoId,
    /// Nothing but the id.
    Nothing,
    /// The first record once more.
    Twice,
    /// The file with the names does not have the person.
    Unnamed,
}

const DAMAGES: [Damage; 26] = {
    use Damage::*;
    [
        Cut,
        Date,
        PartialDate,
        Year,
        Era,
        Sex,
        PostalCode,
        Insurer,
        CheckDigit,
        Symbol,
        Branch,
        Facility,
        House,
        Long,
        Byte,
        ByteInId,
        Unreadable,
        NotKana,
        NoKanji,
        NotLatin,
        KanaForKanji,
        LatinForKanji,
        NoId,
        Nothing,
        Twice,
        Unnamed,
    ]
};

/// What must be reported; nothing where the format has no place for the damage.
fn expected(format: &str, damage: Damage) -> Option<&'static str> {
    use Damage::*;
    let is_table = matches!(format, "csv" | "parquet");
    let has = |formats: &[&str]| is_table || formats.contains(&format);
    Some(match damage {
        Cut if format == "csv" => "wrong-field-count",
        // Rows of Parquet are all of one width.
        Cut if format != "parquet" => "malformed",
        // A checkup has no number of its person: without birth date or name nothing tells it from others.
        Date | Year | Long | Unreadable | NoId | Nothing if format == "kenshin" => "no-record-id",
        Date => "birth_date not-a-date",
        PartialDate => "birth_date partial-date",
        Year => "birth_date year-out-of-range",
        Era => "birth_date out-of-era",
        Sex => "sex unknown-sex",
        PostalCode if has(&["kenshin", "fhir", "ssmix2", "assessment", "dpc"]) => "postal_code not-a-postal-code",
        Insurer if has(&["uke", "kenshin", "fhir", "dpc", "ssmix2"]) => "insurer_number not-an-insurer-number",
        // The insurer is part of what joins the records of long-term care.
        Insurer if format == "kaigo" || format == "assessment" => "malformed",
        CheckDigit if has(&["uke", "kenshin", "fhir", "dpc", "ssmix2"]) => "insurer_number check-digit",
        Symbol if has(&["uke", "kenshin", "fhir", "dpc", "ssmix2"]) => "insured_symbol not-a-symbol",
        Branch if has(&["uke", "kenshin", "fhir", "dpc", "ssmix2"]) => "insured_branch not-a-branch",
        Facility if has(&["fhir", "ssmix2"]) => "facility_code not-a-facility-code",
        House if is_table => "house_number not-digits",
        Long => "family_kana too-long",
        // XML and JSON are UTF-8 or nothing.
        Byte if has(&["uke", "kaigo", "assessment", "claims", "dpc", "ssmix2"]) => "family_kana undecodable-bytes",
        ByteInId if has(&["uke", "ssmix2"]) => "unreadable-record-id",
        ByteInId if format == "kaigo" || format == "assessment" => "malformed",
        Unreadable => "family_kana unreadable",
        // The one name of a checkup is of the script in which it is written.
        NotKana if format != "kenshin" => "family_kana not-kana",
        NoKanji if has(&["uke", "fhir", "assessment", "dpc", "ssmix2"]) => "family_kanji no-kanji",
        NotLatin if has(&["fhir", "ssmix2"]) => "name_latin not-latin",
        KanaForKanji if is_table => "family_kanji no-kanji",
        KanaForKanji if has(&["uke", "fhir", "assessment", "dpc", "ssmix2"]) => "name-in-kana",
        LatinForKanji if is_table => "family_kanji no-kanji",
        LatinForKanji if has(&["uke", "fhir", "assessment", "dpc", "ssmix2"]) => "name-in-latin",
        NoId if has(&["uke", "fhir", "ssmix2"]) => "no-record-id",
        NoId if format == "kaigo" || format == "assessment" => "malformed",
        Nothing if has(&["uke", "kaigo", "assessment", "claims", "fhir", "ssmix2"]) => "nothing-present",
        Twice if is_table => "duplicate-record-id",
        // Other formats have a record per visit or month: older ones are no fault.
        Twice => "superseded",
        Unnamed if format == "claims" || format == "dpc" => "no-name",
        _ => return None,
    })
}

/// Whether a row of which this is reported is not written.
fn is_lost(found: &str) -> bool {
    !found.contains(' ') && !found.starts_with("name-in")
}

fn inflict(damage: Damage, record: &mut Record) {
    use Damage::*;
    let set = |value: &mut String, to: &str| to.clone_into(value);
    match damage {
        Cut => record.cut = true,
        Date => set(&mut record.birth, "19830231"),
        PartialDate => set(&mut record.birth, "1983"),
        Year => set(&mut record.birth, "18000101"),
        Era => set(&mut record.birth, "S64.5.1"),
        Sex => set(&mut record.sex, "7"),
        PostalCode => set(&mut record.postal_code, "12"),
        Insurer => set(&mut record.insurer, "12A45678"),
        CheckDigit => set(&mut record.insurer, "06132014"),
        Symbol => set(&mut record.symbol, "(1)"),
        Branch => set(&mut record.branch, "123"),
        Facility => set(&mut record.facility, "9912345678"),
        House => set(&mut record.house, "1A"),
        Long => record.kana = ["ア".repeat(400), String::new()],
        Byte => record.kana[0].push(crate::injected_formats::BAD),
        ByteInId => record.id.push(crate::injected_formats::BAD),
        Unreadable => record.kana = ["●●".to_owned(), String::new()],
        NotKana => record.kana = ["佐藤".to_owned(), String::new()],
        NoKanji => set(&mut record.kanji[0], "１２"),
        NotLatin => set(&mut record.latin, "山田 花子"),
        KanaForKanji => record.kanji = ["ヤマダ ハナコ".to_owned(), String::new()],
        LatinForKanji => record.kanji = ["YAMADA HANAKO".to_owned(), String::new()],
        NoId => {
            record.id.clear();
            // Where there is an insurance it stands in, with the birth date.
            record.birth.clear();
        }
        Nothing => {
            *record =
                Record { id: std::mem::take(&mut record.id), facility: record.facility.clone(), ..Record::empty() }
        }
        Twice | Unnamed => {}
    }
}

/// The records of an extract, damaged as said, and what must be reported of them: per rule the rows.
fn injected(format: &str, damages: &[Option<Damage>]) -> (Extract, BTreeMap<String, Vec<u64>>) {
    let mut records: Vec<Record> = (0..damages.len()).map(Record::sound).collect();
    for (at, damage) in damages.iter().enumerate().filter_map(|(at, damage)| Some((at, (*damage)?))) {
        match damage {
            Damage::Twice => records[at] = records[0].clone(),
            Damage::Unnamed => records[at].is_named = false,
            _ => {}
        }
        inflict(damage, &mut records[at]);
    }
    let extract = write(format, &records);
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (at, damage) in damages.iter().enumerate().filter_map(|(at, damage)| Some((at, (*damage)?))) {
        let rule = expected(format, damage).unwrap();
        let rows = if damage == Damage::Unnamed || damage == Damage::Cut { &extract.first_rows } else { &extract.rows };
        found.entry(rule.to_owned()).or_default().push(rows[at]);
    }
    (extract, found)
}

/// What the program reports of an extract, and how many rows it has written.
fn reported(site: &Site, extract: &Extract) -> (BTreeMap<String, Vec<u64>>, u64) {
    extract.files.iter().for_each(|(name, content)| site.write(name, content));
    let run = site.run(&format!(
        "tokenise --database ndb --schema injected.json --secret linkage.secret --to unit.pub --site-key site.key --force \
         --json -o out.tokens {}",
        extract.options
    ));
    let summary: serde_json::Value =
        serde_json::from_slice(&run.0.stdout).unwrap_or_else(|_| panic!("{}", run.stderr()));
    let (findings, mut found) = (&summary["findings"], BTreeMap::new());
    for (list, field) in [("set_aside", ""), ("names", ""), ("broken", "field")] {
        for entry in findings[list].as_array().unwrap() {
            let place = entry[field].as_str().map(|field| format!("{field} ")).unwrap_or_default();
            let mut rows: Vec<u64> =
                entry["first_rows"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect();
            // Rows beyond those that are listed are counted only.
            rows.resize(entry["rows"].as_u64().unwrap() as usize, 0);
            found.insert(format!("{place}{}", entry["rule"].as_str().unwrap()), rows);
        }
    }
    if findings["superseded"] != 0 {
        found.insert("superseded".to_owned(), vec![0; findings["superseded"].as_u64().unwrap() as usize]);
    }
    (found, summary["written_rows"].as_u64().unwrap())
}

/// As much of the rows as a report shows.
fn as_listed(found: &BTreeMap<String, Vec<u64>>) -> BTreeMap<String, Vec<u64>> {
    let listed = |rule: &String, rows: &Vec<u64>| {
        let mut rows = rows.clone();
        rows.sort_unstable();
        let shown = if rule == "superseded" { 0 } else { 5 };
        rows.iter_mut().skip(shown).for_each(|row| *row = 0);
        rows
    };
    found.iter().map(|(rule, rows)| (rule.clone(), listed(rule, rows))).collect()
}

fn check(format: &str, damages: &[Option<Damage>]) {
    let site = Site::new();
    site.write("injected.json", SCHEMA);
    let (extract, expected) = injected(format, damages);
    let (found, written) = reported(&site, &extract);
    assert_eq!(found, as_listed(&expected), "{format}: {damages:?}");
    let lost: usize = expected.iter().filter(|(found, _)| is_lost(found)).map(|(_, rows)| rows.len()).sum();
    assert_eq!(written, (damages.len() - lost) as u64, "{format}: {damages:?}");
}

/// One test for each format: every class at once, and draws of them.
macro_rules! formats {
    ($($format:ident),+) => {
        const FORMATS: &[&str] = &[$(stringify!($format)),+];
        $(mod $format {
            use super::*;

            #[test]
            fn every_class_of_damage_is_reported_where_it_is() {
                let all = DAMAGES.into_iter().filter(|damage| expected(stringify!($format), *damage).is_some());
                // The first are sound, so that more than half of the rows are in the declared encoding.
                let damages: Vec<_> = [None; 3].into_iter().chain(all.map(Some)).collect();
                check(stringify!($format), &damages);
            }

            proptest! {
                #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]
                #[test]
                fn injected_damage_is_what_is_reported(
                    chosen in prop::collection::vec(prop::option::weighted(0.5, prop::sample::select(&DAMAGES[..])), 12..40),
                ) {
                    let possible = |damage: &Damage| expected(stringify!($format), *damage).is_some();
                    let mut damages = vec![None; 2];
                    damages.extend(chosen.into_iter().map(|damage| damage.filter(possible)));
                    // An extract of which half is in another encoding is refused as a whole.
                    let undecodable = |damage: &&Option<Damage>| matches!(damage, Some(Damage::Byte | Damage::ByteInId));
                    prop_assume!(damages.iter().filter(undecodable).count() * 3 < damages.len());
                    check(stringify!($format), &damages);
                }
            }
        })+
    };
}

formats!(csv, parquet, uke, kenshin, fhir, kaigo, assessment, claims, dpc, ssmix2);

#[test]
fn every_rule_of_a_value_is_broken_in_some_format() {
    let all = FORMATS.iter().flat_map(|format| DAMAGES.iter().filter_map(|damage| expected(format, *damage)));
    let broken: BTreeSet<&str> = all.filter_map(|found| found.split(' ').nth(1)).collect();
    assert_eq!(broken, Rule::ALL.iter().map(|rule| rule.code()).collect());
}
