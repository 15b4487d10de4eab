//! Golden files: what each reader makes of a file in its real encoding (testdata/golden, written by make.py there).

use std::path::PathBuf;

use expect_test::expect_file;
use linkage_core::source::{
    CsvLayout, CsvSource, DpcSummaries, Encoding, FhirSource, KaigoClaims, KaigoLayout, KaigoRegister, KenshinLayout,
    KenshinSource, PersonLayout, RawBatch, Roster, Source, Ssmix2Layout, Ssmix2Source, UkeLayout, UkeSource,
};

/// Every column that a format of persons can have.
const COLUMNS: [&str; 24] = [
    "family_kana",
    "given_kana",
    "name_kana",
    "family_kanji",
    "given_kanji",
    "name_kanji",
    "family_latin",
    "given_latin",
    "name_latin",
    "former_family_kana",
    "former_family_kanji",
    "alias_kana",
    "alias_kanji",
    "birth_date",
    "sex",
    "postal_code",
    "insurer_number",
    "insured_symbol",
    "insured_number",
    "insured_branch",
    "care_insurer_number",
    "care_insured_number",
    "facility_code",
    "chart_number",
];

fn file(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../testdata/golden", name].iter().collect();
    std::fs::read(path).unwrap()
}

fn person() -> PersonLayout {
    PersonLayout { fields: COLUMNS.map(str::to_owned).to_vec(), ..PersonLayout::default() }
}

/// What came of the files, as lines of text.
struct Reading {
    text: String,
    batch: RawBatch,
}

impl Reading {
    fn new(what: &str) -> Self {
        Self { text: format!("== {what}\n"), batch: RawBatch::new() }
    }

    fn read(mut self, name: &str, mut source: impl Source, fields: &[&str]) -> Self {
        self.text += &format!("-- {name}\n");
        let mut scratch = String::new();
        while source.read_batch(&mut self.batch, 3).unwrap() {
            for record in self.batch.records() {
                let mut decode = |bytes: &[u8]| {
                    let decoded = record.encoding().decode(bytes, &mut scratch);
                    format!("{}{}", decoded.text, if decoded.damaged { " (damaged)" } else { "" })
                };
                let id = record.id().map(&mut decode).unwrap_or_default();
                self.text += &format!("row {}, newness {}: {id}\n", record.row(), record.newness());
                for (index, field) in fields.iter().enumerate() {
                    let value = decode(record.field(index));
                    if !value.is_empty() {
                        self.text += &format!("  {field} {value}\n");
                    }
                }
            }
            for row in self.batch.malformed_rows() {
                self.text += &format!("row {row}: malformed\n");
            }
        }
        self
    }

    /// The people of the first files for whom the last had no name.
    fn finish(mut self, roster: &Roster) -> String {
        roster.finish(&mut self.batch);
        self.text + &format!("without a name: rows {:?}\n", self.batch.unnamed_rows())
    }
}

fn csv() -> String {
    let columns = [
        ("family_kana", "姓カナ"),
        ("given_kana", "名カナ"),
        ("family_kanji", "姓"),
        ("given_kanji", "名"),
        ("former_family_kanji", "旧姓"),
        ("former_family_kana", "旧姓カナ"),
        ("alias_kanji", "通称名"),
        ("alias_kana", "通称名カナ"),
        ("birth_date", "生年月日"),
        ("sex", "性別"),
        ("postal_code", "郵便番号"),
        ("insured_branch", "枝番"),
    ];
    let fields = columns.map(|(field, _)| field);
    let layout = CsvLayout {
        encoding: Encoding::Cp932,
        fields: fields.map(str::to_owned).to_vec(),
        map: columns.map(|(field, column)| (field.to_owned(), column.to_owned())).to_vec(),
        id_column: Some("id".to_owned()),
    };
    let bytes = file("people.csv");
    Reading::new("csv").read("people.csv", CsvSource::open(&bytes[..], &layout).unwrap(), &fields).text
}

