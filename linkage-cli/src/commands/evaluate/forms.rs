//! The forms in which truth and links are written: a pair or a record per row.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, bail};

use super::measure::MOST_PAIRS;
use super::rows::Rows;

/// More records than this are no person: their pairs grow with the square of their number.
pub(super) const MOST_RECORDS: usize = 1000;

/// Which table a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of<'a> {
    /// The table of this name.
    Table(&'a str),
    /// The left table, 0, or the right one, 1.
    Side(usize),
    /// The file does not say.
    Unsaid,
}

/// Finds the row of a record by its table and its id. Rows count through all tables.
pub(super) trait Records {
    /// The row of a record, when it is there.
    fn row(&mut self, of: Of<'_>, id: &str) -> Option<u32>;

    /// How many records there are, where that is known beforehand.
    fn total(&self) -> Option<u64> {
        None
    }

    /// Whether there is one table only, so that pairs are within it.
    fn one_table(&self) -> bool {
        false
    }
}

/// Where the columns of a form are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// A pair of records per row: `left_id, right_id`, or Splink's `unique_id_l, unique_id_r`, with `source_dataset_l,
    /// source_dataset_r` where they are, and a score.
    Pairs { ids: [usize; 2], tables: Option<[usize; 2]>, score: Option<usize> },
    /// A record per row, and what it belongs to: `database, record_id, person`, as `linkage generate` writes it, Splink's
    /// `source_dataset, unique_id, cluster_id`, or `record_id, linkage_key`.
    Members(MemberColumns),
}

/// Where the columns of records and of what they belong to are.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemberColumns {
    table: Option<usize>,
    id: usize,
    of: usize,
}

impl Form {
    /// The form of a file whose scores are in a column of this name.
    pub(super) fn find(rows: &Rows, score: &str) -> Option<Self> {
        let pair = |ids: [&str; 2]| Some([rows.column(&[ids[0]])?, rows.column(&[ids[1]])?]);
        if let Some(ids) = pair(["left_id", "right_id"]).or_else(|| pair(["unique_id_l", "unique_id_r"])) {
            let tables = pair(["source_dataset_l", "source_dataset_r"]);
            return Some(Self::Pairs { ids, tables, score: rows.column(&[score]) });
        }
        Some(Self::Members(MemberColumns {
            table: rows.column(&["database", "source_dataset"]),
            id: rows.column(&["record_id", "unique_id"])?,
            of: rows.column(&["person", "cluster_id", "linkage_key"])?,
        }))
    }

    /// The names of the tables; `None` when the file does not name them.
    pub(super) fn tables(self, rows: &Rows) -> Option<BTreeSet<&str>> {
        let columns = match self {
            Self::Pairs { tables, .. } => tables?.to_vec(),
            Self::Members(columns) => vec![columns.table?],
        };
        Some(rows.iter().flat_map(|record| columns.iter().map(move |&column| record[column].as_str())).collect())
    }

    /// Whether a row without names of tables says which record is the left one, and which the right one. Splink leaves the
    /// names out when there is one table.
    pub(super) fn has_sides(self, rows: &Rows) -> bool {
        matches!(self, Self::Pairs { ids, .. } if rows.header()[ids[0]] == "left_id")
    }
}

/// The two records of a pair, as table and id; the header is row 1.
pub(super) fn sides<'a>(
    rows: &Rows,
    (row, record): (usize, &'a [String]),
    ids: [usize; 2],
    tables: Option<[usize; 2]>,
) -> anyhow::Result<[(Of<'a>, &'a str); 2]> {
    let side = |side: usize| -> anyhow::Result<(Of<'a>, &'a str)> {
        let of = tables.map_or(Of::Side(side), |columns| Of::Table(record[columns[side]].as_str()));
        Ok((of, id(rows, row, record, ids[side])?))
    };
    Ok([side(0)?, side(1)?])
}

