//! The truth, in any of the forms in which people have it.
//!
//! By pair or by person ([`Form`]), or in the ids of FEBRL. Pairs with Splink's `clerical_match_score` are judgements: what has
//! none is not judged. Elsewhere the truth is complete, and what is not in it is wrong.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context as _, bail};
use linkage_core::evaluate::Truth;

use super::forms::{Form, MemberColumns, Members, Records, members, score, sides};
use super::groups::Groups;
use super::rows::Rows;

/// Two rows, which count through all tables, the smaller first; and whether somebody says that they are one person.
pub(super) type LabelledPair = ([u32; 2], bool);

/// The column of Splink's clerical judgements.
const CLERICAL: &str = "clerical_match_score";

/// The column of labels that somebody gave, other than Splink's.
const MATCH: &str = "match";

/// Whether a clerical score says that a pair is a match.
const MATCH_FROM: f64 = 0.5;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Labels {
    pub(super) truth: Truth,
    /// Where each pair was judged on its own: those that were.
    judged: Option<HashSet<(u32, u32)>>,
    /// Pairs or records that name a record which is not there.
    pub(super) absent: u64,
    /// True pairs within one table of several, which nobody links here.
    pub(super) within: u64,
    /// Records of which the truth names no person: each is a person of its own.
    pub(super) nameless: u64,
    /// Records of the files that a truth by person leaves out, where it is known which there are.
    pub(super) unnamed: u64,
    /// Records of the files that are in no pair of a truth by pair, where it is known which there are.
    pub(super) unpaired: u64,
    pub(super) groups: Groups,
}

impl Labels {
    /// Complete truth.
    pub(super) fn complete(truth: Truth) -> Self {
        Self { truth, ..Self::default() }
    }

    /// Reads a file of one of the forms. `groups` names the columns that make subgroups; empty, the usual ones do.
    pub(super) fn read(path: &Path, records: &mut dyn Records, groups: &[String]) -> anyhow::Result<Self> {
        Self::of(&Rows::read(path)?, records, groups).with_context(|| format!("{}", path.display()))
    }

    /// The same of a file that has been read.
    pub(super) fn of(rows: &Rows, records: &mut dyn Records, groups: &[String]) -> anyhow::Result<Self> {
        let labels = match Self::form(rows)? {
            Form::Members(columns) => Self::persons(rows, columns, records, groups),
            Form::Pairs { ids, tables, score } => Self::pairs(rows, (ids, tables), score, records, groups),
        }?;
        if labels.truth.is_empty() {
            bail!(
                "no true pair has both its records in the files ({} name a record that is not there)\n\
                 hint: do the tables have the names of the truth, and is --id-column the column that the truth speaks of?",
                labels.absent
            );
        }
        Ok(labels)
    }

    /// The form of a truth.
    pub(super) fn form(rows: &Rows) -> anyhow::Result<Form> {
        Form::find(rows, CLERICAL).context(
            "not a truth that is known here\nhint: columns are left_id, right_id; or database, record_id, person; \
             or Splink's unique_id_l, unique_id_r; or source_dataset, unique_id, cluster_id",
        )
    }

    /// Reads a gold sample: pairs of records of these tables, and whether each is one person.
    pub(super) fn gold(path: &Path, records: &mut dyn Records) -> anyhow::Result<Vec<LabelledPair>> {
        let rows = Rows::read(path)?;
        let name = if rows.column(&[CLERICAL]).is_some() { CLERICAL } else { MATCH };
        let Some(Form::Pairs { ids, tables, score: Some(score) }) = Form::find(&rows, name) else {
            bail!(
                "{}: not a gold sample\nhint: columns are left_id, right_id and match (1 or 0), or Splink's unique_id_l, \
                 unique_id_r, source_dataset_l, source_dataset_r and clerical_match_score",
                path.display()
            );
        };
        let labels = Self::pairs(&rows, (ids, tables), Some(score), records, &[]);
        let labels = labels.with_context(|| format!("{}", path.display()))?;
        if labels.absent > 0 {
            bail!(
                "{}: {} labels name a record that is not in the files\n\
                 hint: do the tables have the names of the sample, and is --id-column the column that it speaks of?",
                path.display(),
                labels.absent
            );
        }
        if labels.within > 0 {
            bail!(
                "{}: {} labels are of two records of one table\nhint: one table holds each person once; leave them out",
                path.display(),
                labels.within
            );
        }
        let mut judged: Vec<(u32, u32)> = labels.judged.into_iter().flatten().collect();
        judged.sort_unstable();
        Ok(judged.into_iter().map(|(left, right)| ([left, right], labels.truth.contains(left, right))).collect())
    }

