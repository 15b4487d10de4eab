//! Certificates against the truth.

use super::super::TokenRows;
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
        let sample = RecallSample::draw(&left, &right, threshold, kernel, request, &|| false).unwrap();
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
        RecallSample::draw(&left, &right, threshold, kernel, SampleRequest::for_target(0.99999, 1), &|| false).unwrap();
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
    let sample = RecallSample::draw(&left, &right, threshold, kernel, request, &|| false).unwrap();
    assert_eq!(sample.compared(), 300_000);
    assert!(RecallSample::draw(&left, &right, threshold, kernel, request, &|| true).is_err());
    let none = TokenRows::with_capacity(32, 0).unwrap();
    let certificate =
        RecallTally::new(RecallSample::draw(&left, &none, threshold, kernel, request, &|| false).unwrap())
            .certificate(0.9);
    assert_eq!((certificate.pairs, certificate.lower), (0, 0.0));
}

#[test]
fn a_drawn_sample_is_stopped_between_pieces_of_its_rows() {
    // One tile of right rows and many drawn rows: it is asked more often than once a round.
    let (left, right) = tables(4, 3000);
    let (threshold, kernel) = ("0.8".parse().unwrap(), Kernel::detect().unwrap());
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 >= 9;
    let request = SampleRequest { pairs: u64::MAX, most_compared: u64::MAX, seed: 1 };
    assert!(RecallSample::draw(&left, &right, threshold, kernel, request, &stop).is_err());
}
