use super::*;

/// Rows of key and presence alone; the refs repeat, so that there are duplicates.
fn rows(count: u64, codec: RowCodec) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in 0..count {
        let mut record_ref = [0; 16];
        record_ref[..2].copy_from_slice(&(row.wrapping_mul(40_503) as u16 % 700).to_be_bytes());
        bytes.extend_from_slice(&record_ref);
        bytes.extend_from_slice(&row.to_be_bytes());
        bytes.extend_from_slice(&(row as u16).to_le_bytes());
        bytes.resize(bytes.len() + codec.width() - KEY - 2, row as u8);
    }
    bytes
}

fn sorted(budget: usize, count: u64) -> (Vec<([u8; 16], u64)>, Rows) {
    let codec = RowCodec::new(64, 1);
    let folder = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::new(codec, folder.path(), budget);
    for piece in rows(count, codec).chunks(codec.width() * 7) {
        let row = |bytes| Row { codec, bytes };
        let ones = piece.chunks(codec.width()).map(|bytes| u64::from(row(bytes).clk_ones())).sum();
        sorter.push(piece, ones).unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the spill file has no name");
    let sorted = sorter.finish().unwrap();
    let remaining = sorted.count().unwrap();
    let (mut kept, mut bits_set) = (Vec::new(), 0);
    let keep = |row: Row<'_>| {
        bits_set += u64::from(row.clk_ones());
        assert_eq!(row.presence(), row.row() as u16);
        assert!(row.clk().iter().all(|&byte| byte == row.row() as u8));
        kept.push((row.record_ref(), row.row()));
        Ok(())
    };
    sorted.for_each(keep).unwrap();
    assert_eq!((remaining.records, remaining.bits_set), (kept.len() as u64, bits_set));
    (kept, remaining.duplicates)
}

#[test]
fn any_budget_gives_the_same_order_and_keeps_the_first_of_each_ref() {
    let (kept, duplicates) = sorted(usize::MAX, 2000);
    assert!(kept.is_sorted() && kept.len() as u64 + duplicates.count == 2000 && duplicates.count > 1000);
    // Counted, and the first of them by number, as findings hold them.
    let mut expected = Rows::default();
    (0..2000).filter(|row| kept.iter().all(|(_, kept)| kept != row)).for_each(|row| expected.add(row));
    assert_eq!(duplicates, expected);
    for budget in [1, 1000, 20_000, 100_000] {
        assert_eq!(sorted(budget, 2000), (kept.clone(), duplicates.clone()), "budget {budget}");
    }
}

#[test]
fn nothing_sorts_to_nothing() {
    assert_eq!(sorted(100, 0), (Vec::new(), Rows::default()));
}

#[test]
fn what_is_spilled_cannot_be_read_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut spill = Nameless::create(folder.path()).unwrap();
    let plain = [0x41; 4096];
    let run = spill.write_run([&plain[..]].into_iter()).unwrap();
    assert_eq!(run.read(4096, 1).current().unwrap().unwrap(), plain);
    use std::io::{Read, Seek};
    let mut raw = Vec::new();
    let mut file = spill.file_for_tests();
    file.rewind().unwrap();
    file.read_to_end(&mut raw).unwrap();
    assert_eq!(raw.len(), plain.len());
    assert!(!raw.windows(3).any(|window| window == [0x41; 3]));
}
