//! `custodian receive`: the crosswalk of one's own records comes back and is joined to one's own ids.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{anyhow, bail};
use linkage_core::linkage_key::LinkageKey;
use linkage_core::source::RawBatch;
use linkage_core::types::{DatabaseId, RecordRef};
use linkage_proto::v1::CrosswalkRequest;
use linkage_proto::v1::release_service_client::ReleaseServiceClient;
use serde_json::json;

use super::service::{ServiceArgs, block_on, refused};
use crate::cli::Done;
use crate::figure::grouped;
use crate::intake::RereadArgs;
use crate::output::{self, WholeFile, at, refuse_output};
use crate::refs::{RecordId, RecordRefs, SiteKey, record_ref, trim_id};

const BATCH_ROWS: usize = 16_384;

const EXAMPLES: &str = "\
Examples:
  custodian receive --service https://unit.example:7443 --credential ndb-credential \\
      --project heart-2026 --site-key ndb.site-key \\
      --input people.csv --id-column id -o crosswalk.csv
  custodian receive --service https://unit.example:7443 --credential ndb-credential \\
      --project heart-2026 --site-key ndb.site-key \\
      --format uke --input receipts/ -o crosswalk.csv
  custodian receive --service https://unit.example:7443 --credential ndb-credential \\
      --project heart-2026 --refs -o refs.csv

Give the options that `tokenise` was given: the site key, the extract, its format and encoding, its
id column or mapping.";

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
    #[command(flatten)]
    extract: RereadArgs,
    /// Write record refs instead of record ids; needs neither extract nor site key
    #[arg(long, conflicts_with_all = ["site_key", "input", "id_column", "mapping"])]
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

