//! Repair of clusters of many members.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;

fn cluster_of(records: impl IntoIterator<Item = (u16, u32)>) -> Cluster {
    let mut members: Vec<Member> = records.into_iter().map(|(database, record)| Member { database, record }).collect();
    members.sort_unstable();
    Cluster { members }
}

/// Evidence that is the same for a pair whenever it is asked for: whole and half numbers, so that every sum is exact.
fn drawn(seed: u32, a: Member, b: Member) -> Option<f64> {
    assert!(a < b, "evidence is asked for in the order of members");
    let mix = |value: u32| (value ^ value >> 15).wrapping_mul(0x85EB_CA6B);
    let draw = mix(mix(mix(seed) ^ a.record << 8 ^ u32::from(a.database)) ^ b.record << 8 ^ u32::from(b.database)) >> 8;
    // Some records are strangers to all others.
    let stranger = [a, b].iter().any(|member| mix(seed ^ member.record.wrapping_mul(77)) >> 8 & 7 == 0);
    let log_odds = f64::from(draw % 24) / 2.0 - if stranger { 9.0 } else { 5.0 };
    (draw % 7 != 0).then_some(log_odds)
}

/// The rule read word by word: of a large cluster, every member's pairs are added up again for every split.
fn naive(members: &[Member], seed: u32, review: &mut usize, margin: f64) -> Vec<Cluster> {
    if members.len() <= MOST_MEMBERS {
        let small = repair(&[Cluster { members: members.to_vec() }], |a, b| drawn(seed, a, b), margin);
        *review += small.review.len();
        return small.clusters;
    }
    let row = |member: &Member| -> f64 {
        let others = members.iter().filter(|other| *other != member);
        others.filter_map(|other| drawn(seed, *member.min(other), *member.max(other))).sum()
    };
    let (least, weakest) = members.iter().map(row).enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    if weakest >= 0.0 {
        *review += usize::from(weakest < margin);
        return vec![Cluster { members: members.to_vec() }];
    }
    let mut rest = members.to_vec();
    rest.remove(least);
    naive(&rest, seed, review, margin)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn large_clusters_lose_the_members_that_speak_against_most_one_by_one(
        records in prop::collection::btree_set((0_u16..3, 0_u32..40), 9..40),
        seed in any::<u32>(),
    ) {
        // Of two databases at least: one that is of a single one is no cluster.
        let cluster = cluster_of(records.into_iter().chain([(0, 100), (1, 101)]));
        let repaired = repair(std::slice::from_ref(&cluster), |a, b| drawn(seed, a, b), 4.0);
        let mut review = 0;
        let expected: Vec<Cluster> = naive(&cluster.members, seed, &mut review, 4.0)
            .into_iter()
            .filter(|cluster| cluster.members.iter().any(|member| member.database != cluster.members[0].database))
            .collect();
        prop_assert_eq!(repaired.review.len(), review);
        prop_assert_eq!(repaired.split, u64::from(expected != [cluster]));
        prop_assert_eq!(repaired.clusters, expected);
    }
}

#[test]
fn every_pair_of_a_large_cluster_is_heard_about_once() {
    // Forty of three hundred are strangers.
    let cluster = cluster_of((0..300).map(|at| ((at % 2) as u16, at)));
    let heard = Cell::new(0_u64);
    let evidence = |a: Member, b: Member| {
        heard.set(heard.get() + 1);
        Some(if a.record.max(b.record) >= 260 { -2.0 } else { 3.0 })
    };
    let repaired = repair(&[cluster], evidence, 1.0);
    assert_eq!((repaired.clusters[0].members.len(), repaired.split, repaired.review.len()), (260, 1, 0));
    assert!(heard.get() <= 300 * 299 / 2 + 40 * 300, "{} pairs heard", heard.get());
}

#[test]
fn a_cluster_too_large_to_be_repaired_stays_is_counted_and_goes_to_review() {
    let size = MOST_REPAIRED as u32 + 1;
    let cluster = cluster_of((0..size).map(|at| ((at % 2) as u16, at)));
    let heard = Cell::new(0_u64);
    let evidence = |a: Member, b: Member| {
        heard.set(heard.get() + 1);
        (a.database != b.database).then(|| -1.0 - f64::from(b.record) / 1e4)
    };
    let other = cluster_of([(0, 9000), (1, 9001)]);
    let repaired =
        repair(&[cluster.clone(), other.clone()], |a, b| if a.record < 9000 { evidence(a, b) } else { Some(9.0) }, 1.0);
    assert_eq!(repaired.clusters, [cluster.clone(), other]);
    assert_eq!((repaired.too_large, repaired.split), (1, 0));
    let [pair] = repaired.review[..] else { panic!("{:?}", repaired.review) };
    assert_eq!((pair.left, pair.right.record), (cluster.members[0], size - 1 - size % 2));
    assert!(heard.get() < u64::from(4 * size), "{} pairs heard", heard.get());
}
