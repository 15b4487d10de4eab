//! `custodian submit`: a sealed token file goes to the linkage service.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use indicatif::ProgressBar;
use linkage_proto::v1::submission_service_client::SubmissionServiceClient;
use linkage_proto::v1::upload_request::Part;
use linkage_proto::v1::{BeginRequest, Receipt, UploadRequest, UploadStart};
use linkage_proto::{Bytes, CHUNK_BYTES};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::service::{ServiceArgs, block_on, refused};
use crate::cli::Done;
use crate::figure::grouped;
use crate::output::{self, at, progress};

/// The first bytes of every file that is sealed with age.
const SEAL: &[u8] = b"age-encryption.org/v1\n";

/// How often an upload that breaks off goes on by itself.
const ATTEMPTS: u32 = 4;

const EXAMPLES: &str = "\
Examples:
  custodian submit --service https://unit.example:7443 --credential ndb-credential ndb.tokens

An upload that was broken off goes on where it stopped. The same file is accepted once, however
often it is sent.";

/// Send a token file to the linkage service
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    /// Print the receipt as JSON
    #[arg(long)]
    json: bool,
    /// The token file
    #[arg(value_name = "FILE.tokens")]
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    let file = Announced::read(&args.file)?;
    let receipt = block_on(submit(args, &file))?;
    output::data(&if args.json { json_receipt(&receipt) } else { text_receipt(&receipt) })?;
    Ok(Done::Clean)
}

/// The file as it is announced to the service.
struct Announced {
    path: PathBuf,
    blake3: [u8; 32],
    bytes: u64,
}

impl Announced {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let failed = |error| at(path, error);
        let mut file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut start = Vec::with_capacity(SEAL.len());
        file.by_ref().take(SEAL.len() as u64).read_to_end(&mut start).map_err(failed)?;
        // An extract in clear must not leave the site because somebody named the wrong file.
        if start != SEAL {
            let hint = "hint: `custodian tokenise` makes token files; nothing has been sent";
            return Err(at(path, format!("not a sealed file\n{hint}")));
        }
        file.rewind().map_err(failed)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).map_err(failed)?;
        Ok(Self { path: path.to_owned(), blake3: *hasher.finalize().as_bytes(), bytes })
    }
}

async fn submit(args: &Args, file: &Announced) -> anyhow::Result<Receipt> {
    let bar = progress(Some(file.bytes));
    let mut failed = None;
    for attempt in 1..=ATTEMPTS {
        // A new connection for every attempt: the old one may be what broke.
        let channel = args.service.connect().await?;
        match attempt_upload(channel, file, &bar).await {
            Ok(Some(receipt)) => {
                bar.finish_and_clear();
                return Ok(receipt);
            }
            Ok(None) => {}
            Err(Failure::Status(status)) if attempt < ATTEMPTS && may_go_on(&status) => failed = Some(status),
            Err(Failure::Status(status)) => return Err(refused(&status)),
            Err(Failure::Local(error)) => return Err(error),
        }
        tokio::time::sleep(std::time::Duration::from_millis(250) * attempt).await;
    }
    bail!(
        "{}",
        failed.map_or_else(|| "the upload did not come to an end".to_owned(), |status| refused(&status).to_string())
    )
}

enum Failure {
    /// The service, or the connection to it.
    Status(Box<Status>),
    /// Something on this side.
    Local(anyhow::Error),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// Whether the service is likely to take the rest of the file a moment later.
fn may_go_on(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Aborted | Code::Cancelled | Code::Unknown)
}

/// Sends what the service does not have yet; `None` when some is still missing.
async fn attempt_upload(channel: Channel, file: &Announced, bar: &ProgressBar) -> Result<Option<Receipt>, Failure> {
    let mut client = SubmissionServiceClient::new(channel);
    let announcement = BeginRequest { file_blake3: file.blake3.to_vec(), file_bytes: file.bytes };
    let begun = client.begin(announcement).await?.into_inner();
    if let Some(receipt) = begun.receipt {
        return Ok(Some(receipt));
    }
    let offset = begun.received_bytes;
    let (sender, parts) = mpsc::channel(4);
    let start = UploadStart { file_blake3: file.blake3.to_vec(), file_bytes: file.bytes, offset };
    let (path, bar) = (file.path.clone(), bar.clone());
    let reading = tokio::task::spawn_blocking(move || send_parts(&path, start, &sender, &bar));
    let answer = client.upload(ReceiverStream::new(parts)).await;
    let read = reading.await.map_err(|_| Failure::Local(anyhow!("reading the file broke down")))?;
    read.map_err(Failure::Local)?;
    Ok(answer?.into_inner().receipt)
}

/// Reads the file from the offset on. Ends early, and well, when the service does not listen any more.
fn send_parts(
    path: &Path,
    start: UploadStart,
    sender: &mpsc::Sender<UploadRequest>,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut position = start.offset;
    let mut file = File::open(path).map_err(|error| at(path, error))?;
    file.seek(SeekFrom::Start(position)).map_err(|error| at(path, error))?;
    let mut part = Part::Start(start);
    loop {
        if sender.blocking_send(UploadRequest { part: Some(part) }).is_err() {
            return Ok(());
        }
        bar.set_position(position);
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = file.read(&mut chunk).map_err(|error| at(path, error))?;
        if read == 0 {
            return Ok(());
        }
        chunk.truncate(read);
        position += read as u64;
        part = Part::Chunk(Bytes::from(chunk));
    }
}

fn text_receipt(receipt: &Receipt) -> String {
    format!(
        "accepted: {} records of {} at {}\nfile          blake3 {}\nschema        {}\nkey check     {}\n",
        grouped(receipt.records),
        receipt.database,
        receipt.accepted_at,
        hash_text(&receipt.file_blake3),
        receipt.schema_digest,
        receipt.key_check,
    )
}

fn json_receipt(receipt: &Receipt) -> String {
    let receipt = json!({
        "database": receipt.database,
        "records": receipt.records,
        "file_bytes": receipt.file_bytes,
        "file_blake3": hash_text(&receipt.file_blake3),
        "schema_digest": receipt.schema_digest,
        "key_check": receipt.key_check,
        "accepted_at": receipt.accepted_at,
    });
    format!("{receipt:#}\n")
}

fn hash_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
