//! What the fuzzer and the smoke test run: one function per format of bytes from outside. None may panic.

use std::sync::LazyLock;

use linkage_core::clkhash::{ClkJsonReader, ClkJsonWriter, ClkhashEncoder, ClkhashSchema};
use linkage_core::normalise::{changes, normalise};
use linkage_core::schema::{FieldKind, LinkageSchema};
use linkage_core::source::{
    CsvLayout, CsvSource, DpcSummaries, Encoding, FhirSource, KaigoClaims, KaigoLayout, KaigoRegister, KenshinLayout,
    KenshinSource, Mapping, ParquetSource, PersonLayout, RawBatch, Roster, Source, Ssmix2Layout, Ssmix2Source,
    UkeLayout, UkeSource,
};
use linkage_core::token_file::TokenFileReader;

/// The linkage unit's key of testdata; everybody may know it.
pub const UNIT: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

/// What a target does with the bytes.
pub type Target = fn(&[u8]);

/// Every target and its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("csv", csv),
    ("uke", uke),
    ("kenshin", kenshin),
    ("fhir", fhir),
    ("kaigo", kaigo),
    ("dpc", dpc),
    ("ssmix2", ssmix2),
    ("parquet", parquet),
    ("mapping", mapping),
    ("normalise", normalise_value),
    ("schema", schema),
    ("clkhash", clkhash),
    ("clks", clks),
    ("token_file", token_file),
];

/// Every kind of field.
const KINDS: [FieldKind; 17] = [
    FieldKind::Kana,
    FieldKind::KanaUnlengthened,
    FieldKind::KanaUnvoiced,
    FieldKind::KanaSorted,
    FieldKind::Kanji,
    FieldKind::Latin,
    FieldKind::LatinSorted,
    FieldKind::Date,
    FieldKind::Sex,
    FieldKind::PostalCode,
    FieldKind::Digits,
    FieldKind::InsurerNumber,
    FieldKind::InsuredSymbol,
    FieldKind::InsuredNumber,
    FieldKind::InsuredBranch,
    FieldKind::FacilityCode,
    FieldKind::ChartNumber,
];

fn person() -> PersonLayout {
    let fields = ["family_kana", "given_kanji", "name_latin", "birth_date", "sex", "postal_code", "insured_number"];
    PersonLayout { fields: fields.map(str::to_owned).to_vec(), ..PersonLayout::default() }
}

/// Reads a source to its end and looks at every value.
fn drain<S: Source>(source: Result<S, impl std::fmt::Display>, fields: usize) {
    let Ok(mut source) = source else { return };
    let (mut batch, mut scratch) = (RawBatch::new(), String::new());
    while let Ok(true) = source.read_batch(&mut batch, 5) {
        for record in batch.records() {
            for field in 0..fields {
                let _ = record.encoding().decode(record.field(field), &mut scratch);
            }
        }
    }
}

/// The two files of a format that has its names in a second one.
fn two(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}

/// CSV in both encodings.
pub fn csv(data: &[u8]) {
    for encoding in [Encoding::Utf8, Encoding::Cp932] {
        let layout =
            CsvLayout { encoding, fields: Vec::new(), id_column: Some("id".to_owned()), ..CsvLayout::default() };
        drain(CsvSource::open(data, &layout), 0);
        let layout = CsvLayout { encoding, fields: vec!["id".to_owned()], ..CsvLayout::default() };
        drain(CsvSource::open(data, &layout), 1);
    }
}

/// Receipts.
pub fn uke(data: &[u8]) {
    drain(UkeSource::open(data, &UkeLayout::new(person())), 7);
}

/// Checkups.
pub fn kenshin(data: &[u8]) {
    let layout = KenshinLayout { person: person(), branch_root: Some("9.9.9".to_owned()) };
    drain(KenshinSource::open(data, &layout), 7);
}

/// FHIR Patients.
pub fn fhir(data: &[u8]) {
    drain(FhirSource::open(data, &person()), 7);
}

/// Claims of long-term care, a zero byte, and a register.
pub fn kaigo(data: &[u8]) {
    let (claims, register) = two(data);
    for layout in [KaigoLayout::ledger(person()), KaigoLayout::assessment(person())] {
        drain(KaigoRegister::open(claims, &layout, None), 7);
        let roster = Roster::default();
        drain(KaigoClaims::open(claims, &layout, roster.clone()), 0);
        drain(KaigoRegister::open(register, &layout, Some(roster.clone())), 7);
        roster.finish(&mut RawBatch::new());
    }
}

/// Discharge summaries, a zero byte, and receipts.
pub fn dpc(data: &[u8]) {
    let (summaries, receipts) = two(data);
    let (layout, roster) = (UkeLayout::beside_summaries(person()), Roster::default());
    drain(DpcSummaries::open(summaries, &layout, roster.clone()), 0);
    drain(UkeSource::open_beside(receipts, &layout, Some(roster.clone())), 7);
    roster.finish(&mut RawBatch::new());
}