/// An id, which must not be empty.
fn id<'a>(rows: &Rows, row: usize, record: &'a [String], column: usize) -> anyhow::Result<&'a str> {
    if record[column].is_empty() {
        let name = &rows.header()[column];
        bail!(
            "row {row}, column `{name}`: the id is empty\nhint: every row is about records that have one; leave out the others"
        );
    }
    Ok(&record[column])
}

/// What the records of a file make of persons or clusters.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Every pair of records of different tables, or of one where there is only one, that belong to one.
    pub(super) pairs: Vec<(u32, u32)>,
    /// Records that are not there.
    pub(super) absent: u64,
    /// Records that belong to nothing.
    pub(super) nameless: u64,
    /// Records that are there.
    pub(super) known: u64,
}

/// Reads records and what they belong to; `each` sees every record that is there, once.
pub(super) fn members(
    rows: &Rows,
    columns: MemberColumns,
    records: &mut dyn Records,
    each: &mut dyn FnMut(u32, &[String]) -> anyhow::Result<()>,
) -> anyhow::Result<Members> {
    let mut members = Members::default();
    let mut groups: BTreeMap<&str, Vec<(Of<'_>, u32)>> = BTreeMap::new();
    let mut seen: HashMap<u32, (usize, &str)> = HashMap::new();
    for (number, record) in (2..).zip(rows.iter()) {
        let of = columns.table.map_or(Of::Unsaid, |column| Of::Table(record[column].as_str()));
        let Some(row) = records.row(of, id(rows, number, record, columns.id)?) else {
            members.absent += 1;
            continue;
        };
        let group = record[columns.of].as_str();
        match seen.insert(row, (number, group)) {
            Some((earlier, other)) if other != group => bail!(
                "rows {earlier} and {number}, column `{}`: one record, and not one value\n\
                 hint: a record belongs to one person or cluster; where tables have the same ids, name the table of each \
                 (database or source_dataset)",
                rows.header()[columns.of]
            ),
            Some(_) => continue,
            None => each(row, record)?,
        }
        match group {
            "" => members.nameless += 1,
            group => groups.entry(group).or_default().push((of, row)),
        }
    }
    members.known = seen.len() as u64;
    let one_table = records.one_table();
    for group in groups.values() {
        if group.len() > MOST_RECORDS {
            bail!(
                "column `{0}`: more than {MOST_RECORDS} records have one value\n\
                 hint: is `{0}` the person or cluster of each record? leave it empty where nobody knows",
                rows.header()[columns.of]
            );
        }
        for (index, (table, row)) in group.iter().enumerate() {
            let others =
                group[index + 1..].iter().filter(|(other, at)| if one_table { at != row } else { other != table });
            members.pairs.extend(others.map(|(_, other)| (*row.min(other), *row.max(other))));
        }
        if members.pairs.len() > MOST_PAIRS {
            bail!(
                "more than {MOST_PAIRS} pairs of one person or cluster\nhint: judge fewer tables at once, or a sample"
            );
        }
    }
    Ok(members)
}

/// A score; the header is row 1.
pub(super) fn score(record: &[String], column: usize, row: usize, name: &str) -> anyhow::Result<f64> {
    let score: Option<f64> = record[column].parse().ok().filter(|score: &f64| score.is_finite());
    score.with_context(|| {
        format!("row {row}, column `{name}`: not a number\nhint: write 1 for a match, 0 for none, or a chance between")
    })
}

/// Refuses ids that stand on both sides of pairs, where nobody says that the sides are two tables.
pub(super) fn refuse_two_sided(rows: &Rows, ids: [usize; 2]) -> anyhow::Result<()> {
    let left: BTreeSet<&str> = rows.iter().map(|record| record[ids[0]].as_str()).collect();
    if rows.iter().any(|record| left.contains(record[ids[1]].as_str())) {
        bail!(
            "an id stands on both sides, and nothing says of which table it is\n\
             hint: add columns source_dataset_l and source_dataset_r, and source_dataset to clusters"
        );
    }
    Ok(())
}
