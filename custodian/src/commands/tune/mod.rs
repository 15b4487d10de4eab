//! `custodian tune`: from pairs that are known to be one person to a linkage schema whose weights fit the data.

mod read;

use std::path::{Path, PathBuf};

use linkage_core::schema::LinkageSchema;
use linkage_core::source::Encoding;
use linkage_core::tune::{self, Judgement, Options, Sample, Tuned};
use serde_json::json;

use crate::cli::Done;
use crate::figure::grouped;
use crate::format_args::FormatArgs;
use crate::inputs::{Format, parse_encoding};
use crate::intake::{InputArgs, parse_mapping};
use crate::output;
use read::{Gold, Table};

const EXAMPLES: &str = "\
Examples:
  custodian tune --left a.csv --right b.csv --gold truth.csv --id-column id \\
      --schema person-ja -o tuned.json
  custodian tune --left receipts/ --format uke --right patients.ndjson --right-format fhir \\
      --gold truth.csv --schema person-ja -o tuned.json
  custodian tune --left claims/ --format kaigo --names ledger.csv --right a.csv \\
      --right-format csv --right-id-column id …
  linkage generate population -o a.csv --people 20000 --seed 7
  linkage generate corrupt a.csv -o b.csv --truth truth.csv --id-column person \\
      --column family_kana=kana …

The gold file is CSV with the columns left_id and right_id. It must list every pair of the two
tables that is one person: rows that stand in no pair are taken for other people. Where no such
file can be had, `linkage generate` makes a synthetic twin: made-up people with the fields and
the errors of yours.";

/// Fit the weights and the threshold of a linkage schema to pairs that are known to be one person
///
/// Every field gets bits in proportion to what it tells: how much more alike its values are in gold pairs than in random
/// pairs. One half of the people is learnt from; the other half judges, and its figures are the ones to believe.
/// Everything stays here, no value is shown, and both tables are held in memory.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The one table
    #[arg(long, value_name = "IN")]
    left: PathBuf,
    /// The other table
    #[arg(long, value_name = "IN")]
    right: PathBuf,
    /// Pairs of record ids that are one person: CSV with the columns left_id and right_id
    #[arg(long, value_name = "CSV")]
    gold: PathBuf,
    /// The linkage schema to begin with: a shipped name (person-ja, person-en) or the path of a file
    #[arg(long, value_name = "NAME|FILE")]
    schema: String,
    /// The name of the tuned schema [default: that of the other with -tuned]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The share of bits that a whole record sets, such as 0.4 [default: as many positions as the schema has]
    #[arg(long, value_name = "SHARE")]
    density: Option<f64>,
    /// Decides which people are learnt from and which random pairs are drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What the tables are
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: Format,
    /// How the tables are encoded: utf-8 or cp932 [default: as for `tokenise`]
    #[arg(long, value_parser = parse_encoding)]
    encoding: Option<Encoding>,
    /// The column of the record ids that the gold file names (csv, parquet); other formats have a record_id
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// Read a field from a column of another name; FIELD= says that there is none
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = parse_mapping)]
    map: Vec<(String, String)>,
    /// A mapping file that `custodian map` proposes, for both tables (csv, parquet)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["map", "id_column", "encoding", "right_encoding", "right_id_column", "right_map"])]
    mapping: Option<PathBuf>,
    /// Where the names are, when the left table has none (kaigo, dpc)
    #[arg(long, value_name = "FILE", requires = "format")]
    names: Vec<PathBuf>,
    #[command(flatten)]
    of_format: FormatArgs,
    /// What the right table is, where it differs; then nothing else that is said of the left one holds for it
    #[arg(long, value_name = "FORMAT")]
    right_format: Option<Format>,
    /// Where the names of the right table are (kaigo, dpc)
    #[arg(long, value_name = "FILE")]
    right_names: Vec<PathBuf>,
    /// How the right table is encoded, where it differs
    #[arg(long, value_name = "ENCODING", value_parser = parse_encoding)]
    right_encoding: Option<Encoding>,
    /// The column of the right table's record ids, where it differs
    #[arg(long, value_name = "COLUMN")]
    right_id_column: Option<String>,
    /// Columns of the right table, where they differ: these alone then hold for it
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = parse_mapping)]
    right_map: Vec<(String, String)>,
    /// The mapping file of the right table, where it differs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["right_map", "right_id_column", "right_encoding"])]
    right_mapping: Option<PathBuf>,
    /// Replace the output if it is there already
    #[arg(long)]
    force: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// The schema to write
    #[arg(short, long, value_name = "FILE.json")]
    output: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    let (left, right) = (args.left_input(), args.right_input());
    output::refuse_output(&args.output, args.force, || {
        Ok([left.read_files()?, right.read_files()?, vec![args.gold.clone()]].concat())
    })?;
    let schema = left.load_schema()?;
    let (left, right) = (Table::read(&left, &schema)?, Table::read(&right, &schema)?);
    let gold = Gold::read(&args.gold, &left, &right)?;
    let sample = Sample { left: &left.records, right: &right.records, gold: &gold.pairs };
    let name = args.name.clone().unwrap_or_else(|| format!("{}-tuned", schema.name()));
    let tuned = tune::tune(&schema, sample, &Options { name, density: args.density, seed: args.seed })?;
    output::write_whole(&args.output, &tuned.document, args.force)?;
    if gold.absent > 0 {
        output::talk(&format!(
            "warning: gold pairs with a record that the tables do not have: {}",
            grouped(gold.absent)
        ));
    }
    let set_aside = left.set_aside + right.set_aside;
    if set_aside > 0 {
        output::talk(&format!("warning: rows that cannot be used: {}", grouped(set_aside)));
    }
    let report = if args.json { args.as_json(&tuned, &gold) } else { text(&schema, &tuned) };
    output::data(&report)?;
    output::talk(&format!("wrote `{}`: every custodian of the linkage must use this same file", args.output.display()));
    Ok(if set_aside > 0 { Done::RowsSetAside } else { Done::Clean })
}

