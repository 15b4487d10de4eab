//! testdata/vectors/token_file: one file per broken rule, named by its fault, and one good file.
//!
//! Sealing is random, so the files are kept; `UPDATE_VECTORS=1 cargo test -p linkage-core bad_files` writes those
//! that are not there.

use std::path::PathBuf;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, UInt16Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::StreamWriter;

use super::*;
use crate::clk::Clk;

/// The parts of a payload, each of which a case can break.
struct Parts {
    magic: [u8; 8],
    version: u32,
    header: Vec<u8>,
    header_len: Option<u32>,
    body: Vec<u8>,
    trailer_magic: [u8; 8],
    count: u64,
    hash: Option<[u8; 32]>,
    after: Vec<u8>,
}

impl Parts {
    fn good() -> Self {
        let rows = rows(6);
        let header = header(&rows);
        Self {
            magic: *MAGIC,
            version: FORMAT_VERSION,
            header: header.canonical().into_bytes(),
            header_len: None,
            body: stream(&[batch(&header, &rows[..4]), batch(&header, &rows[4..])]),
            trailer_magic: *TRAILER_MAGIC,
            count: 6,
            hash: None,
            after: Vec::new(),
        }
    }

    fn payload(self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.magic);
        out.extend(self.version.to_le_bytes());
        out.extend(self.header_len.unwrap_or(self.header.len() as u32).to_le_bytes());
        out.extend(self.header);
        out.extend(self.body);
        out.extend(self.trailer_magic);
        out.extend(self.count.to_le_bytes());
        let hash = self.hash.unwrap_or(*blake3::hash(&out).as_bytes());
        out.extend(hash);
        out.extend(self.after);
        out
    }
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), batches[0].schema_ref()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn with_header(change: impl FnOnce(&mut TokenFileHeader)) -> Parts {
    let mut header = header(&rows(6));
    change(&mut header);
    Parts { header: header.canonical().into_bytes(), ..Parts::good() }
}

fn with_text(change: impl FnOnce(String) -> String) -> Parts {
    let text = change(header(&rows(6)).canonical());
    Parts { header: text.into_bytes(), ..Parts::good() }
}

fn with_rows(change: impl FnOnce(&mut Vec<(RecordRef, Token)>)) -> Parts {
    let mut rows = rows(6);
    change(&mut rows);
    Parts { body: stream(&[batch(&header(&rows), &rows)]), ..Parts::good() }
}

/// Rows of two segments that are both present, with one token changed.
fn with_segments(change: impl FnOnce(&mut Token)) -> Parts {
    let mut rows = rows(6);
    rows.iter_mut().for_each(|(_, token)| token.presence = 0b11);
    change(&mut rows[3].1);
    let header = TokenFileHeader { segments: 2, ..header(&rows) };
    Parts { header: header.canonical().into_bytes(), body: stream(&[batch(&header, &rows)]), ..Parts::good() }
}

/// The good batch with its columns changed as Arrow sees them.
fn with_columns(change: impl FnOnce(&mut Vec<(Field, ArrayRef)>)) -> Parts {
    let rows = rows(6);
    let batch = batch(&header(&rows), &rows);
    let fields = batch.schema().fields().iter().map(|f| f.as_ref().clone()).collect::<Vec<_>>();
    let mut columns: Vec<_> = fields.into_iter().zip(batch.columns().to_vec()).collect();
    change(&mut columns);
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let batch = RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), arrays).unwrap();
    Parts { body: stream(&[batch]), ..Parts::good() }
}

/// The good stream with the first occurrence of some bytes replaced.
fn with_bytes(from: &[u8], to: &[u8]) -> Parts {
    let mut parts = Parts::good();
    let place = parts.body.windows(from.len()).position(|window| window == from).unwrap();
    parts.body.splice(place..place + from.len(), to.iter().copied());
    parts
}

