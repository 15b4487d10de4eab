//! Token files: round trips, damage, and one bad file per rule.

mod bad;
mod damage;
mod files;

use std::io::Write;

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt16Type;

use super::writer::PayloadWriter;
use super::*;
use crate::encode::{Encoder, Token};
use crate::error::TokenFileError;
use crate::schema::LinkageSchema;
use crate::secret::LinkageSecret;
use crate::types::{DatabaseId, RecordRef};

const SCHEMA: &str = r#"{"format": "linkage-schema/1", "name": "small", "normalisation": "ja/1", "threshold": "0.8",
    "layout": {"bits": 128},
    "fields": [{"name": "name", "kind": "kana", "encode": {"bits": 40}}, {"name": "id", "kind": "digits"}],
    "exact_tokens": [{"name": "id", "required": ["id"]}]}"#;

/// The linkage unit's key in tests and in testdata; everybody may know it.
const UNIT: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

fn unit() -> Identity {
    UNIT.parse().unwrap()
}

/// Rows of made-up tokens in rising order of their refs.
fn rows(count: u32) -> Vec<(RecordRef, Token)> {
    let schema = LinkageSchema::parse(SCHEMA.as_bytes()).unwrap();
    let encoder = Encoder::new(&schema, &LinkageSecret::from_bytes([5; 32]));
    let row = |i: u32| {
        let mut handle = [0; 16];
        handle[..4].copy_from_slice(&i.to_be_bytes());
        let name: String = (0..3).map(|k| char::from_u32(0x30a2 + (i * 7 + k * 13) % 80).unwrap()).collect();
        let id = i.to_string();
        (RecordRef(handle), encoder.encode(&[Some(name.as_str()), Some(id.as_str()).filter(|_| !i.is_multiple_of(3))]))
    };
    (0..count).map(row).collect()
}

fn header(rows: &[(RecordRef, Token)]) -> TokenFileHeader {
    let schema = LinkageSchema::parse(SCHEMA.as_bytes()).unwrap();
    let key_check = LinkageSecret::from_bytes([5; 32]).key_check();
    let mut header = TokenFileHeader::new(DatabaseId::parse("ndb").unwrap(), &schema, key_check, true);
    header.records = rows.len() as u64;
    header.density_ppm =
        density_ppm(rows.iter().map(|(_, t)| u64::from(t.clk.popcount())).sum(), header.records, header.clk_bits);
    header
}

fn batch(header: &TokenFileHeader, rows: &[(RecordRef, Token)]) -> RecordBatch {
    let mut builder = TokenBatchBuilder::new(header);
    for (handle, token) in rows {
        builder.push(handle, &token.clk.bytes().collect::<Vec<_>>(), token.presence, &token.exact).unwrap();
    }
    builder.finish().unwrap()
}

/// A sealed file of these rows in batches of `batch_rows`.
fn sealed(rows: &[(RecordRef, Token)], batch_rows: usize) -> (Vec<u8>, TokenFileStats) {
    let header = header(rows);
    let mut writer = PayloadWriter::new(Vec::new(), header.clone(), &[&unit().to_public()]).unwrap();
    for rows in rows.chunks(batch_rows) {
        writer.write(&batch(&header, rows)).unwrap();
    }
    writer.finish().unwrap()
}

/// Seals any payload, also one that breaks rules.
fn seal(payload: &[u8], recipient: &Recipient) -> Vec<u8> {
    let recipient: &dyn age::Recipient = recipient;
    let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient)).unwrap();
    let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
    writer.write_all(payload).unwrap();
    writer.finish().unwrap()
}

/// Opens a file, reads all of it and finishes.
fn read(sealed: &[u8]) -> Result<(TokenFileHeader, Vec<RecordBatch>, TokenFileStats), TokenFileError> {
    let mut reader = TokenFileReader::open(sealed, &unit())?;
    let header = reader.header().clone();
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        batches.push(batch);
    }
    Ok((header, batches, reader.finish()?))
}

#[test]
fn what_was_written_is_read() {
    for (count, batch_rows) in [(0, 1), (1, 1), (10, 3), (1000, 1000), (1000, 64)] {
        let rows = rows(count);
        let (file, written) = sealed(&rows, batch_rows);
        let (found, batches, stats) = read(&file).unwrap();
        assert_eq!(found, header(&rows));
        assert_eq!(stats, written);
        assert_eq!(stats.records, u64::from(count));
        assert_eq!(stats.density_ppm, found.density_ppm);
        let mut expected = rows.iter();
        for batch in &batches {
            assert_eq!(batch.schema(), found.arrow_schema());
            let exact = batch.column(3).as_fixed_size_binary();
            for row in 0..batch.num_rows() {
                let (handle, token) = expected.next().unwrap();
                assert_eq!(batch.column(0).as_fixed_size_binary().value(row), handle.as_bytes());
                assert!(token.clk.bytes().eq(batch.column(1).as_fixed_size_binary().value(row).iter().copied()));
                assert_eq!(batch.column(2).as_primitive::<UInt16Type>().value(row), token.presence);
                assert_eq!(exact.iter().nth(row).unwrap(), token.exact[0].as_ref().map(|t| t.as_slice()));
            }
        }
        assert!(expected.next().is_none());
    }
}

