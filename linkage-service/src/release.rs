//! What leaves the linkage unit: linkage keys to the project, crosswalks to custodians, and nothing else.
//!
//! Both functions take a [`Permitted`] request, so neither can be reached without a permit that is valid now. No score,
//! no cluster number, no record ref of another custodian and no unlinked record passes through here.

use std::collections::BTreeSet;

use linkage_core::linkage_key::{LinkageKey, ProjectSecret};
use linkage_core::types::{DatabaseId, RecordRef};
use zeroize::Zeroizing;

use crate::error::{ReleaseError, StoreError};
use crate::permit::{Permitted, RunRequest};
use crate::store::RunRecord;
use crate::unit::Unit;

/// A linkage key and where it occurs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleasedKey {
    /// The project's key of one person.
    pub key: LinkageKey,
    /// The databases that hold a record of that person.
    pub databases: BTreeSet<DatabaseId>,
}

/// The linkage keys of a run, in order of the keys, so that the order says nothing of the records.
///
/// # Errors
/// When the run is another project's, or the store cannot answer.
pub async fn keys(
    unit: &Unit,
    run: &RunRecord,
    permitted: &Permitted<RunRequest>,
) -> Result<Vec<ReleasedKey>, ReleaseError> {
    let clusters = clusters(unit, run, permitted).await?;
    let mut keys: Vec<ReleasedKey> = clusters
        .into_iter()
        .map(|(key, members)| ReleasedKey {
            key,
            databases: members.into_iter().map(|(database, _)| database).collect(),
        })
        .collect();
    keys.sort_unstable();
    Ok(keys)
}

/// The record refs of one database with the linkage key of each, in order of the refs.
///
/// # Errors
/// When the run is another project's, or the store cannot answer.
pub async fn crosswalk(
    unit: &Unit,
    run: &RunRecord,
    database: &DatabaseId,
    permitted: &Permitted<RunRequest>,
) -> Result<Vec<(RecordRef, LinkageKey)>, ReleaseError> {
    let clusters = clusters(unit, run, permitted).await?;
    let mut entries: Vec<(RecordRef, LinkageKey)> = clusters
        .into_iter()
        .flat_map(|(key, members)| members.into_iter().map(move |(of, record)| (of, record, key)))
        .filter(|(of, _, _)| of == database)
        .map(|(_, record, key)| (record, key))
        .collect();
    entries.sort_unstable_by_key(|(record, _)| *record.as_bytes());
    Ok(entries)
}

type Members = Vec<(DatabaseId, RecordRef)>;

async fn clusters(
    unit: &Unit,
    run: &RunRecord,
    permitted: &Permitted<RunRequest>,
) -> Result<Vec<(LinkageKey, Members)>, ReleaseError> {
    if run.project != permitted.request().project {
        return Err(ReleaseError::NoRun);
    }
    let secret = project_secret(unit, run).await?;
    let databases: Vec<DatabaseId> =
        unit.store().run_inputs(&run.id).await?.into_iter().map(|input| input.database).collect();
    let mut clusters: Vec<(u64, Members)> = Vec::new();
    for (number, position, record) in unit.store().members(&run.id).await? {
        let database = databases.get(usize::from(position)).ok_or(StoreError::Damaged("cluster"))?.clone();
        match clusters.last_mut() {
            Some((last, members)) if *last == number => members.push((database, record)),
            _ => clusters.push((number, vec![(database, record)])),
        }
    }
    clusters
        .into_iter()
        .map(|(_, members)| {
            let anchor = members.iter().min_by_key(|(database, record)| (database.clone(), *record.as_bytes()));
            let (database, record) = anchor.ok_or(StoreError::Damaged("cluster"))?;
            Ok((secret.linkage_key(database, record), members))
        })
        .collect()
}

/// The project's secret, drawn when the first key is released and kept ever after: a repeated run gives the same keys.
async fn project_secret(unit: &Unit, run: &RunRecord) -> Result<ProjectSecret, ReleaseError> {
    let mut fresh = Zeroizing::new([0u8; 32]);
    getrandom::fill(fresh.as_mut_slice()).map_err(|_| ReleaseError::Randomness)?;
    let stored = Zeroizing::new(unit.store().project_secret(&run.project, &fresh).await?);
    Ok(ProjectSecret::from_bytes(*stored))
}
