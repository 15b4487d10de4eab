//! Certificates against the truth.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::TokenRows;
use super::super::lsh::Stopped;
use super::super::random::Draws;
use super::*;
use crate::dice::{DiceThreshold, Kernel, Match, search};

/// Groups of alike rows on both sides, some large: pairs of one row are found or missed together more often than not.
fn tables(seed: u64, rows: usize) -> (TokenRows, TokenRows) {
    let mut draws = Draws::new(seed, 1);
    let mut side = |offset: u64| {
        let clks: Vec<[u8; 32]> = (0..rows as u64)
            .map(|row| {
                let group = (row + offset) % (rows as u64 * 2 / 3);
                let mut person = Draws::new(99, group * group / (rows as u64 / 2));
                let mut clk = [0_u8; 32];
                clk.fill_with(|| (person.next() & person.next()) as u8);
                clk[draws.below(32) as usize] ^= 1 << draws.below(8);
                clk
            })
            .collect();
        TokenRows::from_rows(32, clks.iter().map(<[u8; 32]>::as_slice)).unwrap()
    };
    (side(0), side(rows as u64 / 3))
}

fn all_pairs(left: &TokenRows, right: &TokenRows, threshold: DiceThreshold) -> Vec<Match> {
    let (left, right) = (left.block(0..left.rows()), right.block(0..right.rows()));
    let mut found = Vec::new();
    let kernel = Kernel::detect().unwrap();
    search(kernel, &left, 0..left.rows(), &right, 0..right.rows(), threshold, &mut found);
    found
}

#[test]
fn intervals_cover_the_true_recall_as_often_as_they_say() {
    let (left, right) = tables(1, 3000);
    let threshold = "0.8".parse().unwrap();
    let all = all_pairs(&left, &right, threshold);
    assert!(all.len() > 3000);
    let kernel = Kernel::detect().unwrap();
    let (mut covered, mut runs) = (0, 0);
    for seed in 0..60 {
        // A search that misses about 3 % of pairs, and with them others of the same left row.
        let found: Vec<Match> = all
            .iter()
            .filter(|pair| Draws::new(seed, u64::from(pair.left) * 3 + u64::from(pair.right) % 3).below(100) >= 3)
            .copied()
            .collect();
        let recall = found.len() as f64 / all.len() as f64;
        let request = SampleRequest { pairs: 400, most_compared: u64::MAX, seed };
        let sample = RecallSample::draw(&left, &right, threshold, kernel, request, &|| false, &|_| true).unwrap();
        assert!(sample.pairs() >= 400 && sample.rows() < 3000);
        let mut tally = RecallTally::new(sample);
        tally.observe(&found);
        tally.observe(&found[..10]);
        let certificate = tally.certificate(0.9);
        runs += 1;
        covered += u32::from((certificate.lower..=certificate.upper).contains(&recall));
        assert!(certificate.upper - certificate.lower < 0.35, "{certificate}");
    }
    assert!(covered * 100 >= runs * 92, "{covered} of {runs}");
}

#[test]
fn a_sample_of_all_rows_knows_the_recall() {
    let (left, right) = tables(2, 200);
    let threshold = "0.8".parse().unwrap();
    let all = all_pairs(&left, &right, threshold);
    let kernel = Kernel::detect().unwrap();
    let sample =
        RecallSample::draw(&left, &right, threshold, kernel, SampleRequest::for_target(0.99999, 1), &|| false, &|_| {
            true
        })
        .unwrap();
    assert_eq!((sample.rows(), sample.pairs(), sample.compared()), (200, all.len(), 200 * 200));
    let mut tally = RecallTally::new(sample);
    tally.observe(&all[1..]);
    let certificate = tally.certificate(0.999);
    let recall = (all.len() - 1) as f64 / all.len() as f64;
    assert_eq!((certificate.recall, certificate.lower, certificate.upper), (recall, recall, recall));
    assert!(!certificate.certified());
    assert!(tally.can_certify(0.999999) && tally.certificate(0.9).certified());
    tally.observe(&all);
    assert!(tally.certificate(1.0).certified());
}

