use super::*;
use crate::dice;

/// A small world: three segments, `people` in both databases and as many in only one of them.
///
/// Values are drawn from vocabularies in which low numbers are frequent; a tenth of the values of the right database
/// are garbled, a few are missing.
pub(super) struct World {
    pub(super) tables: Vec<SegmentTable>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) frequencies: Frequencies,
    pub(super) people: u32,
}

pub(super) struct Draws(pub(super) u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Bits of a value: 24 of 64, always the same for the same value.
pub(super) fn bits(segment: usize, value: u64) -> u64 {
    let mut draws = Draws(value * 8 + segment as u64);
    (0..24).fold(0, |bits, _| bits | 1 << draws.below(64))
}

fn garbled(bits: u64, flips: u64, draws: &mut Draws) -> u64 {
    (0..flips).fold(bits, |bits, _| bits ^ 1 << draws.below(64))
}

pub(super) fn world(people: u32, seed: u64) -> World {
    garbled_world(people, seed, 10, 8)
}

/// The same with this percentage of the values garbled, in so many bits.
pub(super) fn garbled_world(people: u32, seed: u64, garbles: u64, flips: u64) -> World {
    let mut draws = Draws(seed);
    let sizes = [400, 300, 2000];
    let person = |draws: &mut Draws| -> [u64; 3] {
        std::array::from_fn(|segment| {
            let size = sizes[segment];
            bits(segment, draws.below(size) * draws.below(size) / size)
        })
    };
    let both: Vec<[u64; 3]> = (0..people).map(|_| person(&mut draws)).collect();
    let mut tables = vec![SegmentTable::new(24, 3).unwrap(), SegmentTable::new(24, 3).unwrap()];
    for values in &both {
        tables[0].push(values, 0b111);
    }
    for _ in 0..people {
        tables[0].push(&person(&mut draws), 0b111);
    }
    for values in &both {
        let values: Vec<u64> = values
            .iter()
            .map(|&value| match (draws.chance(garbles), draws.chance(3)) {
                (_, true) => 0,
                (true, _) => garbled(value, flips, &mut draws),
                _ => value,
            })
            .collect();
        tables[1].push(&values, 0b111);
    }
    for _ in 0..people {
        tables[1].push(&person(&mut draws), 0b111);
    }
    let frequencies = count_frequencies(&mut tables, &[true, true]);
    let [left, right] = &tables[..] else { unreachable!() };
    let mut candidates = Vec::new();
    for a in 0..2 * people {
        for b in 0..2 * people {
            let score = left.score(a, right, b);
            if score >= 0.58 {
                let pattern = left.pattern(a, right, b);
                candidates.push(Candidate { left: a, right: b, score: score as f32, exact: false, pattern });
            }
        }
    }
    World { tables, candidates, frequencies, people }
}

impl World {
    pub(super) fn run(&self) -> Tables<'_> {
        let links = vec![Link { left: 0, right: 1, candidates: &self.candidates }];
        Tables { tables: &self.tables, deduplicated: &[true, true], links }
    }

    pub(super) fn is_true(&self, candidate: &Candidate) -> bool {
        candidate.left == candidate.right && candidate.left < self.people
    }

    /// Links from this chance on, and how many of them are right.
    pub(super) fn links(&self, model: &Model, cut: f64) -> (f64, f64) {
        let run = self.run();
        let judged = model.judge(&run, 0);
        let links = self.candidates.iter().zip(&judged).filter(|(_, judged)| f64::from(judged.probability) >= cut);
        links.fold((0.0, 0.0), |(all, right), (c, _)| (all + 1.0, right + f64::from(u8::from(self.is_true(c)))))
    }

    /// Pairs within clusters, and how many of them are right.
    pub(super) fn linked(&self, decision: &Decision) -> (f64, f64) {
        decision.clusters.iter().fold((0.0, 0.0), |(all, right), cluster| {
            let [left, right_row] = [0, 1].map(|at| cluster.members[at].record);
            (all + 1.0, right + f64::from(u8::from(left == right_row && left < self.people)))
        })
    }
}

#[test]
fn levels_rise_with_similarity_and_equality_outranks_them() {
    let level = |s: f64| Pattern::from_similarities(&[Some(s)]).level(0);
    let mut last = 0;
    for step in 0..=100 {
        let now = level(f64::from(step) / 100.0);
        assert!(now >= last && now >= 1);
        last = now;
    }
    assert_eq!((level(0.999), level(1.0)), (10, 11));
    assert_eq!(Pattern::from_similarities(&[None, Some(0.5), None]).present(), 1);
}

