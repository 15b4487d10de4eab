//! `linkage evaluate links`: how good are links that somebody else has made?

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use linkage_core::evaluate::{LinkedPair, Quality, bootstrap, pair_quality, units};
use serde_json::json;

use super::forms::{Form, Members, Of, Records, members, refuse_two_sided, score, sides};
use super::groups;
use super::labels::Labels;
use super::report::{self, cells, intervals, measures, trimmed};
use super::results::{self, About};
use super::rows::Rows;
use super::study::{NamedFile, THRESHOLDS};
use super::thresholds::Thresholds;

/// The column of Splink's probabilities.
const PROBABILITY: &str = "match_probability";

const EXAMPLES: &str = "\
Examples:
  linkage evaluate links predictions.parquet --truth labels.csv --from 0.9
  linkage evaluate links clusters.csv --truth truth.csv --groups age_band,sex --json
  linkage evaluate links --crosswalk ndb=ndb/crosswalk.csv --crosswalk dpc=dpc/crosswalk.csv \\
      --truth study/truth.csv";

/// The arguments of `linkage evaluate links`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LinksArgs {
    /// Links as Splink writes them, CSV or Parquet: by pair (unique_id_l, unique_id_r, match_probability), or by cluster
    /// (cluster_id, source_dataset, unique_id)
    #[arg(value_name = "FILE", required_unless_present = "crosswalk", conflicts_with = "crosswalk")]
    links: Option<PathBuf>,
    /// What `custodian receive` wrote, by the name that the truth has for the database; repeatable, instead of FILE
    #[arg(long, value_name = "NAME=CSV", conflicts_with = "from")]
    crosswalk: Vec<NamedFile>,
    /// The truth: by pair or by person, in Splink's columns too. Pairs with a clerical_match_score are judgements: links without
    /// one are not judged. Any other truth is taken to be complete
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
    /// Links by pair below this match_probability are none
    #[arg(long, value_name = "P", value_parser = chance)]
    from: Option<f64>,
    /// Judge the links of these tables only; repeatable [default: the tables that the links name]
    #[arg(long, value_name = "NAME")]
    table: Vec<String>,
    /// The chances to measure at, where links have a match_probability: from..to:step, or a list with commas
    #[arg(long, value_name = "LIST", default_value = THRESHOLDS)]
    thresholds: Thresholds,
    /// Columns of the truth that make subgroups [default: age_band,sex,foreign,changed_name,twin,errors, where they are]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    groups: Vec<String>,
    /// Draws for the 95 % intervals; 0 for none
    #[arg(long, value_name = "N", default_value_t = 200)]
    bootstrap: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write every measure as a row: Parquet, JSON or CSV by the ending of the name
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// The names that `linkage evaluate --left … --right …` gives its tables in links and clusters.
const SIDES: [&str; 2] = ["left", "right"];

/// Records by name of table and id, numbered as they come.
struct Known {
    rows: HashMap<(String, String), u32>,
    /// The tables that the links are about, where they are named.
    tables: Option<BTreeSet<String>>,
    one_table: bool,
}

impl Known {
    /// What two files, or the caller, say of tables.
    fn of(links: (&Rows, Form), truth: (&Rows, Form), wanted: &[String]) -> anyhow::Result<Self> {
        let known = |tables, one_table| Self { rows: HashMap::new(), tables, one_table };
        let has_sides = |tables: &BTreeSet<&str>, (rows, form): (&Rows, Form)| {
            wanted.is_empty() && form.has_sides(rows) && tables.iter().all(|name| SIDES.contains(name))
        };
        let named = [links, truth].map(|(rows, form)| form.tables(rows));
        Ok(match named {
            [Some(of_links), Some(of_truth)] => {
                let wanted = wanted.iter().map(String::as_str);
                let tables = if wanted.len() > 0 { wanted.collect() } else { of_links };
                // Truth by person has every record; truth by pair may well have no pair of a table.
                let missing: Vec<&str> = tables.difference(&of_truth).copied().collect();
                if !missing.is_empty() && (matches!(truth.1, Form::Members(_)) || missing.len() == tables.len()) {
                    let names = missing.join(", ");
                    bail!("the truth has none of the records of {names}\nhint: has the table that name in the truth?");
                }
                let one_table = tables.len() == 1;
                known(Some(tables.into_iter().map(str::to_owned).collect()), one_table)
            }
            // What has sides speaks of the tables that have their names.
            [Some(tables), None] if has_sides(&tables, truth) => known(None, false),
            [None, Some(tables)] if has_sides(&tables, links) => known(None, false),
            [Some(tables), None] | [None, Some(tables)] if tables.len() > 1 => bail!(
                "one of the files names the tables of its records, and the other does not\n\
                 hint: add columns source_dataset_l and source_dataset_r to pairs, source_dataset to clusters"
            ),
            _ if !wanted.is_empty() => bail!("--table needs the names of tables in both files"),
            [None, None] if [links, truth].iter().all(|(rows, form)| form.has_sides(rows)) => known(None, false),
            _ => {
                // All ids are of one table: then sides mean nothing, and no id may need them.
                for (rows, form) in [links, truth].iter().filter(|(rows, form)| form.has_sides(rows)) {
                    if let Form::Pairs { ids, .. } = form {
                        refuse_two_sided(rows, *ids)?;
                    }
                }
                known(None, true)
            }
        })
    }
}