/// Every fault: the name of its file, the content, and the variant that must report it.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let unit = unit().to_public();
    let inside = |parts: Parts| seal(&parts.payload(), &unit);
    let good = inside(Parts::good());
    let null_presence: ArrayRef =
        std::sync::Arc::new(UInt16Array::from(vec![Some(1), None, Some(1), Some(1), Some(1), Some(1)]));
    let wide: ArrayRef = std::sync::Arc::new(FixedSizeBinaryArray::try_from_iter((0..6).map(|_| [0u8; 24])).unwrap());
    vec![
        ("good", good.clone(), "Ok"),
        ("seal_missing", Parts::good().payload(), "NotSealed"),
        (
            "seal_for_another_recipient",
            seal(&Parts::good().payload(), &Identity::generate().to_public()),
            "WrongRecipient",
        ),
        ("seal_mac_changed", with_another_mac(&good), "Damaged"),
        ("seal_payload_flipped", flip(&good, good.len() - 100), "Damaged"),
        ("seal_truncated_in_header", good[..60].to_vec(), "Truncated"),
        ("seal_truncated_after_header", good[..find(&good, b"\n--- ") + 49 + 16].to_vec(), "Truncated"),
        ("seal_truncated_in_payload", good[..good.len() - 1].to_vec(), "Damaged"),
        ("seal_with_appendix", [&good[..], b"x"].concat(), "Damaged"),
        ("seal_header_endless", [&b"age-encryption.org/v1\n-> x "[..], &[b'y'; 20_000]].concat(), "NotSealed"),
        ("empty", Vec::new(), "Truncated"),
        ("magic_wrong", inside(Parts { magic: *b"LNKTOK\n\n", ..Parts::good() }), "NotATokenFile"),
        ("version_2", inside(Parts { version: 2, ..Parts::good() }), "Version"),
        ("header_length_huge", inside(Parts { header_len: Some(u32::MAX), ..Parts::good() }), "Header"),
        ("header_length_zero", inside(Parts { header_len: Some(0), ..Parts::good() }), "Header"),
        ("header_not_json", inside(Parts { header: b"{".to_vec(), ..Parts::good() }), "Header"),
        ("header_not_utf8", inside(Parts { header: vec![b'"', 0xff, b'"'], ..Parts::good() }), "Header"),
        ("header_unknown_key", inside(with_text(|t| t.replacen('{', "{\"a\":1,", 1))), "Header"),
        ("header_duplicate_key", inside(with_text(|t| t.replacen('{', "{\"clk_bits\":128,", 1))), "Header"),
        ("header_key_missing", inside(with_text(|t| t.replace("\"deduplicated\":true,", ""))), "Header"),
        ("header_with_space", inside(with_text(|t| t.replacen(':', ": ", 1))), "Header"),
        ("header_unsorted", inside(with_text(|t| unsorted(&t))), "Header"),
        ("header_version_differs", inside(with_header(|h| h.format_version = 2)), "Header"),
        ("header_database_not_a_name", inside(with_text(|t| t.replace("\"ndb\"", "\"N D B\""))), "Header"),
        ("header_schema_name_not_a_name", inside(with_header(|h| h.schema_name = "Small".to_owned())), "Header"),
        ("header_normalisation_not_a_version", inside(with_header(|h| h.normalisation = "ja".to_owned())), "Header"),
        ("header_digest_short", inside(with_text(|t| shorten_digest(&t))), "Header"),
        ("header_clk_bits_100", inside(with_header(|h| h.clk_bits = 100)), "Header"),
        ("header_clk_bits_4160", inside(with_header(|h| h.clk_bits = 4160)), "Header"),
        ("header_segments_too_many", inside(with_header(|h| (h.segments, h.clk_bits) = (17, 1088))), "Header"),
        ("header_segments_of_half_words", inside(with_header(|h| h.segments = 4)), "Header"),
        ("header_segments_one_spelt_out", inside(with_text(|t| t.replace('}', ",\"segments\":1}"))), "Header"),
        ("header_hardening_not_known", inside(with_header(|h| h.hardening = vec!["magic".into()])), "Header"),
        ("header_rho_without_diffusion", inside(with_header(|h| h.rho_ppm = 30_000)), "Header"),
        (
            "header_blocking_key_twice",
            inside(with_header(|h| h.blocking_keys = vec!["k".into(), "k".into()])),
            "Header",
        ),
        ("header_names_a_blocking_key", inside(with_header(|h| h.blocking_keys = vec!["k".into()])), "Columns"),
        ("segment_absent_but_filled", inside(with_header(|h| h.segments = 2)), "Segment"),
        ("segment_present_but_empty", inside(with_segments(|t| t.clk = Clk::from_bytes(&[0; 16]).unwrap())), "Segment"),
        ("segment_beyond_the_last", inside(with_segments(|t| t.presence = 0b111)), "Segment"),
        ("header_records_negative", inside(with_text(|t| t.replace("\"records\":6", "\"records\":-6"))), "Header"),
        ("header_records_beyond_u32", inside(with_header(|h| h.records = 1 << 32)), "Header"),
        ("header_density_above_a_million", inside(with_header(|h| h.density_ppm = 1_000_001)), "Header"),
        (
            "header_exact_token_twice",
            inside(with_header(|h| h.exact_tokens = vec!["id".into(), "id".into()])),
            "Header",
        ),
        ("header_exact_token_not_a_name", inside(with_header(|h| h.exact_tokens = vec!["ID".into()])), "Header"),
        ("header_names_another_column", inside(with_header(|h| h.exact_tokens = vec!["other".into()])), "Columns"),
        ("header_asks_for_longer_clks", inside(with_header(|h| h.clk_bits = 192)), "Columns"),
        ("header_count_too_high", inside(with_header(|h| h.records = 7)), "Count"),
        ("header_count_too_low", inside(with_header(|h| h.records = 5)), "Count"),
        ("header_density_wrong", inside(with_header(|h| h.density_ppm += 1)), "Density"),
        ("columns_missing", inside(with_columns(|c| drop(c.pop()))), "Columns"),
        (
            "columns_surplus",
            inside(with_columns(|c| c.push((Field::new("name", DataType::UInt16, true), null_presence.clone())))),
            "Columns",
        ),
        ("columns_swapped", inside(with_columns(|c| c.swap(0, 1))), "Columns"),
        ("columns_renamed", inside(with_columns(|c| c[1].0.set_name("bits"))), "Columns"),
        (
            "column_clk_too_wide",
            inside(with_columns(|c| c[1] = (Field::new("clk", DataType::FixedSizeBinary(24), false), wide))),
            "Columns",
        ),
        ("column_nullable", inside(with_columns(|c| c[0].0.set_nullable(true))), "Columns"),
        ("column_lacks_a_value", inside(lacking_presence(null_presence)), "Batch"),
        (
            "stream_without_schema",
            inside(Parts { body: b"\xff\xff\xff\xff\0\0\0\0".to_vec(), ..Parts::good() }),
            "Columns",
        ),
        ("stream_without_mark", inside(with_bytes(b"\xff\xff\xff\xff", b"\xff\xff\xff\xfe")), "Columns"),
        ("stream_metadata_huge", inside(with_bytes(&metadata_length(), b"\xff\xff\xff\x7f")), "Columns"),
        ("stream_without_end", inside(without_end()), "Batch"),
        ("batch_empty", inside(with_empty_batch()), "Batch"),
        ("rows_out_of_order", inside(with_rows(|r| r.swap(2, 3))), "Order"),
        ("rows_with_equal_refs", inside(with_rows(|r| r[3].0 = r[2].0)), "Order"),
        ("trailer_missing", seal(&without_trailer(), &unit), "Truncated"),
        ("trailer_magic_wrong", inside(Parts { trailer_magic: *b"LNKEND\n\n", ..Parts::good() }), "Trailer"),
        ("trailer_count_wrong", inside(Parts { count: 7, ..Parts::good() }), "Count"),
        ("trailer_hash_wrong", inside(Parts { hash: Some([0; 32]), ..Parts::good() }), "Hash"),
        (
            "trailer_truncated",
            {
                let p = Parts::good().payload();
                seal(&p[..p.len() - 1], &unit)
            },
            "Truncated",
        ),
        ("trailer_with_appendix", inside(Parts { after: vec![0], ..Parts::good() }), "TrailingBytes"),
    ]
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).unwrap()
}