#[test]
fn a_segment_that_either_side_lacks_says_nothing() {
    let mut tables = [SegmentTable::new(16, 2).unwrap(), SegmentTable::new(16, 2).unwrap()];
    tables[0].push(&[0b1111, 0b11], 0b11);
    tables[1].push(&[0b1111, 0], 0b01);
    tables[1].push(&[0b0111, 0b11], 0b11);
    let [left, right] = &tables;
    assert_eq!((left.score(0, right, 0), left.pattern(0, right, 0).present()), (1.0, 1));
    assert_eq!(left.score(0, right, 1), dice::score(5, 6, 5));
}

#[test]
fn tokens_that_cannot_be_cut_into_segments_are_refused() {
    for (clk_bytes, segments) in [(128, 0), (128, 9), (24, 2), (0, 1)] {
        assert!(SegmentTable::new(clk_bytes, segments).is_none(), "{clk_bytes} {segments}");
    }
}

#[test]
fn frequent_values_count_less_than_rare_ones() {
    let world = world(400, 1);
    let run = world.run();
    let model = learn(&run, &world.frequencies, &Options::default());
    let weights = model.weights().unwrap();
    // Classes without a value weigh as much as the closest inequality.
    let mut equal: Vec<f64> = (11..30).map(|level| weights.levels[2][level]).collect();
    equal.retain(|weight| *weight > weights.levels[2][10]);
    assert!(equal.len() >= 2 && equal.windows(2).all(|pair| pair[0] + 1.0 < pair[1]), "{equal:?}");
}

#[test]
fn unsupervised_links_come_close_to_the_best_cut_in_hindsight() {
    for seed in [1, 2] {
        let world = world(600, seed);
        let model = learn(&world.run(), &world.frequencies, &Options::default());
        let f1 = |(all, right): (f64, f64)| 2.0 * right / (all + f64::from(world.people));
        let own = f1(world.links(&model, model.cut()));
        let best = (1..20).map(|cut| f1(world.links(&model, f64::from(cut) / 20.0))).fold(0.0, f64::max);
        assert!(own > 0.9 && own >= best - 0.01, "seed {seed}: {own} of {best}");
    }
}

#[test]
fn estimates_hold_without_truth() {
    let world = world(600, 3);
    let model = learn(&world.run(), &world.frequencies, &Options::default());
    let decision = decide(&world.run(), &model);
    let (estimates, (all, right)) = (decision.estimates, world.linked(&decision));
    assert_eq!(estimates.links as f64, all);
    assert!((estimates.precision.value - right / all).abs() < 0.03, "{estimates:?} but {}", right / all);
    assert!(
        estimates.precision.low <= estimates.precision.value && estimates.precision.value <= estimates.precision.high
    );
    assert!((estimates.matches.value / f64::from(world.people) - 1.0).abs() < 0.1, "{estimates:?}");
}

#[test]
fn composite_tokens_are_judged_by_similarity_alone() {
    let world = world(600, 4);
    let mut tables: Vec<SegmentTable> = (0..2).map(|_| SegmentTable::new(24, 1).unwrap()).collect();
    for (whole, cut) in tables.iter_mut().zip(&world.tables) {
        for row in 0..cut.rows() {
            whole.push(&[cut.segment(row, 0)[0], cut.segment(row, 1)[0], cut.segment(row, 2)[0]], 0b111);
        }
    }
    let links = vec![Link { left: 0, right: 1, candidates: &world.candidates }];
    let run = Tables { tables: &tables, deduplicated: &[true, true], links };
    let model = learn(&run, &world.frequencies, &Options::default());
    assert!(model.weights().is_none());
    let judged = model.judge(&run, 0);
    let links: Vec<bool> = world
        .candidates
        .iter()
        .zip(&judged)
        .filter(|(_, judged)| f64::from(judged.probability) >= model.cut())
        .map(|(candidate, _)| world.is_true(candidate))
        .collect();
    let right = links.iter().filter(|right| **right).count() as f64;
    assert!(right / links.len() as f64 > 0.85 && right / f64::from(world.people) > 0.6, "{right} of {}", links.len());
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let world = world(300, 5);
    let judge = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| learn(&world.run(), &world.frequencies, &Options::default()).judge(&world.run(), 0))
    };
    assert!(judge(1) == judge(3));
}

