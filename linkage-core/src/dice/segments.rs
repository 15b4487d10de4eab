//! Segmented tokens, segment by segment: what classification looks at.

/// Most segments of a token: its presence pattern has as many bits.
pub const MAX_SEGMENTS: usize = 16;

/// The bits that two tokens have in common, in each of `segments` equal segments; 0 beyond them.
///
/// # Panics
/// When the tokens differ in length, or do not divide into 1 to [`MAX_SEGMENTS`] segments of whole 64-bit words: the
/// caller has checked its schema.
pub fn segment_intersections(left: &[u8], right: &[u8], segments: usize) -> [u16; MAX_SEGMENTS] {
    assert_eq!(left.len(), right.len(), "tokens of different lengths");
    per_segment(left, segments, |at, word| (word & word_of(right, at)).count_ones())
}

/// The bits that a token has in each of `segments` equal segments; 0 beyond them.
///
/// # Panics
/// As [`segment_intersections`] does.
pub fn segment_popcounts(token: &[u8], segments: usize) -> [u16; MAX_SEGMENTS] {
    per_segment(token, segments, |_, word| word.count_ones())
}

/// The presence pattern that a token's bits show: bit `s` when segment `s` has any. A token file says the same in its presence
/// mask, or it is refused.
///
/// # Panics
/// As [`segment_intersections`] does.
pub fn segment_presence(token: &[u8], segments: usize) -> u16 {
    let counts = segment_popcounts(token, segments).into_iter().enumerate();
    counts.fold(0, |pattern, (segment, count)| pattern | u16::from(count > 0) << segment)
}

/// The Dice similarity of two tokens in each segment that both have: `None` where either has none, and beyond the segments.
///
/// # Panics
/// As [`segment_intersections`] does.
pub fn segment_similarities(
    (left, left_presence): (&[u8], u16),
    (right, right_presence): (&[u8], u16),
    segments: usize,
) -> [Option<f64>; MAX_SEGMENTS] {
    let common = segment_intersections(left, right, segments);
    let (left, right) = (segment_popcounts(left, segments), segment_popcounts(right, segments));
    std::array::from_fn(|segment| {
        let both = segment < segments && left_presence & right_presence & 1 << segment != 0;
        both.then(|| super::score(common[segment].into(), left[segment].into(), right[segment].into()))
    })
}

/// The Dice similarity of two segmented tokens over the segments that both have; 0 when they share none.
///
/// # Panics
/// As [`segment_intersections`] does.
pub fn segmented_similarity(
    (left, left_presence): (&[u8], u16),
    (right, right_presence): (&[u8], u16),
    segments: usize,
) -> f64 {
    let both = left_presence & right_presence;
    let sum = |counts: [u16; MAX_SEGMENTS]| -> u32 {
        let counts = counts.into_iter().enumerate().filter(|(segment, _)| both & 1 << segment != 0);
        counts.map(|(_, count)| u32::from(count)).sum()
    };
    let common = sum(segment_intersections(left, right, segments));
    super::score(common, sum(segment_popcounts(left, segments)), sum(segment_popcounts(right, segments)))
}

/// The sums of `count` over the words of each segment.
fn per_segment(token: &[u8], segments: usize, count: impl Fn(usize, u64) -> u32) -> [u16; MAX_SEGMENTS] {
    assert!(
        (1..=MAX_SEGMENTS).contains(&segments) && token.len().is_multiple_of(8 * segments),
        "the token does not divide into such segments"
    );
    let words = token.len() / 8;
    let mut counts = [0; MAX_SEGMENTS];
    for at in 0..words {
        counts[at * segments / words] += count(at, word_of(token, at)) as u16;
    }
    counts
}

fn word_of(token: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(token.as_chunks::<8>().0[at])
}
