use super::tests::{World, world};
use super::*;

/// A world in which some records of the right database are there twice: ties that only a row number could decide.
fn world_with_ties() -> World {
    let mut world = world(400, 41);
    let rows = world.tables[1].rows() as u32;
    let twice = |right: u32| right.is_multiple_of(9).then_some((right + 1) % rows);
    world.candidates.retain(|candidate| !((candidate.right + rows - 1) % rows).is_multiple_of(9));
    let again: Vec<Candidate> =
        world.candidates.iter().filter_map(|c| Some(Candidate { right: twice(c.right)?, ..*c })).collect();
    world.candidates.extend(again);
    world
}

#[test]
fn decisions_depend_neither_on_threads_nor_on_the_order_of_candidates_even_where_pairs_tie() {
    let world = world_with_ties();
    let model = learn(&world.run(), &world.frequencies, &Options::default());
    let decided = |threads: usize, candidates: &[Candidate]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let run = Tables { links: vec![Link { left: 0, right: 1, candidates }], ..world.run() };
        pool.install(|| decide(&run, &model))
    };
    let one = decided(1, &world.candidates);
    let three = decided(3, &world.candidates);
    assert_eq!((&one.pairs, &one.clusters, &one.review), (&three.pairs, &three.clusters, &three.review));
    assert_eq!(one.estimates, three.estimates);

    let mut shuffled = world.candidates.clone();
    shuffled.sort_by_key(|c| u64::from(c.left << 16 | c.right).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let other = decided(2, &shuffled);
    assert_eq!((&one.clusters, &one.review), (&other.clusters, &other.review));
    // Sums in another order differ in their last digits.
    let [a, b] = [one.estimates, other.estimates].map(|e| [e.precision.value, e.recall.value, e.matches.low]);
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * a), "{a:?}, {b:?}");

    // There are ties, and whichever of the two is linked, both are listed.
    let rivals: Vec<&Doubt> = one.review.pairs.iter().filter(|doubt| doubt.reason == Reason::Rival).collect();
    assert!(rivals.len() > 20 && rivals.iter().filter(|doubt| doubt.linked).count() * 2 <= rivals.len());
}
