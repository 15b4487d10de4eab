use super::review::{Doubts, MOST_REVIEWED};
use super::tests::{World, world};
use super::*;
use crate::cluster::Member;

fn learnt(world: &World) -> Model {
    learn(&world.run(), &world.frequencies, &Options::default())
}

/// A candidate next to certain, and a right record that nobody's candidate is.
fn sure_and_free(world: &World, model: &Model) -> (Candidate, u32) {
    let judged = model.judge(&world.run(), 0);
    let sure = world.candidates.iter().zip(&judged).find(|(_, judged)| judged.probability > 0.999).unwrap().0;
    let free = world.candidates.iter().map(|c| c.right).filter(|&right| right != sure.right).max().unwrap();
    (*sure, free)
}

#[test]
fn every_candidate_of_the_review_zone_is_in_the_list_once_linked_or_not() {
    let world = world(600, 31);
    let (run, model) = (world.run(), learnt(&world));
    let decision = decide(&run, &model);
    let listed: Vec<[Member; 2]> = decision.review.pairs.iter().map(|doubt| [doubt.left, doubt.right]).collect();
    assert!(listed.is_sorted() && listed.windows(2).all(|pair| pair[0] != pair[1]));
    let judged = model.judge(&run, 0);
    let zone = world.candidates.iter().zip(&judged).filter(|(_, j)| model.zone(j.probability.into()) == Zone::Review);
    let zone: Vec<[Member; 2]> = zone.map(|(candidate, _)| run.links[0].members(candidate)).collect();
    assert!(!zone.is_empty() && zone.iter().all(|pair| listed.contains(pair)));
    // The flag says what the clusters say, and there are doubts of both kinds.
    let together = |doubt: &Doubt| {
        decision.clusters.iter().any(|c| [doubt.left, doubt.right].iter().all(|member| c.members.contains(member)))
    };
    assert!(decision.review.pairs.iter().all(|doubt| doubt.linked == together(doubt)));
    assert!(decision.review.pairs.iter().any(|doubt| doubt.linked));
    assert!(decision.review.pairs.iter().any(|doubt| !doubt.linked));
}

#[test]
fn of_two_records_that_are_alike_none_is_linked_without_review() {
    let world = world(300, 32);
    let model = learnt(&world);
    let (sure, twin) = sure_and_free(&world, &model);
    let mut candidates = world.candidates.clone();
    candidates.retain(|candidate| candidate.right != twin);
    candidates.push(Candidate { right: twin, ..sure });
    let run = Tables { links: vec![Link { left: 0, right: 1, candidates: &candidates }], ..world.run() };
    let review = decide(&run, &model).review.pairs;
    for right in [sure.right, twin] {
        let right = Member { database: 1, record: right };
        let doubt = review.iter().find(|d| (d.left.record, d.right) == (sure.left, right)).unwrap();
        assert_eq!(doubt.reason, Reason::Rival);
    }
}

#[test]
fn pairs_that_exclude_each_other_through_a_third_database_go_to_review() {
    // a and c are one person; a resembles b, and c as much b2. Every pair is sure by itself.
    let world = world(300, 33);
    let (sure, free) = sure_and_free(&world, &learnt(&world));
    let rest: Vec<Candidate> = world
        .candidates
        .iter()
        .filter(|c| c.right != free && c.left != sure.left && c.right != sure.right)
        .copied()
        .collect();
    let mut tables: Vec<SegmentTable> = (0..3).map(|_| SegmentTable::new(24, 3).unwrap()).collect();
    for (table, of) in [(0, &world.tables[0]), (1, &world.tables[0]), (2, &world.tables[1])] {
        for row in 0..of.rows() {
            let bits: Vec<u64> = (0..3).map(|segment| of.segment(row, segment)[0]).collect();
            tables[table].push(&bits, 0b111);
        }
    }
    let frequencies = count_frequencies(&mut tables, &[true; 3]);
    let found = |left: usize, right: usize, all: &mut dyn Iterator<Item = (u32, u32)>| -> Vec<Candidate> {
        let (a, b) = (&tables[left], &tables[right]);
        all.map(|(l, r)| {
            let (score, pattern) = (a.score(l, b, r) as f32, a.pattern(l, b, r));
            Candidate { left: l, right: r, score, exact: false, pattern }
        })
        .collect()
    };
    let rows = tables[0].rows() as u32;
    let rest = || rest.iter().map(|c| (c.left, c.right));
    let same = found(0, 1, &mut (0..rows).map(|row| (row, row)));
    let with_a = found(0, 2, &mut rest().chain([(sure.left, sure.right)]));
    let mut with_c = found(1, 2, &mut rest().chain([(sure.left, sure.right)]));
    with_c.last_mut().unwrap().right = free;
    let link = |left, right, candidates| Link { left, right, candidates };
    let links = vec![link(0, 1, &same[..]), link(0, 2, &with_a), link(1, 2, &with_c)];
    let run = Tables { tables: &tables, deduplicated: &[true; 3], links };
    let model = learn(&run, &frequencies, &Options::default());
    let judged = [model.judge(&run, 1), model.judge(&run, 2)].map(|judged| judged.last().unwrap().probability);
    assert!(judged.iter().all(|chance| model.zone(f64::from(*chance)) == Zone::Link), "{judged:?}");
    let review = decide(&run, &model).review.pairs;
    let of = |database: u16, right: u32| {
        let ends = [Member { database, record: sure.left }, Member { database: 2, record: right }];
        review.iter().find(|doubt| [doubt.left, doubt.right] == ends).unwrap()
    };
    let both = [of(0, sure.right), of(1, free)];
    assert!(both.iter().all(|doubt| doubt.reason == Reason::Rival), "{both:?}");
    assert_eq!(both.iter().filter(|doubt| doubt.linked).count(), 1);
}

#[test]
fn a_list_that_is_too_long_keeps_what_is_most_in_doubt_and_counts_the_rest() {
    let all = 5 * MOST_REVIEWED as u32 / 2;
    let mut doubts = Doubts::new(&[], &[]);
    for number in 0..all {
        // Chances are spread over all of them, and one in ten has a rival.
        let record = (u64::from(number) * 7919 % u64::from(all)) as u32;
        let reason = if record.is_multiple_of(10) { Reason::Rival } else { Reason::Chance };
        let [left, right] = [0, 1].map(|database| Member { database, record: number });
        doubts.push(
            Doubt { left, right, log_odds: f64::from(record), reason, linked: false },
            f64::from(record) / f64::from(all),
        );
    }
    let review = doubts.finish(|a, _| a.record.is_multiple_of(2));
    assert_eq!((review.pairs.len(), review.total()), (MOST_REVIEWED, u64::from(all)));
    let rivals = review.pairs.iter().filter(|doubt| doubt.reason == Reason::Rival).count();
    assert_eq!(rivals as u32, all / 10);
    let far = |doubt: &Doubt| (doubt.log_odds / f64::from(all) - 0.5).abs();
    let farthest = review.pairs.iter().filter(|doubt| doubt.reason == Reason::Chance).map(far).fold(0.0, f64::max);
    // Of nine tenths, three quarters of MOST_REVIEWED fit: a third of all that have no rival.
    assert!((farthest - 0.5 / 3.0).abs() < 0.01, "{farthest}");
    assert!(review.pairs.iter().all(|doubt| doubt.linked == (doubt.left.record.is_multiple_of(2))));
}
