//! What the fuzzer and the smoke test run: one function per format of bytes from outside. None may panic.

use linkage_core::schema::LinkageSchema;
use linkage_core::source::{
    CsvLayout, CsvSource, DpcSummaries, Encoding, FhirSource, KaigoClaims, KaigoLayout, KaigoRegister, KenshinLayout,
    KenshinSource, ParquetSource, PersonLayout, RawBatch, Roster, Source, Ssmix2Layout, Ssmix2Source, UkeLayout,
    UkeSource,
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
    ("schema", schema),
    ("token_file", token_file),
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
        drain(Ssmix2Source::open(data, &Ssmix2Layout { encoding, person: person() }), 7);
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

/// Linkage schemas.
pub fn schema(data: &[u8]) {
    let _ = LinkageSchema::parse(data).map(|schema| schema.digest());
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
