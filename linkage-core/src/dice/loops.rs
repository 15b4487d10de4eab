//! The loops over tiles, written once and compiled for each kernel with its CPU's instructions.

/// Defines `compare(job, out) -> u64` in a module that gives, with the same attributes:
/// - `Sums`: 8 × 8 signed numbers, one per pair of a left with a right row;
/// - `screen::<LOOKS>(&Group, &Group) -> Sums`: negative where the lower bound of the difference allows a match;
/// - `whole(&[Lanes], &[i64; 8], &[Lanes], &Lanes) -> Sums`: negative where enough bits are common for a match;
/// - `any(&Sums) -> bool` and `alive(&Sums) -> u8`: whether a number is negative, and in which left rows;
/// - `common(&[Lanes], usize, &[Lanes]) -> [u64; 8]`: the bits that one left row has in common with eight right rows.
///
/// `loops!(pairs: 1 2 3; attributes)` says what the kernel looks at, pairs of words or lanes of pieces, and for which numbers
/// of them its screen is unrolled.
macro_rules! loops {
    ($looks:ident: $($unrolled:literal)*; $(#[$attributes:meta])*) => {
        /// Compares all pairs of a job; returns how many were given up.
        $(#[$attributes])*
        fn compare(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
            let Some(screen) = job.screen else { return compare_whole(job, out) };
            // Unrolled for the numbers that matter at 1024 bits; 0 stands for any other.
            match screen.$looks {
                $($unrolled => compare_screened::<$unrolled>(job, screen, out),)*
                _ => compare_screened::<0>(job, screen, out),
            }
        }

        $(#[$attributes])*
        fn compare_screened<const LOOKS: usize>(job: &Job<'_>, looks: Screen, out: &mut Vec<Match>) -> u64 {
            let (mut lefts, mut rights) = (Side::new(looks), Side::new(looks));
            let mut kept = 0;
            for tile in job.right_tiles() {
                let tile_end = tile.end;
                rights.prepare_right(job, tile);
                for chunk in job.left_chunks(Side::chunk(looks)) {
                    if job.once && chunk.start >= tile_end {
                        break;
                    }
                    lefts.prepare_left(job, chunk);
                    for right in rights.groups(None) {
                        for left in lefts.groups(job.once.then_some(right.group)) {
                            let sums = screen::<LOOKS>(&left, &right);
                            if any(&sums) {
                                kept += finish(job, (left.group, alive(&sums) & left.mask), right.group, out);
                            }
                        }
                    }
                }
            }
            job.pairs() - kept
        }

        $(#[$attributes])*
        fn compare_whole(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
            let asked = |block, group| job.ones(block, group).map(|ones| job.must_share(ones));
            let chunk = (16 * 1024 / (job.left.words() * size_of::<Lanes>())).max(1);
            let mut lefts = Vec::with_capacity(chunk);
            for tile in job.right_tiles() {
                for chunk in job.left_chunks(chunk) {
                    if job.once && chunk.start >= tile.end {
                        break;
                    }
                    lefts.clear();
                    lefts.extend(chunk.map(|group| (group, asked(job.left, group), job.left_mask(group))));
                    for right in tile.clone() {
                        let lanes = job.right.lanes(right);
                        let start = Lanes(asked(job.right, right).map(|asked| (asked - 1) as u64));
                        for (left, asked, mask) in &lefts {
                            if job.once && *left > right {
                                break;
                            }
                            let sums = match (job.left.lanes(*left).as_array::<16>(), lanes.as_array::<16>()) {
                                (Some(left), Some(right)) => whole(left, asked, right, &start),
                                _ => whole(job.left.lanes(*left), asked, lanes, &start),
                            };
                            if any(&sums) {
                                finish(job, (*left, alive(&sums) & mask), right, out);
                            }
                        }
                    }
                }
            }
            0
        }

        /// Few pairs come here, so nothing of the tile is kept for them: its sums stay in registers.
        $(#[$attributes])*
        #[inline(never)]
        fn finish(job: &Job<'_>, left: (usize, u8), right: usize, out: &mut Vec<Match>) -> u64 {
            job.finish(left, right, out, |left, row, right| common(left, row, right))
        }
    };
}

pub(super) use loops;