#[test]
fn a_sample_costs_no_more_than_it_may_and_can_be_stopped() {
    let (left, right) = tables(3, 1000);
    let (threshold, kernel) = ("0.8".parse().unwrap(), Kernel::detect().unwrap());
    let request = SampleRequest { pairs: u64::MAX, most_compared: 300_000, seed: 1 };
    let sample = RecallSample::draw(&left, &right, threshold, kernel, request, &|| false, &|_| true).unwrap();
    assert_eq!(sample.compared(), 300_000);
    assert!(RecallSample::draw(&left, &right, threshold, kernel, request, &|| true, &|_| true).is_err());
    let none = TokenRows::with_capacity(32, 0).unwrap();
    let certificate =
        RecallTally::new(RecallSample::draw(&left, &none, threshold, kernel, request, &|| false, &|_| true).unwrap())
            .certificate(0.9);
    assert_eq!((certificate.pairs, certificate.lower), (0, 0.0));
}

#[test]
fn a_drawn_sample_is_stopped_between_pieces_of_its_rows() {
    // One tile of right rows and many drawn rows: it is asked more often than once a round.
    let (left, right) = tables(4, 3000);
    let (threshold, kernel) = ("0.8".parse().unwrap(), Kernel::detect().unwrap());
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) + 1 >= 9;
    let request = SampleRequest { pairs: u64::MAX, most_compared: u64::MAX, seed: 1 };
    assert!(RecallSample::draw(&left, &right, threshold, kernel, request, &stop, &|_| true).is_err());
}

/// So many people with a record each on both sides, and so many left rows of which each is alike to `pairs` right rows.
fn with_heavy_rows(people: usize, heavy: usize, pairs: usize) -> (TokenRows, TokenRows) {
    let mut draws = Draws::new(5, heavy as u64);
    let mut sides = [Vec::new(), Vec::new()];
    for row in 0..people + heavy {
        let clk: [u8; 32] = std::array::from_fn(|_| (draws.next() & draws.next()) as u8);
        sides[0].push(clk);
        for _ in 0..if row < people { 1 } else { pairs } {
            let mut alike = clk;
            alike[draws.below(32) as usize] ^= 1 << draws.below(8);
            sides[1].push(alike);
        }
    }
    let [left, right] = sides.map(|side| TokenRows::from_rows(32, side.iter().map(<[u8; 32]>::as_slice)).unwrap());
    (left, right)
}

#[test]
fn intervals_cover_the_true_recall_where_few_rows_hold_many_pairs_and_are_found_less_often() {
    let (threshold, kernel) = ("0.8".parse().unwrap(), Kernel::detect().unwrap());
    let mut partial = 0;
    // Heavy rows, the pairs of each, and how many in a hundred of these are found; of the others 98.
    for (heavy, pairs, found_share) in
        [(2, 600, 60), (4, 300, 70), (12, 100, 60), (40, 40, 70), (200, 6, 80), (0, 0, 0)]
    {
        let (left, right) = with_heavy_rows(1500, heavy, pairs);
        let all = all_pairs(&left, &right, threshold);
        assert_eq!(all.len(), 1500 + heavy * pairs, "{heavy} {pairs}");
        let covered = (0..60_u64).filter(|seed| {
            let is_found = |pair: &&Match| {
                // Pairs of a heavy row are found or missed ten at a time.
                let (share, group) = if pair.left < 1500 { (98, 0) } else { (found_share, u64::from(pair.right) / 10) };
                Draws::new(*seed, u64::from(pair.left) << 20 | group).below(100) < share
            };
            let found: Vec<Match> = all.iter().filter(is_found).copied().collect();
            let recall = found.len() as f64 / all.len() as f64;
            let request = SampleRequest { pairs: 300, most_compared: u64::MAX, seed: *seed };
            let sample = RecallSample::draw(&left, &right, threshold, kernel, request, &|| false, &|_| true).unwrap();
            partial += usize::from(sample.rows() < left.rows());
            let mut tally = RecallTally::new(sample);
            tally.observe(&found);
            let certificate = tally.certificate(0.9);
            assert!(certificate.worth <= certificate.pairs as f64);
            (certificate.lower..=certificate.upper).contains(&recall)
        });
        let covered = covered.count();
        assert!(covered * 100 >= 60 * 95, "{heavy} rows of {pairs} pairs: {covered} of 60");
    }
    assert!(partial >= 100, "{partial} samples of some rows only show something");
}

