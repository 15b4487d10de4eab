use proptest::prelude::*;

use super::*;

/// Hands out so many bytes at a time.
struct Slowly<'a>(&'a [u8], usize);

impl Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self(rest, step) = self;
        let len = rest.len().min(*step).min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        *rest = &rest[len..];
        Ok(len)
    }
}

fn rows_of(text: &[u8], step: usize) -> Vec<Vec<Vec<u8>>> {
    let mut rows = CsvRows::new(Slowly(text, step), b',');
    let mut all = Vec::new();
    while let Some(row) = rows.next_row().unwrap() {
        all.push(row.iter().map(<[u8]>::to_vec).collect());
        assert_eq!(rows.row(), all.len() as u64);
    }
    all
}

/// The same by the csv crate.
fn expected(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    reader.byte_records().map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
}

/// What files are made of, and what is rare in them.
const PARTS: [&[u8]; 13] = [
    b",",
    b"\n",
    b"\r\n",
    b"\r",
    b"\"",
    b"\"a,\n\"\"b\"",
    b"\xef\xbb\xbf",
    b"\x8a\x9f\xff",
    "渡辺".as_bytes(),
    b"1",
    b"a longer value",
    b"a,b,c\n",
    b"1234567,12345678,123456789\r\n",
];

proptest! {
    #[test]
    fn rows_are_those_of_the_csv_crate_however_they_arrive(
        parts in proptest::collection::vec(
            proptest::sample::select(&PARTS[..]),
            0..40,
        ),
        step in 1_usize..40,
    ) {
        // At most forty line ends: too few to be a row that does not end.
        let text = parts.concat();
        let expected = expected(&text);
        prop_assert_eq!(&rows_of(&text, step), &expected);
        prop_assert_eq!(&rows_of(&text, usize::MAX), &expected);
    }
}

#[test]
fn rows_at_the_edges_of_the_buffer_are_whole() {
    // Rows of many lengths, so that the edges of the buffer fall everywhere in them.
    let text: Vec<u8> =
        (0..40_000).flat_map(|row: usize| format!("{row},{},x\n", "y".repeat(row % 61)).into_bytes()).collect();
    assert!(text.len() > 8 * BUFFER_BYTES);
    assert!(rows_of(&text, usize::MAX) == expected(&text));
    assert!(rows_of(&text, 4_093) == expected(&text));
}

#[test]
fn a_row_is_as_long_as_it_may_be_and_no_longer() {
    for (quote, len) in [("", MAX_ROW_BYTES - 4), ("\"", MAX_ROW_BYTES - 6)] {
        let text = |more: usize| format!("a\n1,{quote}{}{quote}\n2,3\n", "x".repeat(len + more)).into_bytes();
        let rows = rows_of(&text(0), usize::MAX);
        assert_eq!((rows.len(), rows[1].len(), rows[2].len()), (3, 2, 2));
        let too_long = text(100);
        let mut rows = CsvRows::new(&too_long[..], b',');
        rows.next_row().unwrap();
        assert!(matches!(rows.next_row(), Err(SourceError::RowTooLong { row: 2 })));
    }
}

#[test]
fn bytes_that_are_zero_are_found_and_no_others() {
    for place in 0..8 {
        for other in [1_u8, 0x7f, 0x80, 0xff] {
            let mut bytes = [other; 8];
            bytes[place] = 0;
            assert_eq!(zero_bytes(u64::from_le_bytes(bytes)), 0x80 << (8 * place));
        }
    }
    assert_eq!(zero_bytes(0), 0x8080_8080_8080_8080);
}

#[test]
fn what_cannot_be_read_is_an_error_of_its_row() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let mut rows = CsvRows::new((&b"a,b\n1,2\n3,4"[..]).chain(Broken), b',');
    assert!(rows.next_row().unwrap().is_some() && rows.next_row().unwrap().is_some());
    assert!(matches!(rows.next_row(), Err(SourceError::Io { row: 3, .. })));
}