impl Records for Known {
    fn row(&mut self, of: Of<'_>, id: &str) -> Option<u32> {
        let table = match of {
            Of::Table(name) if self.tables.as_ref().is_some_and(|tables| !tables.contains(name)) => return None,
            _ if self.one_table => "",
            Of::Table(name) => name,
            Of::Side(side) => SIDES[side.min(1)],
            Of::Unsaid => return None,
        };
        let next = self.rows.len() as u32;
        Some(*self.rows.entry((table.to_owned(), id.to_owned())).or_insert(next))
    }

    fn one_table(&self) -> bool {
        self.one_table
    }
}

pub(super) fn run(args: &LinksArgs) -> anyhow::Result<ExitCode> {
    results::refuse(&args.results, &results::OF_MEASURES)?;
    let truth = Rows::read(&args.truth)?;
    let (rows, source) = match &args.links {
        Some(path) => (Rows::read(path)?, path.display().to_string()),
        None => (of_crosswalks(&args.crosswalk)?, "the crosswalks".to_owned()),
    };
    let form = Form::find(&rows, PROBABILITY).with_context(|| {
        format!("{source}: neither pairs nor clusters\nhint: columns are unique_id_l, unique_id_r; or cluster_id, source_dataset, unique_id")
    })?;
    let form_of_truth = Labels::form(&truth).with_context(|| args.truth.display().to_string())?;
    let mut known = Known::of((&rows, form), (&truth, form_of_truth), &args.table)?;
    let labels = Labels::of(&truth, &mut known, &args.groups).with_context(|| args.truth.display().to_string())?;
    let in_truth = known.rows.len() as u32;
    let given = Given::read(&rows, form, args.from, &mut known).with_context(|| source)?;
    let judged = || given.links.iter().copied().filter(|link| labels.judges(link.left, link.right));
    let without_label = given.links.len() - judged().count();
    let quality = pair_quality(judged(), &labels.truth);
    let curve = given.curve(&args.thresholds, &labels);
    let groups = labels.groups.measure(judged(), &labels.truth);
    let spread = bootstrap(&units(judged(), &labels.truth), args.bootstrap, 1);
    report::warn_of_truth(&labels, without_label);
    if given.left_out > 0 {
        report::talk(&format!(
            "warning: {} links left out, within one table or of tables that are not judged",
            given.left_out
        ));
    }
    if given.without_chance > 0 {
        report::talk(&format!("warning: {} links have no {PROBABILITY}, --from leaves them out", given.without_chance));
    }
    let unknown: BTreeSet<u32> =
        given.links.iter().flat_map(|link| [link.left, link.right]).filter(|row| *row >= in_truth).collect();
    if !unknown.is_empty() {
        report::talk(&format!(
            "warning: {} records of the links are not in the truth\nhint: are ids written as they are there? 01 is not 1",
            unknown.len()
        ));
    }
    if let Some(path) = &args.results {
        let about = About { study: "links", schema: "", decision: "given" };
        let mut measurements = about.quality("links", args.from, &quality, spread.as_ref());
        for (threshold, quality) in &curve {
            measurements.extend(about.quality("pairs", Some(*threshold), quality, None));
        }
        measurements.extend(groups::measurements(&groups, &about, args.from));
        results::write(path, &measurements)?;
    }
    if args.json {
        let document = json!({ "links": given.links.len(), "links_left_out": given.left_out, "links_without_label": without_label,
            "true_pairs": labels.truth.len(), "absent_truth_entries": labels.absent, "linked_records_not_in_truth": unknown.len(), "quality": measures(&quality),
            "curve": curve.iter().map(|(from, quality)| json!({ "threshold": from, "raw": measures(quality) })).collect::<Vec<_>>(),
            "intervals": spread.as_ref().map(intervals), "groups": groups::json(&groups, &quality) });
        report::line(&format!("{document:#}"))?;
    } else {
        report::line(&format!("{} links, {} true pairs", given.links.len(), labels.truth.len()))?;
        report::line("precision  recall    F1      F*")?;
        report::line(&cells(&quality))?;
        report::spread(args.bootstrap, spread.as_ref()).map_or(Ok(()), |spread| report::line(&spread))?;
        if !curve.is_empty() {
            report::line("\nchance     precision  recall    F1      F*")?;
        }
        for (threshold, quality) in &curve {
            report::line(&format!("{:<9}  {}", trimmed(*threshold), cells(quality)))?;
        }
        groups::table(&groups, &quality, &mut std::io::stdout().lock())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A chance, from 0 to 1.
fn chance(text: &str) -> Result<f64, String> {
    let chance = text.parse().ok().filter(|chance| (0.0..=1.0).contains(chance));
    chance.ok_or_else(|| "write a chance from 0 to 1".to_owned())
}

/// The records of the crosswalks of several databases and their linkage keys, in the form of clusters.
fn of_crosswalks(files: &[NamedFile]) -> anyhow::Result<Rows> {
    let mut all = Rows::with_header(&["source_dataset", "unique_id", "cluster_id"]);
    for NamedFile { name, path } in files {
        let rows = Rows::read(path)?;
        let hint = "hint: give what `custodian receive` wrote: record ids and linkage keys";
        let key =
            rows.column(&["linkage_key"]).with_context(|| format!("{}: no linkage keys\n{hint}", path.display()))?;
        // The ids stand before it, under the name that the custodian's own table has for them.
        let id = usize::from(key == 0);
        for (row, record) in (2..).zip(rows.iter()) {
            let id = record.get(id).filter(|id| !id.is_empty());
            let id = id.with_context(|| format!("{}: row {row}: no record id\n{hint}", path.display()))?;
            all.push(vec![name.clone(), id.clone(), record[key].clone()]);
        }
    }
    Ok(all)
}

/// The links of a file, each once, with their probability as their score, or none.
struct Given {
    links: Vec<LinkedPair>,
    /// All pairs of the file, whatever --from says, where they have probabilities.
    rated: Vec<LinkedPair>,
    /// Links within one table of several, or of tables that the caller did not name.
    left_out: u64,
    /// Links without a probability, which --from leaves out.
    without_chance: usize,
}

impl Given {
    fn read(rows: &Rows, form: Form, from: Option<f64>, known: &mut Known) -> anyhow::Result<Self> {
        let has_chances = matches!(form, Form::Pairs { score: Some(_), .. });
        let (mut pairs, left_out) = match form {
            Form::Pairs { ids, tables, score } => {
                if from.is_some() && score.is_none() {
                    bail!("no column `{PROBABILITY}`\nhint: leave out --from, then every row is a link");
                }
                Self::pairs(rows, (ids, tables), score, known)?
            }
            Form::Members(_) if from.is_some() => bail!("clusters have no match_probability\nhint: leave out --from"),
            Form::Members(columns) => {
                let Members { pairs, absent, .. } = members(rows, columns, known, &mut |_, _| Ok(()))?;
                let link = |(left, right)| LinkedPair { left, right, score: f64::NAN, exact: false };
                (pairs.into_iter().map(link).collect(), absent)
            }
        };
        // Of a pair that is there twice the higher probability counts.
        let rank = |link: &LinkedPair| if link.score.is_nan() { -1.0 } else { link.score };
        pairs.sort_unstable_by(|a, b| {
            (a.left, a.right).cmp(&(b.left, b.right)).then_with(|| rank(b).total_cmp(&rank(a)))
        });
        pairs.dedup_by_key(|link| (link.left, link.right));
        let links: Vec<LinkedPair> =
            pairs.iter().filter(|link| from.is_none_or(|from| link.score >= from)).copied().collect();
        let without_chance = if from.is_some() { pairs.iter().filter(|link| link.score.is_nan()).count() } else { 0 };
        Ok(Self { links, rated: if has_chances { pairs } else { Vec::new() }, left_out, without_chance })
    }

    fn pairs(
        rows: &Rows,
        (ids, tables): ([usize; 2], Option<[usize; 2]>),
        probability: Option<usize>,
        known: &mut Known,
    ) -> anyhow::Result<(Vec<LinkedPair>, u64)> {
        let (mut pairs, mut left_out) = (Vec::new(), 0);
        for (row, record) in (2..).zip(rows.iter()) {
            let probability = match probability {
                // A link that only its cluster makes has no chance of its own.
                Some(column) if !record[column].is_empty() => score(record, column, row, PROBABILITY)?,
                _ => f64::NAN,
            };
            let [left, right] = sides(rows, (row, record), ids, tables)?;
            if !known.one_table && left.0 == right.0 {
                left_out += 1;
                continue;
            }
            match (known.row(left.0, left.1), known.row(right.0, right.1)) {
                (Some(a), Some(b)) if a != b => {
                    pairs.push(LinkedPair { left: a.min(b), right: a.max(b), score: probability, exact: false });
                }
                _ => left_out += 1,
            }
        }
        Ok((pairs, left_out))
    }

    /// The quality of the links from each of some chances on; none where links have no chance.
    fn curve(&self, thresholds: &Thresholds, labels: &Labels) -> Vec<(f64, Quality)> {
        if self.rated.is_empty() {
            return Vec::new();
        }
        let at = |from: f64| {
            let links = self.rated.iter().filter(|link| link.score >= from && labels.judges(link.left, link.right));
            (from, pair_quality(links.copied(), &labels.truth))
        };
        thresholds.values().map(at).collect()
    }
}