    /// Whether somebody knows of this pair whether it is one person.
    pub(super) fn judges(&self, left: u32, right: u32) -> bool {
        self.judged.as_ref().is_none_or(|judged| judged.contains(&(left, right)))
    }

    /// Whether pairs were judged, and every one of them is a match: nothing can then be found wrong.
    pub(super) fn without_wrong_pairs(&self) -> bool {
        self.judged.as_ref().is_some_and(|judged| judged.len() as u64 == self.truth.len())
    }

    fn pairs(
        rows: &Rows,
        (ids, tables): ([usize; 2], Option<[usize; 2]>),
        verdict: Option<usize>,
        records: &mut dyn Records,
        wanted: &[String],
    ) -> anyhow::Result<Self> {
        let mut labels = Self { groups: Groups::of(rows, wanted)?, ..Self::default() };
        let mut verdicts: HashMap<(u32, u32), (usize, bool)> = HashMap::new();
        let mut named: HashSet<u32> = HashSet::new();
        for (row, record) in (2..).zip(rows.iter()) {
            let is_match = verdict.map_or(Ok(true), |column| {
                score(record, column, row, &rows.header()[column]).map(|score| score >= MATCH_FROM)
            })?;
            let [left, right] = sides(rows, (row, record), ids, tables)?;
            let found = [records.row(left.0, left.1), records.row(right.0, right.1)];
            named.extend(found.iter().flatten());
            if !records.one_table() && left.0 == right.0 {
                labels.within += u64::from(is_match);
                continue;
            }
            match found {
                [Some(left), Some(right)] if left == right => bail!(
                    "row {row}: the pair of a record with itself\n\
                     hint: if the sides are two tables, call the columns left_id and right_id, or add source_dataset_l and \
                     source_dataset_r"
                ),
                [Some(left), Some(right)] => {
                    let pair = (left.min(right), left.max(right));
                    if let Some((earlier, other)) = verdicts.insert(pair, (row, is_match))
                        && other != is_match
                    {
                        let column = verdict.map_or(CLERICAL, |column| &rows.header()[column]);
                        bail!(
                            "rows {earlier} and {row}, column `{column}`: one pair, once a match and once none\n\
                             hint: decide which it is, and leave the other row out"
                        );
                    }
                    labels.groups.add_pair(pair, record)?;
                }
                _ => labels.absent += 1,
            }
        }
        labels.unpaired = records.total().map_or(0, |total| total - named.len() as u64);
        labels.judged = verdict.map(|_| verdicts.keys().copied().collect());
        labels.truth = verdicts.iter().filter(|(_, (_, is_match))| *is_match).map(|(pair, _)| *pair).collect();
        Ok(labels)
    }

    fn persons(
        rows: &Rows,
        columns: MemberColumns,
        records: &mut dyn Records,
        wanted: &[String],
    ) -> anyhow::Result<Self> {
        let mut groups = Groups::of(rows, wanted)?;
        let members = members(rows, columns, records, &mut |row, record| groups.add_row(row, record))?;
        let Members { pairs, absent, nameless, known } = members;
        let unnamed = records.total().map_or(0, |total| total - known);
        Ok(Self { truth: pairs.into_iter().collect(), absent, nameless, unnamed, groups, ..Self::default() })
    }
}
