//! Certificates: how many of the pairs above the threshold a run found, where it did not compare all pairs.

use linkage_core::types::DatabaseId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::{Store, count, stored};
use crate::error::StoreError;

/// How many of the pairs of two databases were found, measured on a random exact sample in the same run.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// The left database.
    pub left: DatabaseId,
    /// The right database.
    pub right: DatabaseId,
    /// The recall asked for; `None` with blocking keys, which promise nothing.
    pub demand: Option<f64>,
    /// Left records drawn, each compared with every right one.
    pub sample_rows: u64,
    /// Their pairs at or above the threshold.
    pub sample_pairs: u64,
    /// Of these, the pairs that the run found.
    pub found_pairs: u64,
    /// The share of pairs found.
    pub recall: f64,
    /// Where it lies over all pairs, at 95 %: at least here,
    pub lower: f64,
    /// and at most here.
    pub upper: f64,
    /// Pairs compared.
    pub candidates: u64,
    /// What was done.
    pub means: Means,
}

/// How candidates were drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Means {
    /// By bands of bits.
    Bands {
        /// Bits per band.
        bits: u32,
        /// Bands that the solver asked for.
        solved: u32,
        /// Bands that were searched.
        searched: u32,
        /// Blocks that were compared only in part.
        capped_blocks: u64,
        /// Pairs of such blocks that were not compared.
        uncompared: u64,
        /// About how many matches that lost.
        lost: f64,
    },
    /// By blocking keys.
    Keyed {
        /// The share of all pairs that was not compared.
        reduction_ratio: f64,
    },
}

impl Means {
    /// The name, as in `matching.candidates`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bands { .. } => "bands",
            Self::Keyed { .. } => "keyed",
        }
    }
}

impl Certificate {
    /// Whether the recall asked for is shown; `None` when none was asked for.
    pub fn certified(&self) -> Option<bool> {
        self.demand.map(|demand| self.lower >= demand)
    }
}

impl Store {
    /// The certificates of a run.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub(super) async fn certificates(&self, run: &str) -> Result<Vec<Certificate>, StoreError> {
        let rows = sqlx::query("SELECT * FROM run_certificate WHERE run_id = ? ORDER BY left_database, right_database")
            .bind(run)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }
}

/// Stores a run's certificates; those that are stored already are the same ones.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    run: &str,
    certificates: &[Certificate],
) -> Result<(), StoreError> {
    for certificate in certificates {
        let (bands, reduction_ratio) = match certificate.means {
            Means::Bands { bits, solved, searched, capped_blocks, uncompared, lost } => {
                (Some((bits, solved, searched, stored(capped_blocks), stored(uncompared), lost)), None)
            }
            Means::Keyed { reduction_ratio } => (None, Some(reduction_ratio)),
        };
        sqlx::query(
            "INSERT INTO run_certificate VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(run)
        .bind(certificate.left.as_str())
        .bind(certificate.right.as_str())
        .bind(certificate.means.as_str())
        .bind(certificate.demand)
        .bind(stored(certificate.sample_rows))
        .bind(stored(certificate.sample_pairs))
        .bind(stored(certificate.found_pairs))
        .bind(certificate.recall)
        .bind(certificate.lower)
        .bind(certificate.upper)
        .bind(stored(certificate.candidates))
        .bind(bands.map(|bands| bands.0))
        .bind(bands.map(|bands| bands.1))
        .bind(bands.map(|bands| bands.2))
        .bind(bands.map(|bands| bands.3))
        .bind(bands.map(|bands| bands.4))
        .bind(bands.map(|bands| bands.5))
        .bind(reduction_ratio)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Certificate, StoreError> {
    let database = |column: &str| -> Result<DatabaseId, StoreError> {
        row.try_get::<String, _>(column)?.parse().map_err(|_| StoreError::Damaged("database id"))
    };
    let counted = |column: &str| Ok::<_, StoreError>(count(row.try_get(column)?));
    let means = match row.try_get::<String, _>("strategy")?.as_str() {
        "bands" => Means::Bands {
            bits: row.try_get("bits")?,
            solved: row.try_get("bands_solved")?,
            searched: row.try_get("bands_searched")?,
            capped_blocks: counted("capped_blocks")?,
            uncompared: counted("uncompared")?,
            lost: row.try_get("lost")?,
        },
        "keyed" => Means::Keyed { reduction_ratio: row.try_get("reduction_ratio")? },
        _ => return Err(StoreError::Damaged("strategy")),
    };
    Ok(Certificate {
        left: database("left_database")?,
        right: database("right_database")?,
        demand: row.try_get("demand")?,
        sample_rows: counted("sample_rows")?,
        sample_pairs: counted("sample_pairs")?,
        found_pairs: counted("found_pairs")?,
        recall: row.try_get("recall")?,
        lower: row.try_get("lower")?,
        upper: row.try_get("upper")?,
        candidates: counted("candidates")?,
        means,
    })
}
