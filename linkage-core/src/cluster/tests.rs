use proptest::prelude::*;

use super::*;

fn member(database: u16, record: u32) -> Member {
    Member { database, record }
}

fn pair(left: (u16, u32), right: (u16, u32), score: f64, exact: bool) -> ScoredPair {
    ScoredPair { left: member(left.0, left.1), right: member(right.0, right.1), score, exact }
}

/// The rule read word by word: a list of clusters, searched from end to end for every pair.
fn naive(pairs: &[ScoredPair], deduplicated: &[bool]) -> Vec<Cluster> {
    let mut ordered: Vec<(bool, f64, Member, Member)> = pairs
        .iter()
        .filter(|p| p.left != p.right)
        .map(|p| (p.exact, p.score, p.left.min(p.right), p.left.max(p.right)))
        .collect();
    ordered.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.partial_cmp(&a.1).unwrap()).then(a.2.cmp(&b.2)).then(a.3.cmp(&b.3)));
    let mut clusters: Vec<Vec<Member>> = Vec::new();
    for &(_, _, a, b) in &ordered {
        for m in [a, b] {
            if !clusters.iter().any(|c| c.contains(&m)) {
                clusters.push(vec![m]);
            }
        }
        let i = clusters.iter().position(|c| c.contains(&a)).unwrap();
        let j = clusters.iter().position(|c| c.contains(&b)).unwrap();
        if i != j && !clash(&clusters[i], &clusters[j], deduplicated) {
            let other = clusters[j].clone();
            clusters[i].extend(other);
            clusters.remove(j);
        }
    }
    let mut kept: Vec<Cluster> = clusters
        .into_iter()
        .filter(|c| c.iter().any(|m| m.database != c[0].database))
        .map(|mut members| {
            members.sort();
            Cluster { members }
        })
        .collect();
    kept.sort();
    kept
}

/// The surest pairs one by one, until they alone put two records of one database where a passed over pair would join them.
fn naive_rivals(pairs: &[ScoredPair], deduplicated: &[bool], margin: f64) -> Vec<Rivals> {
    let turned = |p: &ScoredPair| ScoredPair { left: p.left.min(p.right), right: p.left.max(p.right), ..*p };
    let mut ordered: Vec<ScoredPair> = pairs.iter().filter(|p| p.left != p.right).map(turned).collect();
    ordered.sort_by(greedy::surest_first);
    let part = |pairs: &[ScoredPair], m: Member| -> Vec<Member> {
        let mut parts: Vec<Vec<Member>> = Vec::new();
        for pair in pairs {
            let of = |parts: &mut Vec<Vec<Member>>, m: Member| {
                parts.iter().position(|part| part.contains(&m)).unwrap_or_else(|| {
                    parts.push(vec![m]);
                    parts.len() - 1
                })
            };
            let (a, b) = (of(&mut parts, pair.left), of(&mut parts, pair.right));
            if a != b && !clash(&parts[a], &parts[b], deduplicated) {
                let other = std::mem::take(&mut parts[b]);
                parts[a].extend(other);
            }
        }
        parts.into_iter().find(|part| part.contains(&m)).unwrap_or_else(|| vec![m])
    };
    let mut rivals = Vec::new();
    for (at, pair) in ordered.iter().enumerate() {
        let bars = |known: &[ScoredPair]| {
            let (a, b) = (part(known, pair.left), part(known, pair.right));
            a != b && clash(&a, &b, deduplicated)
        };
        if !bars(&ordered[..at]) || pair.left.database == pair.right.database {
            continue;
        }
        let kept = ordered[(0..at).find(|&last| bars(&ordered[..=last])).unwrap()];
        if kept.score - pair.score < margin && (pair.exact || !kept.exact) {
            rivals.push(Rivals { barred: *pair, kept });
        }
    }
    rivals
}

fn clash(a: &[Member], b: &[Member], deduplicated: &[bool]) -> bool {
    a.iter().any(|x| b.iter().any(|y| x.database == y.database && deduplicated[usize::from(x.database)]))
}

fn any_pair() -> impl Strategy<Value = ScoredPair> {
    ((0u16..4, 0u32..6), (0u16..4, 0u32..6), 0u8..6, any::<bool>())
        .prop_map(|(left, right, score, exact)| pair(left, right, f64::from(score) / 5.0, exact))
}