/// HL7 messages, in whatever encoding they say and in UTF-8.
pub fn ssmix2(data: &[u8]) {
    for encoding in [None, Some(Encoding::Utf8)] {
        drain(Ssmix2Source::open(data, &Ssmix2Layout { encoding, ..Ssmix2Layout::new(person()) }), 7);
    }
}

/// Parquet.
pub fn parquet(data: &[u8]) {
    let fields = ["family_kana", "birth_date", "sex", "postal_code"];
    let layout = CsvLayout {
        fields: fields.map(str::to_owned).to_vec(),
        id_column: Some("id".to_owned()),
        ..CsvLayout::default()
    };
    drain(ParquetSource::open(bytes::Bytes::copy_from_slice(data), &layout), 4);
}

/// A mapping file for person-ja, a zero byte, and the table that it describes.
pub fn mapping(data: &[u8]) {
    static SCHEMA: LazyLock<LinkageSchema> =
        LazyLock::new(|| LinkageSchema::shipped("person-ja").expect("it is shipped"));
    let (document, table) = two(data);
    let Ok(mapping) = Mapping::parse(&String::from_utf8_lossy(document), &SCHEMA) else { return };
    drain(CsvSource::open_shaped(table, &mapping.csv_layout(), mapping.csv_shape()), mapping.fields().len());
}

/// One value, in both encodings and as every kind of field: what comes out comes out of itself, and it is changed when
/// and only when changes are counted.
pub fn normalise_value(data: &[u8]) {
    let mut scratch = String::new();
    for encoding in [Encoding::Utf8, Encoding::Cp932] {
        let raw = encoding.decode(data, &mut scratch).text;
        for kind in KINDS {
            let counted = changes(kind, raw);
            match normalise(kind, raw) {
                Ok(Some(value)) => {
                    assert!(normalise(kind, &value) == Ok(Some(value.clone())), "{kind:?}: not the value of itself");
                    assert_eq!(
                        counted.is_empty(),
                        value == raw,
                        "{kind:?}: changes without a change, or without a count"
                    );
                }
                Ok(None) | Err(_) => assert!(counted.is_empty(), "{kind:?}: changes of no value"),
            }
        }
    }
}

/// Linkage schemas.
pub fn schema(data: &[u8]) {
    let _ = LinkageSchema::parse(data).map(|schema| schema.digest());
}

/// A clkhash linkage schema, a zero byte, and a value for each of its columns, one a line.
pub fn clkhash(data: &[u8]) {
    let (document, values) = two(data);
    let Ok(schema) = ClkhashSchema::parse(document) else { return };
    let values = String::from_utf8_lossy(values);
    // What a row costs is what its schema asks for; the longest of what it may ask for takes minutes.
    if document.len() + values.len() > 4096 || schema.clk_bits() > 4096 {
        return;
    }
    let mut row: Vec<&str> = values.lines().collect();
    row.resize(schema.columns().len(), "");
    if let Ok(mut encoder) = ClkhashEncoder::new(&schema, b"everybody may know it") {
        let clk = encoder.encode(&row);
        assert!(encoder.encode(&row) == clk, "a remembered value is another one");
    }
}

/// Files of CLKs: what was read and is written again is read as the same.
pub fn clks(data: &[u8]) {
    let read = |bytes: &[u8]| -> Option<Vec<Vec<u8>>> {
        let mut reader = ClkJsonReader::new(bytes).ok()?;
        let mut clks = Vec::new();
        while let Some(clk) = reader.next_clk().ok()? {
            clks.push(clk);
        }
        Some(clks)
    };
    let Some(clks) = read(data) else { return };
    let mut writer = ClkJsonWriter::new(Vec::new()).expect("memory can be written");
    clks.iter().for_each(|clk| writer.write(clk).expect("memory can be written"));
    let (file, _) = writer.finish().expect("memory can be written");
    assert!(read(&file) == Some(clks), "other CLKs");
}

/// What is inside the seal of a token file: the seal itself lets no changed byte through.
pub fn token_file(data: &[u8]) {
    use std::io::Write;
    let unit: age::x25519::Identity = UNIT.parse().expect("the key is well-formed");
    let recipient = unit.to_public();
    let recipients = std::iter::once(&recipient as &dyn age::Recipient);
    let mut sealed = Vec::new();
    let mut writer = age::Encryptor::with_recipients(recipients)
        .expect("there is a recipient")
        .wrap_output(&mut sealed)
        .expect("memory can be written");
    writer.write_all(data).expect("memory can be written");
    writer.finish().expect("memory can be written");
    let Ok(mut reader) = TokenFileReader::open(&sealed[..], &unit) else { return };
    while let Ok(Some(_)) = reader.next_batch() {}
    let _ = reader.finish();
}
