//! What can go wrong with clkhash's files.

use thiserror::Error;

/// Why a clkhash schema or CLK file cannot be used. No variant quotes a person's value.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClkhashError {
    /// The bytes are not a schema of version 3.
    #[error(
        "not a clkhash linkage schema of version 3: {message}\nhint: `clkutil convert-schema` brings older versions to version 3; unknown keys are refused, because clkhash ignores them silently"
    )]
    Json {
        /// What the JSON reader said; a schema holds no personal data.
        message: String,
    },
    /// A value of the schema breaks a rule or is not supported.
    #[error("clkhash linkage schema, {place}: {rule}")]
    Schema {
        /// Where in the schema.
        place: String,
        /// The rule, and what to do about it.
        rule: String,
    },
    /// The secret is empty.
    #[error("the secret is empty\nhint: write the secret that the other parties use into a file and name the file")]
    EmptySecret,
    /// The keys that a schema needs are more than its key derivation can give.
    #[error(
        "clkhash linkage schema: HKDF cannot derive {bytes} bytes of keys\nhint: fewer features, a smaller `keySize` or the hash SHA512"
    )]
    KeyLength {
        /// How many bytes are needed.
        bytes: usize,
    },
    /// The file of CLKs is not `{"clks": [ base64, … ]}`.
    #[error("not a file of CLKs: {message}\nhint: clkhash and anonlink write {{\"clks\": [\"…base64…\", …]}}")]
    ClkFile {
        /// What is wrong; never a part of a CLK.
        message: String,
    },
    /// One CLK cannot be read.
    #[error("CLK {position}: {rule}")]
    Clk {
        /// Which CLK, from 1.
        position: u64,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