#[test]
fn equal_filters_make_no_certificate_doubtful_where_they_cannot_be_missed() {
    let (threshold, kernel) = ("0.8".parse().unwrap(), Kernel::detect().unwrap());
    let (mut left, mut right) = with_heavy_rows(3000, 0, 0);
    // A placeholder token, of few left rows and many right ones.
    for (side, rows) in [(&mut left, 4), (&mut right, 200)] {
        (0..rows).for_each(|_| side.push(&[0b1001_0100; 32]).unwrap());
    }
    let all = all_pairs(&left, &right, threshold);
    assert_eq!(all.len(), 3000 + 4 * 200);
    let draw = |seed| {
        let request = SampleRequest { pairs: 400, most_compared: u64::MAX, seed };
        RecallSample::draw(&left, &right, threshold, kernel, request, &|| false, &|_| true).unwrap()
    };
    let without = (0..60).find(|seed| draw(*seed).worth() > 0.99 * draw(*seed).pairs() as f64).unwrap();
    let certificate = |tally: RecallTally| {
        let mut tally = tally;
        tally.observe(&all);
        tally.certificate(0.98)
    };
    let doubtful = certificate(RecallTally::new(draw(without)));
    assert!(!doubtful.certified() && doubtful.heavy_share > 0.2, "{doubtful}");
    assert!(doubtful.to_string().contains("of pairs in a few heavy rows"), "{doubtful}");
    let sure = certificate(RecallTally::new(draw(without)).that_finds_equal());
    assert!(sure.certified() && sure.heavy_share == 0.0, "{sure}");
}

#[test]
fn a_sample_asks_before_it_holds_anything_and_ends_when_it_may_not() {
    let (threshold, kernel) = ("0.8".parse().unwrap(), Kernel::detect().unwrap());
    let (left, right) = with_heavy_rows(500, 20, 200);
    let request = SampleRequest { pairs: u64::MAX, most_compared: u64::MAX, seed: 3 };
    let draw = |most: usize| {
        let asked = AtomicUsize::new(0);
        let grant = |bytes| asked.fetch_add(bytes, Ordering::Relaxed) + bytes <= most;
        let sample = RecallSample::draw(&left, &right, threshold, kernel, request, &|| false, &grant);
        (sample, asked.into_inner())
    };
    let (sample, asked) = draw(usize::MAX);
    let sample = sample.unwrap();
    // The rows' layout, and every pair where it was found and where it lies in the end.
    let layout = left.block_bytes(sample.rows());
    assert!(sample.pairs() >= 4000 && sample.bytes() >= 9 * sample.pairs() + 4 * left.rows());
    assert!(asked >= sample.bytes() + 8 * sample.pairs() + layout, "{asked} for {}", sample.bytes());
    for most in [0, left.rows(), asked / 4, asked / 2, asked - 1] {
        assert_eq!(draw(most).0.err(), Some(Stopped), "{most} of {asked}");
    }
}

#[test]
fn a_sample_can_be_stopped_at_every_look() {
    let (threshold, kernel) = ("0.8".parse().unwrap(), Kernel::detect().unwrap());
    let (left, right) = with_heavy_rows(40_000, 0, 0);
    let mut few = TokenRows::with_capacity(32, 1000).unwrap();
    (0..1000).for_each(|row| few.push_words(right.row(row)).unwrap());
    let right = few;
    // All rows are drawn: by chance at first, and then what is left of them, shuffled.
    let request = SampleRequest { pairs: u64::MAX, most_compared: u64::MAX, seed: 3 };
    let draw = |looks: usize| {
        let looked = AtomicUsize::new(0);
        let stop = || looked.fetch_add(1, Ordering::Relaxed) >= looks;
        let sample = RecallSample::draw(&left, &right, threshold, kernel, request, &stop, &|_| true);
        (sample.err(), looked.into_inner())
    };
    let (ended, looks) = draw(usize::MAX);
    // One for every thousand rows that are laid out, and that are compared with the one tile; and for those drawn.
    assert!(ended.is_none() && looks >= 2 * 40 + 5, "{looks}");
    for at in 0..looks {
        let (ended, looked) = draw(at);
        assert!(ended == Some(Stopped) && looked <= at + 1 + rayon::current_num_threads(), "{looked} after {at}");
    }
}
