use super::drowned::Captured;
use super::mixture::{Counted, Mixture, Values};
use super::tail::{Axis, BINS, Passed};
use super::tests::{World, garbled_world};
use super::*;

/// What is claimed of the pairs within clusters, their precision, and the share of the people that they are.
fn claimed(world: &World) -> (Estimates, f64, f64) {
    let model = learn(&world.run(), &world.frequencies, &Options::default());
    let decision = decide(&world.run(), &model);
    let (all, right) = world.linked(&decision);
    (decision.estimates, right / all, right / f64::from(world.people))
}

fn holds(estimate: Estimate, is: f64) -> bool {
    estimate.low <= estimate.value && estimate.value <= estimate.high && estimate.low <= is && is <= estimate.high
}

#[test]
fn intervals_hold_what_is_so_whether_few_values_are_garbled_or_many() {
    for (seed, garbles) in [(21, 10), (22, 25), (23, 40), (24, 55)] {
        let world = garbled_world(500, seed, garbles, 8);
        let (estimates, precision, recall) = claimed(&world);
        assert!(holds(estimates.precision, precision), "{garbles} %: precision {precision}, {estimates:?}");
        assert!(holds(estimates.recall, recall), "{garbles} %: recall {recall}, {estimates:?}");
        assert!(holds(estimates.matches, f64::from(world.people)), "{garbles} %: {estimates:?}");
    }
}

#[test]
fn recall_is_said_to_be_unknown_where_many_matches_look_like_strangers() {
    // Half of the values garbled leave too little of 500 people to say so, though hardly one is missed.
    for (garbles, flips, unknown) in [(40, 8, false), (55, 8, true), (50, 24, true)] {
        let world = garbled_world(500, 25, garbles, flips);
        let (estimates, _, recall) = claimed(&world);
        assert_eq!(estimates.recall_unknown, unknown, "{garbles} % by {flips} bits: {estimates:?}");
        assert!(holds(estimates.recall, recall), "{garbles} % by {flips} bits: recall {recall}, {estimates:?}");
    }
}

/// A world of which the right table keeps so many of the people that the left one has too, and all others.
fn with_partners(world: &World, kept: u32) -> (Vec<SegmentTable>, Vec<Candidate>) {
    let gone = world.people - kept;
    let stays = |row: u32| row < kept || row >= world.people;
    let place = |row: u32| if row < kept { row } else { row - gone };
    let table = |rows: &SegmentTable, stays: &dyn Fn(u32) -> bool| {
        let mut table = SegmentTable::new(24, 3).unwrap();
        (0..rows.rows()).filter(|&row| stays(row as u32)).for_each(|row| {
            let bits: Vec<u64> = (0..3).map(|segment| rows.segment(row, segment)[0]).collect();
            table.push(&bits, 0b111);
        });
        table
    };
    let tables = vec![table(&world.tables[0], &|_| true), table(&world.tables[1], &stays)];
    let candidates = world.candidates.iter().filter(|candidate| stays(candidate.right));
    let candidates = candidates.map(|candidate| Candidate { right: place(candidate.right), ..*candidate }).collect();
    (tables, candidates)
}

#[test]
fn tables_that_hardly_overlap_are_not_taken_to_be_the_same_people() {
    for (seed, kept) in [(31, 0), (32, 0), (33, 10), (34, 40), (35, 100)] {
        let world = garbled_world(500, seed, 10, 8);
        let (mut tables, mut candidates) = with_partners(&world, kept);
        let frequencies = count_frequencies(&mut tables, &[true; 2]);
        for candidate in &mut candidates {
            candidate.pattern = tables[0].pattern(candidate.left, &tables[1], candidate.right);
        }
        let run = Tables {
            tables: &tables,
            deduplicated: &[true; 2],
            links: vec![Link { left: 0, right: 1, candidates: &candidates }],
        };
        let decision = decide(&run, &learn(&run, &frequencies, &Options::default()));
        let right = |cluster: &&crate::cluster::Cluster| {
            cluster.members[0].record == cluster.members[1].record && cluster.members[0].record < kept
        };
        let (links, right) = (decision.clusters.len(), decision.clusters.iter().filter(right).count());
        // With no partner to learn from, strangers who are much alike are taken for some; but not every row's best pair is.
        assert!(links - right <= 80, "{kept} in both: {links} links, {right} right");
        assert!(right * 10 >= kept as usize * 9, "{kept} in both: {links} links, {right} right");
    }
}

/// 500 matches in bins 150 to 199 of tables of 1,000 rows, and chance that falls off from bin 0 on.
fn mixture() -> (Mixture, Vec<Counted>) {
    let axis = Axis::new(&[Values { value: &[0.0, 240.0], assigned: &[0, 1] }]);
    let chance = |bin: usize| 100.0 * (-(bin as f64) / 10.0).exp();
    let assigned = (0..BINS).map(|bin| if (150..200).contains(&bin) { 10.0 } else { (chance(bin) / 3.0).floor() });
    let links = vec![Counted { rows: [1000.0; 2], assigned: assigned.collect(), exact: 0.0 }];
    let passed = Passed {
        wrong: (0..BINS).map(chance).collect(),
        free: (0..BINS).map(|bin| chance(bin) / 3.0).collect(),
        sure: 150,
    };
    let mixture = Mixture::iterate(&links, axis, 100, |_, _| vec![passed.clone()]);
    (mixture, links)
}

