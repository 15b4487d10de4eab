//! `custodian receive`: the crosswalk of one's own records comes back and is joined to one's own ids.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use linkage_core::linkage_key::LinkageKey;
use linkage_core::source::{CsvLayout, CsvSource, Encoding, RawBatch, Source};
use linkage_core::types::{DatabaseId, RecordRef};
use linkage_proto::v1::CrosswalkRequest;
use linkage_proto::v1::release_service_client::ReleaseServiceClient;
use serde_json::json;

use super::service::{ServiceArgs, block_on, refused};
use crate::cli::Done;
use crate::intake::folder_of;
use crate::output::{self, WholeFile, at, grouped};
use crate::refs::{RecordId, RecordRefs, SiteKey, record_ref, trim_id};

const BATCH_ROWS: usize = 16_384;

const EXAMPLES: &str = "\
Examples:
  custodian receive --service https://unit.example:7443 --credential ndb-credential --project heart-2026 \\
      --site-key ndb.site-key --input people.csv --id-column id -o crosswalk.csv
  custodian receive --service https://unit.example:7443 --credential ndb-credential --project heart-2026 \\
      --refs -o refs.csv

Give the options that `tokenise` was given: the site key, the extract, its encoding and its id column.";

/// Fetch the linkage keys of your own records in one project
///
/// Each line of the output is one of your record ids and its linkage key. Records without a link are not in it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    /// The project
    #[arg(long, value_name = "NAME")]
    project: String,
    /// A run of the project [default: its latest one that is done]
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Your site key, as `tokenise` used it
    #[arg(long, value_name = "FILE", required_unless_present = "refs")]
    site_key: Option<PathBuf>,
    /// The extract that was tokenised
    #[arg(long, value_name = "IN.csv", required_unless_present = "refs")]
    input: Option<PathBuf>,
    /// How the extract is encoded: utf-8 or cp932
    #[arg(long, default_value = "utf-8", value_parser = parse_encoding)]
    encoding: Encoding,
    /// The column that identifies a row; without it, its row number does
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// Write record refs instead of record ids; needs neither extract nor site key
    #[arg(long, conflicts_with_all = ["site_key", "input", "id_column"])]
    refs: bool,
    /// Replace the output if it is there already
    #[arg(long)]
    force: bool,
    /// Print the counts as JSON on stdout
    #[arg(long)]
    json: bool,
    /// The crosswalk to write
    #[arg(short, long, value_name = "FILE.csv")]
    output: PathBuf,
}

fn parse_encoding(text: &str) -> Result<Encoding, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// What the service released.
struct Crosswalk {
    run: String,
    database: DatabaseId,
    keys: HashMap<RecordRef, LinkageKey>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    folder_of(&args.output)?;
    if !args.force && args.output.try_exists().map_err(|error| at(&args.output, error))? {
        return Err(at(&args.output, "there is a file of this name\nhint: --force replaces it"));
    }
    let site_key = args.site_key.as_deref().map(SiteKey::load).transpose()?;
    let crosswalk = block_on(fetch(args))?;
    // Only its owner can read the file: it ties people of the extract to a project.
    let mut out = WholeFile::create(&args.output, args.force)?;
    let rows = match (&site_key, &args.input) {
        (Some(site_key), Some(input)) => {
            write_ids(args, input, &site_key.refs(&crosswalk.database), &crosswalk, &mut out)?
        }
        _ => write_refs(&crosswalk, &mut out).map_err(|error| at(&args.output, error))?,
    };
    out.finish()?;
    report(args, &crosswalk, rows)
}

async fn fetch(args: &Args) -> anyhow::Result<Crosswalk> {
    let mut client = ReleaseServiceClient::new(args.service.connect().await?);
    let request = CrosswalkRequest { project: args.project.clone(), run_id: args.run.clone().unwrap_or_default() };
    let mut answers = client.crosswalk(request).await.map_err(|status| refused(&status))?.into_inner();
    let malformed = || anyhow!("the service sent something that is no crosswalk\nhint: is it of the same version?");
    let mut crosswalk: Option<Crosswalk> = None;
    while let Some(answer) = answers.message().await.map_err(|status| refused(&status))? {
        let crosswalk = match &mut crosswalk {
            Some(crosswalk) => crosswalk,
            none => {
                let database = answer.database.parse().map_err(|_| malformed())?;
                none.insert(Crosswalk { run: answer.run_id, database, keys: HashMap::new() })
            }
        };
        for entry in answer.entries {
            let record: [u8; 16] = entry.record_ref.as_slice().try_into().map_err(|_| malformed())?;
            let key = entry.linkage_key.parse().map_err(|_| malformed())?;
            crosswalk.keys.insert(RecordRef(record), key);
        }
    }
    crosswalk.ok_or_else(malformed)
}

