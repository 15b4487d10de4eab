//! Clusters of many members: single ones are split off, without holding what is said of every pair.

use super::{MOST_MEMBERS, ReviewPair};
use crate::cluster::Member;

/// Log-odds as whole numbers: a sum from which parts were taken away is then exactly the sum of the rest, in any order, and
/// infinite odds stay the largest of all.
const UNIT: f64 = (1_u64 << 32) as f64;

/// Splits off the member that most speaks against, as long as one does and the cluster is large. Returns who is left, how many
/// were split off, and for a cluster that stays large and holds together by little what somebody should look at.
///
/// Every pair is heard once when the members' rows are added up, and once more when one of the two is split off.
pub(super) fn split_off(
    mut members: Vec<Member>,
    evidence: &impl Fn(Member, Member) -> Option<f64>,
    margin: f64,
) -> (Vec<Member>, usize, Option<ReviewPair>) {
    let whole = |a: Member, b: Member| evidence(a, b).map_or(0, whole);
    let mut rows = vec![0_i128; members.len()];
    for a in 0..members.len() {
        for b in a + 1..members.len() {
            let odds = whole(members[a], members[b]);
            rows[a] += odds;
            rows[b] += odds;
        }
    }
    let mut alone = 0;
    while members.len() > MOST_MEMBERS {
        // Of equals the first, so that the order of evidence does not matter.
        let Some((least, row)) = rows.iter().copied().enumerate().min_by_key(|(_, row)| *row) else { break };
        if row >= 0 {
            let doubtful = (row as f64) < margin * UNIT;
            let review = if doubtful { doubt_of(least, &members, evidence) } else { None };
            return (members, alone, review);
        }
        let split = members.remove(least);
        rows.remove(least);
        alone += 1;
        for (at, (member, row)) in members.iter().zip(&mut rows).enumerate() {
            *row -= if at < least { whole(*member, split) } else { whole(split, *member) };
        }
    }
    (members, alone, None)
}

/// The pair that speaks most against a cluster, among those of its first member of which anything is said at all.
pub(super) fn first_doubt(members: &[Member], evidence: &impl Fn(Member, Member) -> Option<f64>) -> Option<ReviewPair> {
    (0..members.len()).find_map(|at| doubt_of(at, members, evidence))
}

/// The pair of one member that speaks most against it.
fn doubt_of(at: usize, members: &[Member], evidence: &impl Fn(Member, Member) -> Option<f64>) -> Option<ReviewPair> {
    let pairs = (0..members.len()).filter(|other| *other != at).map(|other| (at.min(other), at.max(other)));
    let doubts = pairs.filter_map(|(a, b)| {
        let (left, right) = (members[a], members[b]);
        Some(ReviewPair { left, right, log_odds: evidence(left, right)? })
    });
    doubts.min_by(|a, b| a.log_odds.total_cmp(&b.log_odds))
}

fn whole(log_odds: f64) -> i128 {
    i128::from((log_odds * UNIT).round() as i64)
}