fn flip(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[place] ^= 1;
    bytes
}

/// One character of the seal's MAC exchanged for another of the alphabet of base64: what it says is then well formed and
/// wrong. (A flipped bit may leave the alphabet, which is another fault.)
fn with_another_mac(sealed: &[u8]) -> Vec<u8> {
    let place = find(sealed, b"\n--- ") + 8;
    let mut bytes = sealed.to_vec();
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    bytes
}

/// The first two members exchanged.
fn unsorted(text: &str) -> String {
    let (first, rest) = text[1..].split_once(',').unwrap();
    let (second, rest) = rest.split_once(',').unwrap();
    format!("{{{second},{first},{rest}")
}

fn shorten_digest(text: &str) -> String {
    let place = text.find("\"schema_digest\":\"").unwrap() + 17;
    format!("{}{}", &text[..place], &text[place + 2..])
}

fn metadata_length() -> [u8; 4] {
    Parts::good().body[4..8].try_into().unwrap()
}

fn without_end() -> Parts {
    let mut parts = Parts::good();
    parts.body.truncate(parts.body.len() - 8);
    parts
}

fn without_trailer() -> Vec<u8> {
    let payload = Parts::good().payload();
    payload[..payload.len() - 48].to_vec()
}

fn with_empty_batch() -> Parts {
    let rows = rows(6);
    let header = header(&rows);
    Parts { body: stream(&[batch(&header, &rows), batch(&header, &[])]), ..Parts::good() }
}

