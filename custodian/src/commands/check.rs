//! `custodian check`: all of `tokenise` but the writing.

use anyhow::anyhow;
use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use serde_json::json;

use crate::cli::Done;
use crate::figure::{SMALL_CELL, remainder, share, suppressed};
use crate::intake::{InputArgs, Intake};
use crate::output;
use crate::refs::SiteKey;

const EXAMPLES: &str = "\
Examples:
  custodian check --schema person-ja --id-column id people.csv
  custodian check --schema person-ja --encoding cp932 --json --rows 0 people.csv > report.json";

/// Try an extract without a secret and without writing anything, and count what is wrong
///
/// Shows how full each field is and which rules are broken in which rows. Counts from 1 to 9 are shown as <10, so that
/// the report can be passed on; leave out the row numbers then (--rows 0).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How many row numbers to list per rule, at most 100; the header is row 1
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    rows: u8,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: InputArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    let schema = args.input.load_schema()?;
    // Keys for this run alone: the refs find repeated ids, and the tokens show which rows have nothing to encode.
    let secret = LinkageSecret::generate(getrandom::fill)
        .map_err(|error| anyhow!("the operating system gave no randomness: {error}"))?;
    let database = "check".parse().map_err(|error| anyhow!("{error}"))?;
    let refs = SiteKey::generate().refs(&database);
    let intake = args.input.run(&schema, &secret, &refs, &std::env::temp_dir())?;
    let report = if args.json { args.json(&schema, &intake) } else { args.text(&schema, &intake) };
    if let Some(opt_out) = intake.opt_out {
        opt_out.lines(SMALL_CELL).iter().for_each(|line| output::talk(line));
    }
    output::data(&report)?;
    Ok(if intake.findings.set_aside_rows() > 0 { Done::RowsSetAside } else { Done::Clean })
}

impl Args {
    fn text(&self, schema: &LinkageSchema, intake: &Intake<'_>) -> String {
        let findings = &intake.findings;
        let fields: Vec<&str> = schema.fields().iter().map(|field| field.name()).collect();
        let widest = fields.iter().map(|name| name.len()).max().unwrap_or(0).max("field".len());
        let mut lines = vec![
            format!("rows       {}", suppressed(findings.rows)),
            format!("to write   {}", remainder(intake.records, &findings.taken(), SMALL_CELL)),
            format!("set aside  {}", suppressed(findings.set_aside_rows())),
            format!("opted out  {}", suppressed(findings.opted_out)),
            String::new(),
            format!("{:widest$}  filled", "field"),
        ];
        if findings.superseded > 0 {
            lines.insert(4, format!("merged     {}", suppressed(findings.superseded)));
        }
        for (name, present) in fields.iter().zip(&findings.present) {
            lines.push(format!("{name:widest$}  {}", share(*present, findings.rows)));
        }
        let found = findings.lines(&fields, usize::from(self.rows), SMALL_CELL);
        if !found.is_empty() {
            lines.push(String::new());
            lines.extend(found);
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn json(&self, schema: &LinkageSchema, intake: &Intake<'_>) -> String {
        let findings = &intake.findings;
        let fields: Vec<&str> = schema.fields().iter().map(|field| field.name()).collect();
        let report = json!({
            "schema": schema.name(),
            "schema_digest": schema.digest(),
            "to_write_rows": remainder(intake.records, &findings.taken(), SMALL_CELL).json(),
            "set_aside_rows": suppressed(findings.set_aside_rows()).json(),
            "fields": fields.iter().zip(&findings.present).map(|(name, present)| json!({
                "field": name, "filled_percent": share(*present, findings.rows).json(),
            })).collect::<Vec<_>>(),
            "findings": findings.json(&fields, usize::from(self.rows), SMALL_CELL),
            "opt_out": intake.opt_out.map(|opt_out| opt_out.json(SMALL_CELL)),
        });
        format!("{report:#}\n")
    }
}