/// What the service released.
struct Crosswalk {
    run: String,
    database: DatabaseId,
    keys: HashMap<RecordRef, LinkageKey>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    refuse_output(&args.output, args.force, || {
        let mut files = args.extract.read_files()?;
        files.extend(args.site_key.clone());
        Ok(files)
    })?;
    let site_key = args.site_key.as_deref().map(SiteKey::load).transpose()?;
    let crosswalk = block_on(fetch(args))?;
    // Only its owner can read the file: it ties people of the extract to a project.
    let mut out = WholeFile::create(&args.output, args.force)?;
    let rows = match &site_key {
        Some(site_key) => write_ids(args, &site_key.refs(&crosswalk.database), &crosswalk, &mut out)?,
        None => write_refs(&crosswalk, &mut out).map_err(|error| at(&args.output, error))?,
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

/// Writes a line for every row of the extract that has a linkage key, in the order of the extract; of records with the same
/// id one line.
fn write_ids(args: &Args, refs: &RecordRefs, crosswalk: &Crosswalk, out: &mut impl Write) -> anyhow::Result<usize> {
    let failed = |error| at(&args.output, error);
    let (mut source, name) = args.extract.open()?;
    writeln!(out, "{},linkage_key", quoted(&name)).map_err(failed)?;
    let (mut batch, mut decoded) = (RawBatch::new(), String::new());
    let mut written = HashSet::new();
    while source.read_batch(&mut batch, BATCH_ROWS)? {
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
        let advice =
            "hint: give the site key, the extract and the options that `tokenise` was given; nothing has been written";
        bail!(
            "none of the {} records that have a linkage key is in the extract\n{advice}",
            grouped(crosswalk.keys.len() as u64)
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
    use linkage_core::schema::LinkageSchema;

    use super::*;

    #[test]
    fn ids_are_quoted_where_csv_needs_it() {
        assert_eq!(["1", "a,b", "a\"b", "a\nb"].map(quoted), ["1", "\"a,b\"", "\"a\"\"b\"", "\"a\nb\""]);
    }

    /// What `write_ids` makes of files in which the records of these ids are linked. In the options `@` is their folder.
    fn ids(files: &[(&str, &[u8])], options: &str, linked: &[RecordId<'_>]) -> anyhow::Result<String> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let always = "receive --service u --credential c --project p --site-key k -o o";
        let options = options.replace('@', folder.path().to_str().unwrap());
        let args = <Line as clap::Parser>::parse_from(always.split(' ').chain(options.split(' '))).args;
        let database: DatabaseId = "ndb".parse().unwrap();
        let refs = SiteKey::generate().refs(&database);
        let keys = linked.iter().map(|id| (record_ref(&refs, *id), LinkageKey::from_bytes([7; 16]))).collect();
        let crosswalk = Crosswalk { run: "run-1".to_owned(), database, keys };
        let mut out = Vec::new();
        write_ids(&args, &refs, &crosswalk, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn own_ids_come_back_in_the_order_of_the_extract_and_unlinked_ones_do_not() {
        let key = LinkageKey::from_bytes([7; 16]);
        let linked = ["c", "a"].map(RecordId::Column);
        let people: &[u8] = b"name,no\nx,a\ny,b\nz,c\nz,c\n";
        let text = ids(&[("in.csv", people)], "--input @/in.csv --id-column no", &linked).unwrap();
        assert_eq!(text, format!("no,linkage_key\na,{key}\nc,{key}\n"));
        let text = ids(&[("in.csv", b"name\nx\ny\n")], "--input @/in.csv", &[RecordId::Row(3)]).unwrap();
        assert_eq!(text, format!("row,linkage_key\n3,{key}\n"));
        // Row numbers run on from file to file, as they did when the extract was tokenised.
        let parts: [(&str, &[u8]); 2] = [("part-1.csv", b"name\nx\n"), ("part-2.csv", b"name\ny\n")];
        let text = ids(&parts, "--input @/part-*.csv", &[RecordId::Row(4)]).unwrap();
        assert_eq!(text, format!("row,linkage_key\n4,{key}\n"));
    }

    #[test]
    fn a_mapping_says_which_column_has_the_ids() {
        let key = LinkageKey::from_bytes([7; 16]);
        let fields = LinkageSchema::shipped("person-ja").unwrap();
        let fields = fields.fields().iter().map(|field| format!("[fields.{}]\nabsent = true\n", field.name()));
        let mapping = format!(
            "format = \"linkage-mapping/1\"\nschema = \"person-ja\"\nconfirmed = true\ndelimiter = \";\"\nskip_rows = 1\n\
             id_column = \"no\"\n{}",
            fields.collect::<String>()
        );
        let people: &[u8] = b"export\nno;name\n1;x\n2;y\n";
        let options = "--input @/in.csv --mapping @/m.toml --schema person-ja";
        let files = [("in.csv", people), ("m.toml", mapping.as_bytes())];
        let text = ids(&files, options, &[RecordId::Column("2")]).unwrap();
        assert_eq!(text, format!("no,linkage_key\n2,{key}\n"));
    }

    #[test]
    fn every_format_gives_the_ids_under_which_it_was_tokenised() {
        let key = LinkageKey::from_bytes([7; 16]);
        let golden =
            |name: &str| std::fs::read(format!("{}/../testdata/golden/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for (names, options, id) in [
            (&["receipts.uke"][..], "--format uke --input @/receipts.uke", "1311234567:00886"),
            (&["patients.ndjson"], "--format fhir --input @/patients.ndjson", "1311234567:7"),
            (
                &["ff1.txt", "receipts-dpc.uke"],
                "--format dpc --input @/ff1.txt --names @/receipts-dpc.uke",
                "131234567:886",
            ),
            (&["adt-00"], "--format ssmix2 --input @/adt-00", "HOSP:9999013"),
            (
                &["checkup.xml"],
                "--format kenshin --input @/checkup.xml",
                "::06132013:131:456::1:19500504:ケンシンタロウ",
            ),
            (&["ledger.csv", "claims.csv"], "--format kaigo --input @/claims.csv --names @/ledger.csv", "00131045:123"),
            (&["people.parquet"], "--format parquet --input @/people.parquet --id-column id", "2"),
        ] {
            let files: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (*name, golden(name))).collect();
            let files: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (*name, content.as_slice())).collect();
            let text =
                ids(&files, options, &[RecordId::Column(id)]).unwrap_or_else(|error| panic!("{options}: {error}"));
            let name = if options.contains("--id-column") { "id" } else { "record_id" };
            assert_eq!(text, format!("{name},linkage_key\n{id},{key}\n"), "{options}");
        }
    }

    #[test]
    fn another_extract_is_noticed_before_anything_is_written() {
        let options = "--input @/in.csv --id-column no";
        let refused = ids(&[("in.csv", b"no\na\n")], options, &[RecordId::Column("b")]).unwrap_err();
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
