//! Token files of made-up persons: one CLK per person, so that the same person in two databases is an exact match.

use std::path::Path;

use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_core::token_file::{Existing, TokenBatchBuilder, TokenFileHeader, TokenFileWriter, density_ppm};
use linkage_core::types::{DatabaseId, RecordRef};

type Keys = Vec<Option<[u8; 16]>>;

/// What a token file is made with.
#[derive(Clone, Copy)]
pub struct Recipe {
    pub database: &'static str,
    pub schema: &'static str,
    pub secret: u8,
    /// Bits of a CLK, if not those of the schema.
    pub bits: Option<u32>,
}

impl Recipe {
    pub fn of(database: &'static str) -> Self {
        Self { database, schema: "person-ja", secret: 1, bits: None }
    }

    /// Seals a token file of these persons to the recipient in `unit_pub`.
    pub fn write(self, persons: std::ops::Range<u32>, unit_pub: &Path, path: &Path) {
        let schema = LinkageSchema::shipped(self.schema).unwrap();
        let secret = LinkageSecret::from_bytes([self.secret; 32]);
        let database: DatabaseId = self.database.parse().unwrap();
        let mut header = TokenFileHeader::new(database, &schema, secret.key_check(), true);
        header.clk_bits = self.bits.unwrap_or(header.clk_bits);
        let exact_tokens = header.exact_tokens.len();
        let mut rows: Vec<(RecordRef, Vec<u8>, Keys, Keys)> = persons
            .map(|person| {
                let clk = clk(self.database, person, header.clk_bits as usize / 8);
                let blocking = self.blocking(person, header.blocking_keys.len());
                (record_ref(self.database, person), clk, exact(person, exact_tokens), blocking)
            })
            .collect();
        rows.sort_by_key(|(record, ..)| *record.as_bytes());
        let ones: u64 = rows.iter().flat_map(|(_, clk, ..)| clk).map(|byte| u64::from(byte.count_ones())).sum();
        header.records = rows.len() as u64;
        header.density_ppm = density_ppm(ones, header.records, header.clk_bits);
        let mut builder = TokenBatchBuilder::new(&header);
        let unit: age::x25519::Recipient = std::fs::read_to_string(unit_pub).unwrap().trim().parse().unwrap();
        // Half of the bits are set, so that every segment has some.
        let presence = if header.segments > 1 { (1u32 << header.segments) - 1 } else { 1 } as u16;
        let mut writer = TokenFileWriter::create(path, header, &[&unit], Existing::Refuse).unwrap();
        for chunk in rows.chunks(8192) {
            for (record, clk, exact, blocking) in chunk {
                builder.push_blocked(record, clk, presence, exact, blocking).unwrap();
            }
            writer.write(&builder.finish().unwrap()).unwrap();
        }
        writer.finish().unwrap();
    }

    /// One key of the person alone, which dpc has otherwise for every tenth; the other keys are empty.
    fn blocking(self, person: u32, keys: usize) -> Keys {
        let other = self.database == "dpc" && person.is_multiple_of(10);
        let key = bytes_of(&format!("block {person} {other}"));
        (0..keys).map(|at| (at == 0).then_some(key)).collect()
    }
}

/// The record ref of a person in a database.
pub fn record_ref(database: &str, person: u32) -> RecordRef {
    RecordRef(bytes_of(&format!("{database}/{person}")))
}

/// From this person on, persons have a quarter of the bits, and nobody is in two databases.
pub const STRANGERS: u32 = 1_000_000;

/// From this person on, persons are in all databases, and their tokens are much fuller than those of the strangers: in dpc more than
/// a fifth of the bits are others, which leaves a Dice similarity of about 0.82.
pub const CHANGED: u32 = 2_000_000;

/// From this person on, exact tokens and similarity disagree, by the last digit of the person: those of 1 have another CLK in dpc;
/// those of 3 and 7 have a CLK in dpc that is not quite the same; those of 4, 6 and 8 have no exact token, and in dpc the CLK that the
/// person before them has in ndb.
pub const CONFLICTING: u32 = 3_000_000;

/// One token of the person alone, which all in conflict have but those of 4, 6 and 8.
fn exact(person: u32, tokens: usize) -> Keys {
    let has = person >= CONFLICTING && ![4, 6, 8].contains(&(person % 10));
    (0..tokens).map(|at| (at == 0 && has).then(|| bytes_of(&format!("exact {person}")))).collect()
}

/// Half of the bits are set, so that two persons stay near a Dice similarity of 0.5.
fn clk(database: &str, person: u32, bytes: usize) -> Vec<u8> {
    let stream = |of: &str| -> Vec<u8> {
        let mut stream = vec![0; bytes];
        blake3::Hasher::new().update(of.as_bytes()).finalize_xof().fill(&mut stream);
        stream
    };
    let mut clk = vec![0; bytes];
    let before = database == "dpc" && person >= CONFLICTING && [4, 6, 8].contains(&(person % 10));
    let of = if before { person - 1 } else { person };
    blake3::Hasher::new().update(&of.to_le_bytes()).finalize_xof().fill(&mut clk);
    if person >= CONFLICTING {
        let flips: Vec<Vec<u8>> = (0..4).map(|at| stream(&format!("flip {person} {at}"))).collect();
        match (database, person % 10) {
            ("dpc", 1) => clk.clone_from(&flips[0]),
            ("dpc", 3 | 7) => {
                let flip = |at: usize| flips[0][at] & flips[1][at] & flips[2][at] & flips[3][at];
                clk.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= flip(at));
            }
            _ => {}
        }
    } else if person >= CHANGED {
        let full = stream(&format!("full {person}"));
        clk.iter_mut().zip(full.chunks(2).chain(full.chunks(2))).for_each(|(byte, two)| *byte |= two[0] & two[1]);
        if database == "dpc" {
            let flips: Vec<Vec<u8>> = (0..5).map(|at| stream(&format!("flip {person} {at}"))).collect();
            let flip = |at: usize| flips[0][at] & flips[1][at] & (flips[2][at] | flips[3][at] | flips[4][at]);
            clk.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= flip(at));
        }
    } else if person >= STRANGERS {
        let other = stream(&format!("stranger {person} of {database}"));
        let third = stream(&format!("another {person} of {database}"));
        clk.iter_mut().zip(other.iter().zip(&third)).for_each(|(byte, (other, third))| *byte = other & third);
    }
    clk
}

fn bytes_of(text: &str) -> [u8; 16] {
    blake3::hash(text.as_bytes()).as_bytes()[..16].try_into().unwrap()
}