/// Writes a line for every row of the extract that has a linkage key, in the order of the extract.
fn write_ids(
    args: &Args,
    input: &Path,
    refs: &RecordRefs,
    crosswalk: &Crosswalk,
    out: &mut impl Write,
) -> anyhow::Result<usize> {
    let failed = |error| at(&args.output, error);
    // No field is read: the record ids are all that is needed of the extract.
    let layout =
        CsvLayout { encoding: args.encoding, fields: Vec::new(), map: Vec::new(), id_column: args.id_column.clone() };
    let file = File::open(input).map_err(|error| at(input, error))?;
    let mut source = CsvSource::open(file, &layout).map_err(|error| at(input, error))?;
    writeln!(out, "{},linkage_key", quoted(args.id_column.as_deref().unwrap_or("row"))).map_err(failed)?;
    let (mut batch, mut decoded) = (RawBatch::new(), String::new());
    let mut written = HashSet::new();
    while source.read_batch(&mut batch, BATCH_ROWS).map_err(|error| at(input, error))? {
        for record in batch.records() {
            let (reference, id) = match record.id() {
                None => (record_ref(refs, RecordId::Row(record.row())), record.row().to_string()),
                Some(id) => {
                    let id = record.encoding().decode(id, &mut decoded);
                    (record_ref(refs, RecordId::Column(id.text)), trim_id(id.text).to_owned())
                }
            };
            if let Some(key) = crosswalk.keys.get(&reference)
                && written.insert(reference)
            {
                writeln!(out, "{},{key}", quoted(&id)).map_err(failed)?;
            }
        }
    }
    if written.is_empty() && !crosswalk.keys.is_empty() {
        let advice = "hint: give the site key, the extract and the id column that `tokenise` was given; nothing has been written";
        bail!(
            "none of the {} records that have a linkage key is in `{}`\n{advice}",
            grouped(crosswalk.keys.len() as u64),
            input.display()
        );
    }
    Ok(written.len())
}

fn write_refs(crosswalk: &Crosswalk, out: &mut impl Write) -> std::io::Result<usize> {
    writeln!(out, "record_ref,linkage_key")?;
    let mut entries: Vec<(String, &LinkageKey)> =
        crosswalk.keys.iter().map(|(record, key)| (record.to_hex(), key)).collect();
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    for (record, key) in &entries {
        writeln!(out, "{record},{key}")?;
    }
    Ok(entries.len())
}

fn report(args: &Args, crosswalk: &Crosswalk, rows: usize) -> anyhow::Result<Done> {
    let missing = crosswalk.keys.len() - rows;
    let (database, run) = (&crosswalk.database, &crosswalk.run);
    let distinct = crosswalk.keys.values().collect::<HashSet<_>>().len();
    if args.json {
        let counts = json!({ "database": database, "run": run, "records": rows, "keys": distinct, "missing": missing });
        output::data(&format!("{counts:#}\n"))?;
    }
    let wrote = args.output.display();
    output::talk(&format!("wrote `{wrote}`: {} records of {database} with a linkage key, {run}", grouped(rows as u64)));
    if missing > 0 {
        let missing = grouped(missing as u64);
        output::talk(&format!(
            "set aside: {missing} linked records are not in the extract\nhint: is it the one that was tokenised?"
        ));
        return Ok(Done::RowsSetAside);
    }
    Ok(Done::Clean)
}

/// A value of a CSV file, quoted where it has to be.
fn quoted(value: &str) -> String {
    if value.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_quoted_where_csv_needs_it() {
        assert_eq!(["1", "a,b", "a\"b", "a\nb"].map(quoted), ["1", "\"a,b\"", "\"a\"\"b\"", "\"a\nb\""]);
    }

    /// What `write_ids` makes of an extract in which the records of these ids are linked.
    fn ids(extract: &str, options: &[&str], linked: &[RecordId<'_>]) -> anyhow::Result<String> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("in.csv");
        std::fs::write(&input, extract).unwrap();
        let always = ["receive", "--service", "u", "--credential", "c", "--project", "p", "--site-key", "k", "-o", "o"];
        let line = always.into_iter().chain(["--input", input.to_str().unwrap()]).chain(options.iter().copied());
        let args = <Line as clap::Parser>::parse_from(line).args;
        let database: DatabaseId = "ndb".parse().unwrap();
        let refs = SiteKey::generate().refs(&database);
        let keys = linked.iter().map(|id| (record_ref(&refs, *id), LinkageKey::from_bytes([7; 16]))).collect();
        let crosswalk = Crosswalk { run: "run-1".to_owned(), database, keys };
        let mut out = Vec::new();
        write_ids(&args, &input, &refs, &crosswalk, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn own_ids_come_back_in_the_order_of_the_extract_and_unlinked_ones_do_not() {
        let key = LinkageKey::from_bytes([7; 16]);
        let linked = ["c", "a"].map(RecordId::Column);
        let text = ids("name,no\nx,a\ny,b\nz,c\nz,c\n", &["--id-column", "no"], &linked).unwrap();
        assert_eq!(text, format!("no,linkage_key\na,{key}\nc,{key}\n"));
        let text = ids("name\nx\ny\n", &[], &[RecordId::Row(3)]).unwrap();
        assert_eq!(text, format!("row,linkage_key\n3,{key}\n"));
    }

    #[test]
    fn another_extract_is_noticed_before_anything_is_written() {
        let refused = ids("no\na\n", &["--id-column", "no"], &[RecordId::Column("b")]).unwrap_err();
        assert!(refused.to_string().contains("hint: "), "{refused}");
    }

    #[test]
    fn refs_are_written_in_an_order_of_their_own() {
        let key = LinkageKey::from_bytes([7; 16]);
        let keys = [([2; 16], key), ([1; 16], key)].map(|(record, key)| (RecordRef(record), key)).into();
        let crosswalk = Crosswalk { run: "run-1".to_owned(), database: "ndb".parse().unwrap(), keys };
        let mut out = Vec::new();
        assert_eq!(write_refs(&crosswalk, &mut out).unwrap(), 2);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, format!("record_ref,linkage_key\n{},{key}\n{},{key}\n", "01".repeat(16), "02".repeat(16)));
    }
}