#[test]
fn matches_far_above_all_chance_are_all_seen() {
    let axis = Axis::new(&[Values { value: &[0.0, 240.0], assigned: &[0, 1] }]);
    let chance = |bin: usize| 1000.0 * (-(bin as f64) / 3.0).exp();
    let assigned = (0..BINS).map(|bin| if bin >= 220 { 30.0 } else { (chance(bin) / 9.0).floor() }).collect();
    let links = vec![Counted { rows: [900.0; 2], assigned, exact: 0.0 }];
    let passed = Passed {
        wrong: (0..BINS).map(chance).collect(),
        free: (0..BINS).map(|bin| chance(bin) / 9.0).collect(),
        sure: 150,
    };
    let mixture = Mixture::iterate(&links, axis, 100, |_, _| vec![passed.clone()]);
    assert!((220..BINS).all(|bin| mixture.posterior(0, bin) > 0.999), "{}", mixture.posterior(0, 230));
}

#[test]
fn matches_are_seen_among_strangers_whose_rows_are_less_alike_than_those_of_partners() {
    // Of 10,000 rows a side 5,000 have partners: 600 of these matches lie where chance is, 20 to a bin.
    let axis = Axis::new(&[Values { value: &[0.0, 240.0], assigned: &[0, 1] }]);
    let rate = |bin: usize| 1e-4 * (-(bin as f64) / 8.0).exp();
    let free = |bin: usize| 0.3 * 2.5e7 * rate(bin);
    let matches = |bin: usize| match bin {
        30..60 => 20.0,
        150..200 => 88.0,
        _ => 0.0,
    };
    let seen: Vec<f64> = (0..BINS).map(|bin| (free(bin) + matches(bin)).round()).collect();
    let links = vec![Counted { rows: [1e4; 2], assigned: seen.clone(), exact: 0.0 }];
    let passed = Passed { wrong: (0..BINS).map(|bin| 7.5e7 * rate(bin)).collect(), free: seen.clone(), sure: 150 };
    let mixture = Mixture::iterate(&links, axis, 100, |_, _| vec![passed.clone()]);
    let found: f64 = (30..60).map(|bin| links[0].assigned[bin] * mixture.posterior(0, bin)).sum();
    assert!((480.0..720.0).contains(&found), "{found} of 600");
}

#[test]
fn pairs_known_otherwise_tell_how_many_matches_look_like_strangers() {
    let (mixture, links) = mixture();
    assert!((mixture.inexact() - 500.0).abs() < 50.0);
    let of = |exact, third, low| Captured { exact, third, low }.with_tail(&mixture, &links, 10.0);
    let (unknown, none, some) = (of(0.0, 0.0, [0.0; 2]), of(1000.0, 0.0, [0.0; 2]), of(1000.0, 0.0, [100.0, 0.0]));
    assert!(none.expected < unknown.expected && unknown.expected < some.expected, "{none:?}, {unknown:?}, {some:?}");
    assert!(some.spread < none.spread && none.spread < unknown.spread, "{none:?}, {unknown:?}, {some:?}");
    // A third database knows less of it than exact tokens, and those that it shows stand for more that it does not.
    let third = of(0.0, 1000.0, [0.0, 100.0]);
    assert!(third.spread > some.spread && third.expected > some.expected, "{third:?}, {some:?}");
    let both = of(1000.0, 1000.0, [100.0; 2]);
    assert!(some.expected < third.expected && third.expected < both.expected, "{some:?}, {both:?}, {third:?}");
    assert!(both.spread < some.spread, "{both:?}, {some:?}");
}

#[test]
fn a_third_database_tells_how_many_matches_look_like_strangers() {
    let world = garbled_world(400, 27, 40, 8);
    let mut tables: Vec<SegmentTable> = (0..3).map(|_| SegmentTable::new(24, 3).unwrap()).collect();
    for (table, rows) in [(0, &world.tables[0]), (1, &world.tables[1]), (2, &world.tables[0])] {
        (0..rows.rows()).for_each(|row| {
            let bits: Vec<u64> = (0..3).map(|segment| rows.segment(row, segment)[0]).collect();
            tables[table].push(&bits, 0b111);
        });
    }
    let frequencies = count_frequencies(&mut tables, &[true; 3]);
    let found: Vec<Candidate> = world
        .candidates
        .iter()
        .map(|candidate| Candidate {
            pattern: tables[0].pattern(candidate.left, &tables[1], candidate.right),
            ..*candidate
        })
        .collect();
    let turned: Vec<Candidate> = found.iter().map(|c| Candidate { left: c.right, right: c.left, ..*c }).collect();
    let same: Vec<Candidate> = (0..tables[0].rows() as u32)
        .map(|row| Candidate {
            left: row,
            right: row,
            score: 1.0,
            exact: false,
            pattern: tables[0].pattern(row, &tables[2], row),
        })
        .collect();
    let link = |left, right, candidates| Link { left, right, candidates };
    let of = |links: Vec<Link<'_>>| {
        let run = Tables { tables: &tables, deduplicated: &[true; 3], links };
        decide(&run, &learn(&run, &frequencies, &Options::default())).estimates.recall
    };
    let two = of(vec![link(0, 1, &found)]);
    let three = of(vec![link(0, 1, &found), link(0, 2, &same), link(1, 2, &turned)]);
    // What third databases know to be one person nearly all looks so: less is believed to be missed than two databases alone
    // can tell, and it is known better.
    assert!(three.low <= three.value && three.value > two.value, "{three:?} with, {two:?} without");
    assert!(three.high - three.low < two.high - two.low, "{three:?} with, {two:?} without");
}