proptest! {
    #[test]
    fn clusters_equal_the_naive_reference(
        pairs in prop::collection::vec(any_pair(), 0..40),
        deduplicated in prop::collection::vec(any::<bool>(), 4),
    ) {
        prop_assert_eq!(cluster(pairs.clone(), &deduplicated), naive(&pairs, &deduplicated));
    }

    #[test]
    fn clusters_do_not_depend_on_order_sides_or_repetition(
        pairs in prop::collection::vec(any_pair(), 0..40),
        deduplicated in prop::collection::vec(any::<bool>(), 4),
    ) {
        let mut other: Vec<ScoredPair> = pairs.iter().rev().map(|p| ScoredPair { left: p.right, right: p.left, ..*p }).collect();
        other.extend_from_slice(&pairs);
        prop_assert_eq!(cluster(pairs, &deduplicated), cluster(other, &deduplicated));
    }

    #[test]
    fn rivals_are_the_last_pair_of_those_that_bar_a_pair(
        pairs in prop::collection::vec(any_pair(), 0..25),
        deduplicated in prop::collection::vec(any::<bool>(), 4),
        margin in 0u8..4,
    ) {
        let margin = f64::from(margin) / 5.0 + 1e-9;
        let (clusters, rivals) = cluster_with_rivals(pairs.clone(), &deduplicated, margin);
        prop_assert_eq!(clusters, cluster(pairs.clone(), &deduplicated));
        prop_assert_eq!(rivals, naive_rivals(&pairs, &deduplicated, margin));
    }

    #[test]
    fn a_deduplicated_database_gives_a_cluster_at_most_one_record(pairs in prop::collection::vec(any_pair(), 0..60)) {
        for cluster in cluster(pairs, &[true; 4]) {
            prop_assert!(cluster.members.windows(2).all(|w| w[0].database < w[1].database));
            prop_assert!(cluster.members.len() >= 2);
        }
    }
}

#[test]
fn twins_are_not_chained_through_a_third_database() {
    // 0/0 and 0/1 are twins; 1/0 resembles both. Transitive closure would merge all three.
    let pairs =
        vec![pair((0, 0), (1, 0), 0.97, false), pair((0, 1), (1, 0), 0.93, false), pair((0, 1), (1, 1), 0.9, false)];
    let expected = [vec![member(0, 0), member(1, 0)], vec![member(0, 1), member(1, 1)]];
    assert_eq!(cluster(pairs, &[true, true]), expected.map(|members| Cluster { members }));
}

#[test]
fn an_exact_pair_outranks_a_higher_score() {
    let pairs = vec![pair((0, 0), (1, 0), 0.99, false), pair((0, 0), (1, 1), 0.4, true)];
    assert_eq!(cluster(pairs, &[true, true]), [Cluster { members: vec![member(0, 0), member(1, 1)] }]);
}

#[test]
fn two_records_of_a_database_that_is_not_deduplicated_may_share_a_cluster() {
    let pairs = vec![pair((0, 0), (1, 0), 0.9, false), pair((0, 1), (1, 0), 0.9, false)];
    assert_eq!(cluster(pairs, &[false, true]), [Cluster { members: vec![member(0, 0), member(0, 1), member(1, 0)] }]);
}

#[test]
fn a_cluster_within_one_database_is_left_out() {
    assert_eq!(cluster(vec![pair((0, 0), (0, 1), 1.0, true)], &[false]), []);
}

#[test]
fn a_database_without_a_statement_counts_as_deduplicated() {
    let pairs = vec![pair((0, 0), (1, 0), 0.9, false), pair((0, 0), (1, 1), 0.8, false)];
    assert_eq!(cluster(pairs, &[]), [Cluster { members: vec![member(0, 0), member(1, 0)] }]);
}

#[test]
fn no_pairs_and_self_pairs_make_no_clusters() {
    assert_eq!(cluster(vec![], &[true]), []);
    assert_eq!(
        cluster(vec![pair((0, 0), (0, 0), 1.0, true), pair((0, 0), (1, 0), f64::NAN, false)], &[true, true]),
        []
    );
}

#[test]
fn a_million_pairs_are_clustered() {
    // Three databases of 500,000 people; every third person has a false pair to a neighbour below the true ones.
    let pairs: Vec<ScoredPair> = (0u32..500_000)
        .flat_map(|i| {
            [
                pair((0, i), (1, i), 0.9 + f64::from(i % 97) / 1000.0, i % 2 == 0),
                if i % 3 == 0 {
                    pair((1, i), (2, (i + 1) % 500_000), 0.8, false)
                } else {
                    pair((1, i), (2, i), 0.85, false)
                },
            ]
        })
        .collect();
    assert!(cluster(pairs, &[true; 3]).len() >= 500_000);
}

fn clusters_of(groups: &[&[(u16, u32)]]) -> Vec<Cluster> {
    groups.iter().map(|group| Cluster { members: group.iter().map(|&(d, r)| member(d, r)).collect() }).collect()
}