impl Args {
    fn left_input(&self) -> InputArgs {
        let mut input = self.reading(&self.left, self.format);
        input.encoding = self.encoding;
        input.id_column = self.id_column.clone();
        input.map = self.map.clone();
        input.mapping = self.mapping.clone();
        input.names = self.names.clone();
        input
    }

    /// The right table is read as the left one, but for what is said of it alone.
    fn right_input(&self) -> InputArgs {
        let mut input = match self.right_format {
            Some(format) if format != self.format => self.reading(&self.right, format),
            _ => self.left_input(),
        };
        input.inputs = vec![self.right.clone()];
        if self.right_mapping.is_some() {
            // A mapping says all of this.
            (input.encoding, input.id_column, input.map) = (None, None, Vec::new());
            input.mapping = self.right_mapping.clone();
        }
        input.encoding = self.right_encoding.or(input.encoding);
        input.id_column = self.right_id_column.clone().or(input.id_column);
        if !self.right_map.is_empty() {
            input.map = self.right_map.clone();
        }
        if !self.right_names.is_empty() {
            input.names = self.right_names.clone();
        }
        input
    }

    /// The options for one table, with what is said of its format.
    fn reading(&self, table: &Path, format: Format) -> InputArgs {
        let mut input = InputArgs::reading(&self.schema, table);
        input.format = format;
        // What the other table alone can take is not for this one; what neither can take is refused when this one is read.
        let formats = [self.format, self.right_format.unwrap_or(self.format)];
        let takes = |of: &[Format]| of.contains(&format) || !formats.iter().any(|format| of.contains(format));
        input.of_format = self.of_format.of(takes);
        input
    }

    fn as_json(&self, tuned: &Tuned, gold: &Gold) -> String {
        let judged = |judged: &Judgement| {
            json!({
                "threshold": judged.threshold.to_string(),
                "precision": judged.precision,
                "recall": judged.recall,
                "f1": judged.f1,
            })
        };
        let fields = tuned.fields.iter().map(|field| {
            json!({
                "field": field.name,
                "completeness": field.completeness,
                "agreement": field.agreement,
                "chance": field.chance,
                "evidence_bits": field.evidence,
                "old_budget": field.bits[0],
                "new_budget": field.bits[1],
            })
        });
        let report = json!({
            "output": self.output,
            "schema": tuned.schema.name(),
            "schema_digest": tuned.schema.digest().to_string(),
            "people": { "learnt_from": tuned.people[0], "held_out": tuned.people[1] },
            "random_pairs": tuned.random_pairs,
            "absent_gold_pairs": gold.absent,
            "fields": fields.collect::<Vec<_>>(),
            "learnt": judged(&tuned.learnt),
            "held_out": judged(&tuned.held_out),
            "base_held_out": tuned.base.as_ref().map(judged),
        });
        format!("{report:#}\n")
    }
}

fn text(base: &LinkageSchema, tuned: &Tuned) -> String {
    let widest = tuned.fields.iter().map(|field| field.name.len()).max().unwrap_or(0).max("field".len());
    let mut lines =
        vec![format!("{:widest$}  complete  agree in pairs  by chance  evidence  old bits  new bits", "field")];
    for field in &tuned.fields {
        let new = if field.bits[1] == 0 { "left out".to_owned() } else { field.bits[1].to_string() };
        lines.push(format!(
            "{:widest$}  {:>6.1} %  {:>12.1} %  {:>7.2} %  {:>8.2}  {:>8}  {new:>8}",
            field.name,
            100.0 * field.completeness,
            100.0 * field.agreement,
            100.0 * field.chance,
            field.evidence,
            field.bits[0],
        ));
    }
    let total = |at: usize| tuned.fields.iter().map(|field| field.bits[at]).sum::<usize>();
    lines.push(format!("{:widest$}  {:>55}  {:>8}", "", total(0), total(1)));
    lines.push(String::new());
    lines.push(format!("{:44}  threshold  precision  recall   F1", "at the size of these tables"));
    let judged = |what: String, judged: &Judgement| {
        let Judgement { threshold, precision, recall, f1 } = judged;
        format!("{what:44}  {:>9}  {precision:>9.4}  {recall:.4}  {f1:.4}", threshold.to_string())
    };
    let people = |count: usize| grouped(count as u64);
    lines.push(judged(format!("tuned, {} people learnt from", people(tuned.people[0])), &tuned.learnt));
    lines.push(judged(format!("tuned, {} others", people(tuned.people[1])), &tuned.held_out));
    lines.push(match &tuned.base {
        Some(own) => judged(format!("{}, the same others", base.name()), own),
        None => format!("{}: millions of pairs reach its threshold {}", base.name(), base.threshold()),
    });
    lines.push(String::new());
    lines.join("\n")
}
