//! Cutting pairs down to the best of each right row.

use std::cmp::Ordering;

use linkage_core::dice::Match;

/// Pairs below which nothing is cut before the right batch is done.
const LEAST_CUT: usize = 1 << 20;

/// Keeps of each right row the best pairs, and all that are as good as the last of them.
#[derive(Debug)]
pub(super) struct Cut {
    pairs: usize,
    /// From how many pairs on it is worth cutting.
    limit: usize,
}

impl Cut {
    pub(super) fn new(pairs: u32, right_rows: usize) -> Self {
        let pairs = pairs as usize;
        Self { pairs, limit: LEAST_CUT.max(right_rows.saturating_mul(2 * pairs)) }
    }

    /// Cuts when there are many pairs. Cutting parts, and then what the parts kept, gives the same as cutting all at once.
    pub(super) fn when_many(&mut self, found: &mut Vec<Match>) {
        if found.len() >= self.limit {
            self.all(found);
            // Where many pairs are equally good nothing goes, and sorting them again soon would be for nothing.
            self.limit = self.limit.max(2 * found.len());
        }
    }

    pub(super) fn all(&self, found: &mut Vec<Match>) {
        found.sort_unstable_by(|a, b| a.right.cmp(&b.right).then_with(|| better(a, b)).then(a.left.cmp(&b.left)));
        let (mut kept, mut from) = (0, 0);
        while from < found.len() {
            let row = found[from].right;
            let end = from + found[from..].iter().take_while(|pair| pair.right == row).count();
            let mut keep = (end - from).min(self.pairs);
            while from + keep < end && better(&found[from + keep], &found[from + keep - 1]).is_eq() {
                keep += 1;
            }
            found.copy_within(from..from + keep, kept);
            (kept, from) = (kept + keep, end);
        }
        found.truncate(kept);
    }
}

/// Higher scores first: ratios compared crosswise, in whole numbers.
fn better(a: &Match, b: &Match) -> Ordering {
    let (a_share, b_share) = (u64::from(a.intersection), u64::from(b.intersection));
    (b_share * u64::from(a.ones)).cmp(&(a_share * u64::from(b.ones)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_each_right_row_are_kept_with_their_equals() {
        let pair = |left, right, intersection| Match { left, right, intersection, ones: 20 };
        // 4 of 10 is as good as 8 of 20.
        let equal = Match { left: 9, right: 1, intersection: 4, ones: 10 };
        let all = vec![pair(1, 1, 9), pair(2, 1, 8), equal, pair(3, 1, 7), pair(0, 2, 5), pair(1, 0, 5), pair(2, 0, 6)];
        for (pairs, expected) in [
            (1, vec![all[6], all[0], all[4]]),
            (2, vec![all[6], all[5], all[0], all[1], all[2], all[4]]),
            (9, vec![all[6], all[5], all[0], all[1], all[2], all[3], all[4]]),
        ] {
            let mut found = all.clone();
            Cut::new(pairs, 3).all(&mut found);
            assert_eq!(found, expected, "{pairs}");
        }
    }
}