#[test]
fn a_cluster_whose_parts_speak_against_each_other_is_split() {
    // 0/0 and 1/0 are one person, 2/0 and 3/0 another; 1/0–2/0 joined them, everything else denies it.
    let evidence = |a: Member, b: Member| {
        Some(match (a.database, b.database) {
            (0, 1) | (2, 3) => 9.0,
            (1, 2) => 1.0,
            _ => -6.0,
        })
    };
    let joined = clusters_of(&[&[(0, 0), (1, 0), (2, 0), (3, 0)]]);
    let repaired = repair(&joined, evidence, 2.0);
    assert_eq!(repaired.clusters, clusters_of(&[&[(0, 0), (1, 0)], &[(2, 0), (3, 0)]]));
    assert_eq!((repaired.split, repaired.review.len()), (1, 0));
}

#[test]
fn a_doubtful_cluster_stays_and_goes_to_review() {
    let joined = clusters_of(&[&[(0, 0), (1, 0), (2, 0)]]);
    let evidence = |a: Member, b: Member| Some(if (a.database, b.database) == (0, 1) { 9.0 } else { 0.5 });
    let repaired = repair(&joined, evidence, 2.0);
    assert_eq!(repaired.clusters, joined);
    assert_eq!(repaired.review.len(), 1);
    assert_eq!(repaired.review[0].log_odds, 0.5);
    assert!(repair(&joined, evidence, 0.9).review.is_empty());
}

#[test]
fn a_record_that_is_split_off_is_in_no_cluster() {
    let joined = clusters_of(&[&[(0, 0), (1, 0), (2, 0)]]);
    let evidence = |_: Member, b: Member| Some(if b.database == 2 { -4.0 } else { 9.0 });
    assert_eq!(repair(&joined, evidence, 1.0).clusters, clusters_of(&[&[(0, 0), (1, 0)]]));
}

#[test]
fn a_large_cluster_loses_single_members() {
    let members: Vec<(u16, u32)> = (0..12).map(|database| (database, 0)).collect();
    let joined = clusters_of(&[&members]);
    let evidence = |_: Member, b: Member| Some(if b.database == 11 { -1.0 } else { 1.0 });
    assert_eq!(repair(&joined, evidence, 0.0).clusters, clusters_of(&[&members[..11]]));
}

#[test]
fn transitive_closure_chains_what_greedy_merging_keeps_apart() {
    let pairs =
        vec![pair((0, 0), (1, 0), 0.97, false), pair((0, 1), (1, 0), 0.93, false), pair((0, 1), (1, 1), 0.9, false)];
    assert_eq!(connected_components(&pairs), clusters_of(&[&[(0, 0), (0, 1), (1, 0), (1, 1)]]));
    assert_eq!(mutual_best(&pairs), pairs[..1]);
}

#[test]
fn optimal_assignment_gives_up_the_best_pair_for_two_good_ones() {
    let pairs =
        vec![pair((0, 0), (1, 0), 0.9, false), pair((0, 0), (1, 1), 0.8, false), pair((0, 1), (1, 0), 0.7, false)];
    assert_eq!(assign_optimally(&pairs, 10), pairs[1..]);
    // Too large a component falls back to pairs that are each other's best.
    assert_eq!(assign_optimally(&pairs, 1), pairs[..1]);
}

/// The best sum of scores over all one-to-one choices, by trying them all.
fn best_sum(pairs: &[ScoredPair], used: &mut Vec<Member>) -> f64 {
    let Some((first, rest)) = pairs.split_first() else { return 0.0 };
    let without = best_sum(rest, used);
    if used.contains(&first.left) || used.contains(&first.right) {
        return without;
    }
    used.extend([first.left, first.right]);
    let with = first.score + best_sum(rest, used);
    used.truncate(used.len() - 2);
    with.max(without)
}

proptest! {
    #[test]
    fn optimal_assignment_is_optimal(raw in prop::collection::btree_map((0u32..5, 0u32..5), 1u8..100, 0..12)) {
        let pairs: Vec<ScoredPair> =
            raw.iter().map(|(&(l, r), &score)| pair((0, l), (1, r), f64::from(score) / 100.0, false)).collect();
        let kept = assign_optimally(&pairs, 5);
        let sum: f64 = kept.iter().map(|pair| pair.score).sum();
        prop_assert!((sum - best_sum(&pairs, &mut Vec::new())).abs() < 1e-9);
        for (i, a) in kept.iter().enumerate() {
            prop_assert!(kept[i + 1..].iter().all(|b| a.left != b.left && a.right != b.right));
        }
    }

    #[test]
    fn repair_only_ever_splits(pairs in prop::collection::vec(any_pair(), 0..40)) {
        let before = cluster(pairs, &[true; 4]);
        let evidence = |a: Member, b: Member| Some(f64::from((a.record * 7 + b.record * 13) % 5) - 2.0);
        let after = repair(&before, evidence, 1.0).clusters;
        for cluster in &after {
            prop_assert!(before.iter().any(|old| cluster.members.iter().all(|m| old.members.contains(m))));
        }
    }
}
