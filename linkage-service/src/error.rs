//! The errors of this crate: one enum per activity. What the service refuses by rule is a [`Refusal`](crate::permit::Refusal).

mod run;

use std::path::PathBuf;

pub use run::{DecisionError, LinkError, RunError};

/// Why a key file or a key's text was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file could not be opened or read.
    #[error("{}: cannot be read: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The file exists already or could not be written.
    #[error("{}: cannot be written: {cause}\nhint: an existing key file is never overwritten", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The private key can be read by other users of the machine.
    #[error("{0}: others can read this private key (mode {mode:04o})\nhint: `chmod 600 {0}`, and ask yourself who may have copied it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else than an Ed25519 private key.
    #[error("{}: not an Ed25519 private key in PKCS#8 PEM\nhint: `linkage permit keygen` makes one", path.display())]
    NotAPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else than a usable Ed25519 public key.
    #[error("{}: not an Ed25519 public key in SPKI PEM\nhint: it begins with `-----BEGIN PUBLIC KEY-----`", path.display())]
    NotAPublicKey {
        /// The file.
        path: PathBuf,
    },
    /// The text is no public key, or names a weak one.
    #[error("not an Ed25519 public key\nhint: 64 lower-case hexadecimal digits")]
    NotAPublicKeyText,
    /// The text is no key id.
    #[error("not a key id\nhint: 16 lower-case hexadecimal digits")]
    NotAKeyId,
}

/// Why a policy file was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file is not TOML of the expected shape.
    #[error("policy file: {0}")]
    Toml(Box<str>),
    /// The file is well formed and breaks a rule of policy files.
    #[error("policy file, {place}: {rule}")]
    Rule {
        /// Which part of the file: a database id, a pair, a date.
        place: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

/// Why a statement, an envelope or a committee file was not accepted, before any question of who signed it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Not JSON of the expected shape; the parser's message names line and column.
    #[error("{document}: {cause}")]
    Json {
        /// What was read: "permit", "envelope" …
        document: &'static str,
        /// What the parser said.
        cause: serde_json::Error,
    },
    /// Too large to be a document of this kind.
    #[error("{document}: longer than {limit} bytes")]
    TooLong {
        /// What was read.
        document: &'static str,
        /// The largest size accepted.
        limit: usize,
    },
    /// A field breaks a rule.
    #[error("{document}, `{field}`: {rule}")]
    Field {
        /// What was read.
        document: &'static str,
        /// The field.
        field: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

/// Why a client certificate names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleError {
    /// The certificate could not be read.
    #[error("the client certificate cannot be read")]
    Certificate,
    /// No URI of ours among the subject alternative names, or one that names no role.
    #[error("the client certificate names no role\nhint: it needs one URI such as urn:linkage:custodian:ndb")]
    NoRole,
    /// More than one role.
    #[error("the client certificate names more than one role\nhint: one credential has one role")]
    SeveralRoles,
    /// The database of a custodian's role is no database name.
    #[error("the role names no database\nhint: a lower-case letter, then 1 to 31 of a-z, 0-9, _")]
    DatabaseName,
    /// The project of a project's role is no project name.
    #[error("not a project name\nhint: a lower-case letter, then up to 63 of a-z, 0-9, _ and -")]
    ProjectName,
}

/// Why `config.toml` was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}\nhint: `linkage-service init` makes the folder of a linkage unit", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Not TOML of the expected shape.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: Box<toml::de::Error>,
    },
    /// The threshold is neither a decimal in (0, 1] nor `learnt`.
    #[error("config.toml: `matching.threshold` is neither a decimal in (0, 1] nor `learnt`\nhint: such as \"0.80\"")]
    Threshold,
    /// No name of a way to find candidates.
    #[error(
        "`matching.candidates` is none of all-pairs, bands, keyed and auto\nhint: all-pairs misses nothing; bands are for millions of records"
    )]
    Candidates,
    /// The recall is no share.
    #[error(
        "config.toml: `matching.recall` is not above 0 and below 1\nhint: such as 0.99; a recall of 1 is `matching.candidates = \"all-pairs\"`"
    )]
    Recall,
    /// Neither `refuse` nor `mark`.
    #[error(
        "`matching.uncertified` is neither refuse nor mark\nhint: refuse fails a run whose recall is not shown, mark lets it end and says so"
    )]
    Uncertified,
    /// The configuration has no TOML form.
    #[error("the configuration cannot be written as TOML")]
    Unwritable,
}

