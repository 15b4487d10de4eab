//! Token files of made-up persons: one CLK per person, so that the same person in two databases is an exact match.

use std::path::Path;

use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_core::token_file::{Existing, TokenBatchBuilder, TokenFileHeader, TokenFileWriter, density_ppm};
use linkage_core::types::{DatabaseId, RecordRef};

/// What a token file is made with.
#[derive(Clone, Copy)]
pub struct Recipe {
    pub database: &'static str,
    pub schema: &'static str,
    pub secret: u8,
}

impl Recipe {
    pub fn of(database: &'static str) -> Self {
        Self { database, schema: "person-ja", secret: 1 }
    }

    /// Seals a token file of these persons to the recipient in `unit_pub`.
    pub fn write(self, persons: std::ops::Range<u32>, unit_pub: &Path, path: &Path) {
        let schema = LinkageSchema::shipped(self.schema).unwrap();
        let secret = LinkageSecret::from_bytes([self.secret; 32]);
        let database: DatabaseId = self.database.parse().unwrap();
        let mut header = TokenFileHeader::new(database, &schema, secret.key_check(), true);
        let mut rows: Vec<(RecordRef, Vec<u8>)> = persons
            .map(|person| (record_ref(self.database, person), clk(person, header.clk_bits as usize / 8)))
            .collect();
        rows.sort_by_key(|(record, _)| *record.as_bytes());
        let ones: u64 = rows.iter().flat_map(|(_, clk)| clk).map(|byte| u64::from(byte.count_ones())).sum();
        header.records = rows.len() as u64;
        header.density_ppm = density_ppm(ones, header.records, header.clk_bits);
        let mut builder = TokenBatchBuilder::new(&header);
        let unit: age::x25519::Recipient = std::fs::read_to_string(unit_pub).unwrap().trim().parse().unwrap();
        let exact = vec![None; header.exact_tokens.len()];
        // Half of the bits are set, so that every segment has some.
        let presence = if header.segments > 1 { (1u32 << header.segments) - 1 } else { 1 } as u16;
        let mut writer = TokenFileWriter::create(path, header, &[&unit], Existing::Refuse).unwrap();
        for chunk in rows.chunks(8192) {
            for (record, clk) in chunk {
                builder.push(record, clk, presence, &exact).unwrap();
            }
            writer.write(&builder.finish().unwrap()).unwrap();
        }
        writer.finish().unwrap();
    }
}

/// The record ref of a person in a database.
pub fn record_ref(database: &str, person: u32) -> RecordRef {
    let hash = blake3::hash(format!("{database}/{person}").as_bytes());
    RecordRef(hash.as_bytes()[..16].try_into().unwrap())
}

/// Half of the bits are set, so that two persons stay near a Dice similarity of 0.5.
fn clk(person: u32, bytes: usize) -> Vec<u8> {
    let mut clk = vec![0; bytes];
    blake3::Hasher::new().update(&person.to_le_bytes()).finalize_xof().fill(&mut clk);
    clk
}