fn uke() -> String {
    let layout = UkeLayout::new(person());
    let [all, dpc] = ["receipts.uke", "receipts-dpc.uke"].map(file);
    let reading = Reading::new("uke").read("receipts.uke", UkeSource::open(&all[..], &layout).unwrap(), &COLUMNS);
    reading.read("receipts-dpc.uke", UkeSource::open(&dpc[..], &layout).unwrap(), &COLUMNS).text
}

fn kenshin() -> String {
    let layout = KenshinLayout { person: person(), branch_root: None };
    let bytes = file("checkup.xml");
    Reading::new("kenshin").read("checkup.xml", KenshinSource::open(&bytes[..], &layout).unwrap(), &COLUMNS).text
}

fn fhir() -> String {
    let bytes = file("patients.ndjson");
    let source = FhirSource::open(&bytes[..], &person()).unwrap();
    Reading::new("fhir").read("patients.ndjson", source, &COLUMNS).text
}

fn kaigo() -> String {
    let [ledger, claims, assessments] = ["ledger.csv", "claims.csv", "assessments.csv"].map(file);
    let (layout, roster) = (KaigoLayout::ledger(person()), Roster::default());
    let alone = KaigoRegister::open(&ledger[..], &layout, None).unwrap();
    let reading = Reading::new("kaigo").read("ledger.csv alone", alone, &COLUMNS);
    let first = KaigoClaims::open(&claims[..], &layout, roster.clone()).unwrap();
    let reading = reading.read("claims.csv", first, &COLUMNS);
    let named = KaigoRegister::open(&ledger[..], &layout, Some(roster.clone())).unwrap();
    let joined = reading.read("ledger.csv beside it", named, &COLUMNS).finish(&roster);
    let layout = KaigoLayout::assessment(person());
    let source = KaigoRegister::open(&assessments[..], &layout, None).unwrap();
    joined + &Reading::new("kaigo, 認定ソフト").read("assessments.csv", source, &COLUMNS).text
}

fn dpc() -> String {
    let [summaries, receipts] = ["ff1.txt", "receipts-dpc.uke"].map(file);
    let (layout, roster) = (UkeLayout::beside_summaries(person()), Roster::default());
    let first = DpcSummaries::open(&summaries[..], &layout, roster.clone()).unwrap();
    let reading = Reading::new("dpc").read("ff1.txt", first, &COLUMNS);
    let named = UkeSource::open_beside(&receipts[..], &layout, Some(roster.clone())).unwrap();
    reading.read("receipts-dpc.uke", named, &COLUMNS).finish(&roster)
}

fn ssmix2() -> String {
    let (bytes, layout) = (file("adt-00"), Ssmix2Layout::new(person()));
    Reading::new("ssmix2").read("adt-00", Ssmix2Source::open(&bytes[..], &layout).unwrap(), &COLUMNS).text
}

#[test]
fn every_golden_file_becomes_the_expected_rows() {
    let actual = [csv(), uke(), kenshin(), fhir(), kaigo(), dpc(), ssmix2()].concat();
    expect_file!["../../testdata/golden/expected.txt"].assert_eq(&actual);
}

#[cfg(feature = "parquet")]
#[test]
fn the_golden_file_of_parquet_becomes_the_expected_rows() {
    let fields = ["family_kana", "given_kana", "birth_date", "sex", "postal_code"];
    let layout = CsvLayout {
        fields: fields.map(str::to_owned).to_vec(),
        id_column: Some("id".to_owned()),
        ..CsvLayout::default()
    };
    let source =
        linkage_core::source::ParquetSource::open(bytes::Bytes::from(file("people.parquet")), &layout).unwrap();
    let actual = Reading::new("parquet").read("people.parquet", source, &fields).text;
    expect_file!["../../testdata/golden/expected-parquet.txt"].assert_eq(&actual);
}