/// Why a linkage unit or a credential could not be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The folder holds something already.
    #[error("{}: not empty\nhint: nothing is overwritten; name a new folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A certificate or its key could not be made or read.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The unit's identity file is damaged.
    #[error("{}: not the identity of a linkage unit", path.display())]
    UnitIdentity {
        /// The file.
        path: PathBuf,
    },
    /// The policy file.
    #[error("{}: {source}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        source: PolicyError,
    },
    /// The committee file.
    #[error("{}: {source}", path.display())]
    Committee {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        source: DocumentError,
    },
    /// Another process has it open.
    #[error("{}: another process serves this linkage unit\nhint: stop it first; one folder has one audit log", folder.display())]
    Served {
        /// The unit's folder.
        folder: PathBuf,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}\nhint: `--listen 127.0.0.1:0` takes a free port")]
    Listen {
        /// The address.
        address: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The cluster.
    #[error("cluster: {0}")]
    Cluster(#[from] linkage_plan::PlanError),
    /// The environment asks for a kernel that does not run here.
    #[error("LINKAGE_KERNEL: {0}")]
    Kernel(#[from] linkage_core::dice::KernelError),
    /// The protocol's descriptors.
    #[error("the protocol's descriptors cannot be read")]
    Reflection,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Randomness,
    /// The audit log.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An option is missing or does not fit the role.
    #[error("{0}")]
    Option(&'static str),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The role.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network.
    #[error("server: {0}")]
    Server(#[from] tonic::transport::Error),
}

/// Why the store could not answer. Says nothing of what is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The database's migrations.
    #[error("database: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The object store.
    #[error("object store: {0}")]
    Objects(#[from] object_store::Error),
    /// A file of an upload under way.
    #[error("upload folder: {0}")]
    Upload(#[from] std::io::Error),
    /// A stored value does not have its own form: the database was altered by something else.
    #[error("database: a stored {0} is damaged")]
    Damaged(&'static str),
}

/// Why a token file was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmissionError {
    /// No bytes were announced.
    #[error("the file is empty\nhint: `custodian tokenise` makes token files")]
    Empty,
    /// The hash is not 32 bytes, or a message has no part.
    #[error("the message is malformed\nhint: use a client of the same version as the service")]
    Malformed,
    /// More than the unit accepts.
    #[error("the file is larger than {limit_mib} MiB\nhint: the operator sets `limits.submission_mib`")]
    TooLarge {
        /// The limit.
        limit_mib: u64,
    },
    /// More bytes than were announced.
    #[error("more than the announced {announced} bytes arrived\nhint: was the file written to during the upload?")]
    TooMuch {
        /// What was announced.
        announced: u64,
    },
    /// Another upload of this database.
    #[error("an upload of this database is under way\nhint: wait until it ends, then submit again")]
    Busy,
    /// The upload does not go on where the last one stopped.
    #[error("{received} bytes are here, the upload starts elsewhere\nhint: submit again; it goes on by itself")]
    Offset {
        /// What is here.
        received: u64,
    },
    /// The bytes are not those that were announced.
    #[error("the bytes that arrived are not the announced ones\nhint: submit again")]
    Hash,
    /// The seal or what is inside it.
    #[error(transparent)]
    TokenFile(#[from] linkage_core::error::TokenFileError),
    /// Another database's records.
    #[error(
        "the file holds records of {file}, the credential is {caller}'s\nhint: tokenise with `--database {caller}`"
    )]
    OtherDatabase {
        /// The database in the file.
        file: linkage_core::types::DatabaseId,
        /// The database of the caller.
        caller: linkage_core::types::DatabaseId,
    },
    /// Another linkage schema.
    #[error(
        "made with linkage schema {found}, this linkage group uses {expected}\nhint: tokenise again with the agreed schema; mixed encodings cannot be compared"
    )]
    OtherSchema {
        /// The digest in force.
        expected: linkage_core::types::SchemaDigest,
        /// The digest of the file.
        found: linkage_core::types::SchemaDigest,
    },
    /// Another linkage secret.
    #[error(
        "made with a linkage secret of key-check value {found}, this linkage group uses {expected}\nhint: compare `custodian key-check` with the other custodians"
    )]
    OtherSecret {
        /// The value in force.
        expected: linkage_core::types::KeyCheck,
        /// The value of the file.
        found: linkage_core::types::KeyCheck,
    },
    /// The verification itself broke down.
    #[error("the file could not be verified")]
    Unverified,
    /// A file of the upload folder.
    #[error("upload folder: {0}")]
    Io(#[from] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SubmissionError {
    /// The code that clients and the audit log see; `None` when the service is at fault.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("empty"),
            Self::Malformed => Some("malformed"),
            Self::TooLarge { .. } => Some("too-large"),
            Self::TooMuch { .. } => Some("too-much"),
            Self::Busy => Some("upload-under-way"),
            Self::Offset { .. } => Some("wrong-offset"),
            Self::Hash => Some("hash-mismatch"),
            Self::TokenFile(_) => Some("token-file"),
            Self::OtherDatabase { .. } => Some("other-database"),
            Self::OtherSchema { .. } => Some("other-schema"),
            Self::OtherSecret { .. } => Some("other-secret"),
            Self::Unverified | Self::Io(_) | Self::Store(_) => None,
        }
    }
}

/// Why nothing was released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// No finished run of this project.
    #[error("the project has no such run that is done\nhint: `linkage run list` shows its runs")]
    NoRun,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Randomness,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReleaseError {
    /// The code that clients and the audit log see; `None` when the service is at fault.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::NoRun => Some("no-run"),
            Self::Randomness | Self::Store(_) => None,
        }
    }
}

/// The text does not fit into the audit log: labels take ids, codes and digests, and nothing that could be a person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a label of the audit log\nhint: 1 to 128 characters of a-z 0-9 . _ : / -")]
pub struct LabelError;

/// The store's last line of the audit log cannot be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the last line of the audit log is damaged\nhint: `linkage audit verify` on an export names the first broken entry"
)]
pub struct ChainError;

/// Why the audit log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its last line.
    #[error(
        "audit log: {0}\nhint: the database was altered by something else; `linkage audit verify` names the first broken entry"
    )]
    Chain(#[from] ChainError),
    /// Its checkpoints are signed with another key, or it has another name.
    #[error(
        "the audit log of this unit was begun with another `audit.key` or another `audit.origin`\nhint: put the old ones back; a log whose checkpoints two keys sign verifies with neither"
    )]
    OtherLog,
}