/// Arrow refuses to write a missing value in a column without them, so the field's flag is set right afterwards: the
/// metadata of both fields are equal but for that flag, which stands in the schema message alone.
fn lacking_presence(values: ArrayRef) -> Parts {
    let parts = with_columns(|c| c[2] = (Field::new("presence", DataType::UInt16, true), values));
    let good = Parts::good();
    let end_of_schema = 8 + u32::from_le_bytes(good.body[4..8].try_into().unwrap()) as usize;
    let end_of_other = 8 + u32::from_le_bytes(parts.body[4..8].try_into().unwrap()) as usize;
    Parts { body: [&good.body[..end_of_schema], &parts.body[end_of_other..]].concat(), ..good }
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/vectors/token_file"))
}

/// The name of the variant, or `Ok`.
fn outcome(file: &[u8]) -> String {
    match read(file) {
        Ok(_) => "Ok".to_owned(),
        Err(error) => format!("{error:?}").split([' ', '(', '{']).next().unwrap_or_default().to_owned(),
    }
}

#[test]
fn bad_files_are_refused_for_their_own_fault() {
    let update = std::env::var_os("UPDATE_VECTORS").is_some();
    let mut listed = Vec::new();
    for (name, content, expected) in cases() {
        let path = folder().join(format!("{name}.tokens"));
        if update && !path.exists() {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, &content).unwrap();
        }
        let found = outcome(&content);
        assert!(found == expected, "{name}: {found}, not {expected}");
        let kept = outcome(&std::fs::read(&path).unwrap());
        assert_eq!(kept, found, "{name}: the kept file");
        listed.push(format!("{name}.tokens"));
    }
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".tokens") || listed.contains(&name), "{name} is no case of this test");
    }
}

#[test]
fn every_refusal_of_a_bad_file_carries_a_hint() {
    for (name, content, expected) in cases() {
        if expected != "Ok" {
            let message = read(&content).unwrap_err().to_string();
            assert!(message.contains("\nhint: "), "{name}: {message}");
        }
    }
}