#[test]
fn two_records_that_are_alike_share_the_chance() {
    // Rows 0 and 1 of the right are the same; at most one of them is the person.
    let world = world(300, 6);
    let model = learn(&world.run(), &world.frequencies, &Options::default());
    let sure = world.candidates.iter().zip(model.judge(&world.run(), 0)).find(|(_, j)| j.probability > 0.999).unwrap();
    let mut candidates = world.candidates.clone();
    let twin = candidates.iter().map(|c| c.right).filter(|&right| right != sure.0.right).max().unwrap();
    candidates.retain(|candidate| candidate.right != twin);
    candidates.push(Candidate { right: twin, ..*sure.0 });
    let run = Tables { links: vec![Link { left: 0, right: 1, candidates: &candidates }], ..world.run() };
    let judged = model.judge(&run, 0);
    assert!(judged.last().unwrap().probability < 0.51);
    assert_eq!(model.zone(judged.last().unwrap().probability.into()), Zone::Review);
}

#[test]
fn a_gold_sample_does_not_harm_and_corrects_chances_that_are_wrong() {
    for seed in [7, 8, 9] {
        let world = world(500, seed);
        let run = world.run();
        let sample = |matched: &dyn Fn(&Candidate) -> bool| -> Vec<GoldPair> {
            let drawn = world.candidates.iter().step_by(world.candidates.len() / 150);
            let gold = |c: &Candidate| GoldPair { link: 0, left: c.left, right: c.right, matched: matched(c) };
            drawn.map(gold).collect()
        };
        let f1 = |model: &Model, judged: &[Judged]| {
            let linked = world.candidates.iter().zip(judged).filter(|(_, j)| f64::from(j.probability) >= model.cut());
            let right: Vec<bool> = linked.map(|(candidate, _)| world.is_true(candidate)).collect();
            2.0 * right.iter().filter(|right| **right).count() as f64 / (right.len() as f64 + f64::from(world.people))
        };
        let gold = sample(&|candidate| world.is_true(candidate));
        let model = learn_from_gold(&run, &world.frequencies, &gold, &Options::default()).unwrap();
        let without = learn(&run, &world.frequencies, &Options::default());
        let (with, without) = (model.judge(&run, 0), without.judge(&run, 0));
        let [with_f1, without_f1] = [&with, &without].map(|judged| f1(&model, judged));
        assert!(with_f1 >= without_f1 - 0.01, "seed {seed}: {with_f1} with gold, {without_f1} without");
        let said = model.gold().unwrap();
        let threshold = said.threshold;
        assert!(threshold.low <= threshold.value && threshold.value <= threshold.high);
        assert_eq!((said.pairs, said.matches), (gold.len() as u64, gold.iter().filter(|g| g.matched).count() as u64));

        // A sample in which every other match was found to be wrong says that links are surer than they should be.
        let doubted = sample(&|candidate| world.is_true(candidate) && candidate.left % 2 == 0);
        let doubtful = learn_from_gold(&run, &world.frequencies, &doubted, &Options::default()).unwrap();
        assert!(doubtful.gold().unwrap().threshold.value > threshold.value, "seed {seed}");
        let mean = |judged: &[Judged]| judged.iter().map(|j| f64::from(j.probability)).sum::<f64>();
        assert!(mean(&doubtful.judge(&run, 0)) < mean(&with), "seed {seed}");
        assert!(learn_from_gold(&run, &world.frequencies, &gold[..0], &Options::default()).is_none());
    }
}

#[test]
fn nothing_to_learn_from_is_no_link_and_no_panic() {
    let mut tables = vec![SegmentTable::new(128, 8).unwrap(), SegmentTable::new(128, 8).unwrap()];
    let frequencies = count_frequencies(&mut tables, &[]);
    let links = vec![Link { left: 0, right: 1, candidates: &[] }];
    let run = Tables { tables: &tables, deduplicated: &[], links };
    let model = learn(&run, &frequencies, &Options::default());
    assert!(model.judge(&run, 0).is_empty());
    let decision = decide(&run, &model);
    assert_eq!((decision.estimates.links, decision.review), (0, Review::default()));
}
