//! Token files: the tokens of one database, sealed to the linkage unit.
//!
//! docs/spec/token-file.md has every rule; testdata/vectors/token_file holds one bad file per broken rule. Writer and
//! reader stream: memory does not grow with the number of records. A file is whole or it is not there: the writer works
//! on a temporary file and gives it its name only when everything is on disk.

mod columns;
mod flushing;
mod header;
mod ipc;
mod reader;
mod sealing;
#[cfg(test)]
mod tests;
mod writer;

pub use columns::TokenBatchBuilder;
pub use header::{Incomparable, TokenFileHeader};
pub use reader::TokenFileReader;
pub use writer::{Existing, TokenFileWriter};

/// The version of the format that this crate writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// Rows of a batch, at most.
pub const MAX_BATCH_ROWS: usize = 65_536;

/// The first bytes of the payload; the line ends show a transfer that has translated them.
const MAGIC: &[u8; 8] = b"LNKTOK\r\n";

/// The first bytes of the trailer.
const TRAILER_MAGIC: &[u8; 8] = b"LNKEND\r\n";

/// The longest header in bytes.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// What a finished reader or writer knows about the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenFileStats {
    /// Rows in the file.
    pub records: u64,
    /// Bits that are set, in parts per million of all bits of all CLKs.
    pub density_ppm: u32,
    /// BLAKE3 of the payload up to the hash itself: equal inputs give equal hashes, though every sealing differs.
    pub payload_blake3: [u8; 32],
}

/// The share of set bits in parts per million, rounded down; 0 for a file without records.
pub fn density_ppm(ones: u64, records: u64, clk_bits: u32) -> u32 {
    let bits = u128::from(records) * u128::from(clk_bits);
    // At most a million, because no CLK has more ones than bits.
    (u128::from(ones) * 1_000_000).checked_div(bits).map_or(0, |ppm| ppm.min(1_000_000) as u32)
}
