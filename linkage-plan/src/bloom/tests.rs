use arrow::array::FixedSizeBinaryArray;
use proptest::prelude::*;

use super::filter::KeyFilter;

fn column(keys: &[Option<u64>]) -> FixedSizeBinaryArray {
    let values = keys.iter().map(|key| key.map(|key| (u128::from(key) * 0x9E37_79B9_7F4A_7C15).to_le_bytes()));
    FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, 16).unwrap()
}

proptest! {
    #[test]
    fn a_filter_never_rules_out_a_key_that_is_there_and_null_never_is(
        keys in prop::collection::vec(prop::option::of(any::<u64>()), 0..300),
    ) {
        let column = column(&keys);
        let mut filter = KeyFilter::with_capacity(keys.iter().flatten().count()).unwrap();
        filter.insert(&column);
        let passes: Vec<bool> = filter.may_have(&column).iter().flatten().collect();
        prop_assert_eq!(passes, keys.iter().map(Option::is_some).collect::<Vec<_>>());
    }
}

#[test]
fn of_the_keys_that_are_not_there_about_one_in_a_hundred_passes() {
    let keys: Vec<Option<u64>> = (0..20_000).map(Some).collect();
    let others: Vec<Option<u64>> = (20_000..40_000).map(Some).collect();
    let mut filter = KeyFilter::with_capacity(keys.len()).unwrap();
    filter.insert(&column(&keys));
    let passed = filter.may_have(&column(&others)).true_count();
    assert!((100..400).contains(&passed), "{passed} of 20000");
    assert!(KeyFilter::bytes_for(20_000) < 20_000 * 10 / 8);
}