#[test]
fn batches_larger_than_the_limit_are_split() {
    let rows = rows(MAX_BATCH_ROWS as u32 + 10);
    let (file, _) = sealed(&rows, rows.len());
    let (_, batches, _) = read(&file).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [MAX_BATCH_ROWS, 10]);
}

#[test]
fn equal_inputs_give_equal_payloads_and_different_seals() {
    let rows = rows(50);
    let ((one, first), (two, second)) = (sealed(&rows, 10), sealed(&rows, 10));
    assert_eq!(first, second);
    assert_ne!(one, two);
}

#[test]
fn the_custodians_own_key_opens_the_file_too_and_a_third_key_does_not() {
    let (rows, own, third) = (rows(5), Identity::generate(), Identity::generate());
    let recipients: [&dyn age::Recipient; 2] = [&unit().to_public(), &own.to_public()];
    let writer = PayloadWriter::new(Vec::new(), header(&[]), &recipients).unwrap();
    let (file, _) = writer.finish().unwrap();
    for identity in [&unit(), &own] {
        let mut reader = TokenFileReader::open(file.as_slice(), identity).unwrap();
        assert!(reader.next_batch().unwrap().is_none());
        reader.finish().unwrap();
    }
    assert!(matches!(TokenFileReader::open(file.as_slice(), &third), Err(TokenFileError::WrongRecipient)));
    assert!(!rows.is_empty() && own.to_string().expose_secret() != UNIT);
}

#[test]
fn hardening_and_blocking_keys_are_in_the_header_and_the_keys_in_columns() {
    let schema = r#"{"format": "linkage-schema/1", "name": "all", "normalisation": "ja/1", "threshold": "0.6",
        "fields": [{"name": "name", "kind": "kana", "encode": {"bits": 300}}, {"name": "id", "kind": "digits"}],
        "hardening": [{"kind": "diffusion", "rho": "0.03"}, {"kind": "blip", "flip": "0.02"}],
        "blocking_keys": [{"name": "sound", "fields": [{"field": "name", "take": "phonetic"}]}, {"name": "id", "fields": [{"field": "id"}]}]}"#;
    let schema = LinkageSchema::parse(schema.as_bytes()).unwrap();
    let secret = LinkageSecret::from_bytes([5; 32]);
    let token = Encoder::new(&schema, &secret).encode(&[Some("ワタナベ"), None]);
    assert!(matches!(token.blocking[..], [Some(_), None]));
    let mut header = TokenFileHeader::new(DatabaseId::parse("ndb").unwrap(), &schema, secret.key_check(), true);
    header.records = 1;
    header.density_ppm = density_ppm(token.clk.popcount().into(), 1, 1024);
    let mut builder = TokenBatchBuilder::new(&header);
    let clk: Vec<u8> = token.clk.bytes().collect();
    builder.push_blocked(&RecordRef([1; 16]), &clk, token.presence, &token.exact, &token.blocking).unwrap();
    let mut writer = PayloadWriter::new(Vec::new(), header.clone(), &[&unit().to_public()]).unwrap();
    writer.write(&builder.finish().unwrap()).unwrap();
    let (file, _) = writer.finish().unwrap();
    let (found, batches, _) = read(&file).unwrap();
    assert_eq!((&found, found.rho_ppm, found.profile().to_string()), (&header, 30_000, "hardened".to_owned()));
    assert_eq!(found.hardening_steps(), schema.hardening());
    assert_eq!(found.hardening_model().unwrap().steps(), schema.hardening());
    let names: Vec<&str> = found.blocking_keys.iter().map(String::as_str).collect();
    assert_eq!(names, ["sound", "id"]);
    let sound = batches[0].column_by_name("block_sound").unwrap().as_fixed_size_binary();
    assert_eq!(Some(sound.value(0)), token.blocking[0].as_ref().map(|key| &key[..]));
    assert_eq!(batches[0].column_by_name("block_id").unwrap().null_count(), 1);
}

#[test]
fn files_of_other_schemas_or_secrets_are_not_comparable() {
    let one = header(&[]);
    let mut other = one.clone();
    assert_eq!(one.comparable_with(&other), Ok(()));
    other.key_check = LinkageSecret::from_bytes([6; 32]).key_check();
    assert_eq!(one.comparable_with(&other), Err(Incomparable::Secret));
    other.schema_digest = LinkageSchema::shipped("person-ja").unwrap().digest();
    assert_eq!(one.comparable_with(&other), Err(Incomparable::Schema));
}

#[test]
fn a_reader_that_stopped_early_cannot_finish() {
    let (file, _) = sealed(&rows(10), 5);
    let mut reader = TokenFileReader::open(file.as_slice(), &unit()).unwrap();
    reader.next_batch().unwrap().unwrap();
    assert!(matches!(reader.finish(), Err(TokenFileError::NotReadToEnd)));
}
