use proptest::prelude::*;

use super::*;

fn layout(fields: &[&str]) -> CsvLayout {
    CsvLayout { fields: fields.iter().map(|&field| field.to_owned()).collect(), ..CsvLayout::default() }
}

/// All rows, as (number, id, values), and the numbers of the malformed ones.
type Rows = (Vec<(u64, Option<Vec<u8>>, Vec<Vec<u8>>)>, Vec<u64>);

fn read_all(bytes: &[u8], layout: &CsvLayout, batch_rows: usize) -> Result<Rows, SourceError> {
    let mut source = CsvSource::open(bytes, layout)?;
    let (mut rows, mut malformed) = (Vec::new(), Vec::new());
    let mut batch = RawBatch::new();
    while source.read_batch(&mut batch, batch_rows)? {
        for record in batch.records() {
            let values = (0..layout.fields.len()).map(|field| record.field(field).to_vec()).collect();
            rows.push((record.row(), record.id().map(<[u8]>::to_vec), values));
        }
        malformed.extend_from_slice(batch.malformed_rows());
    }
    Ok((rows, malformed))
}

fn refusal(bytes: &[u8], layout: &CsvLayout) -> String {
    read_all(bytes, layout, 10).unwrap_err().to_string()
}

#[test]
fn columns_are_found_by_name_whatever_their_order() {
    let mut layout = layout(&["sex", "birth"]);
    layout.map = vec![("birth".into(), "生年月日".into())];
    layout.id_column = Some("id".into());
    let (rows, malformed) =
        read_all("\u{FEFF}id, 生年月日 ,other,sex\r\n7,19830304,x,1\r\n".as_bytes(), &layout, 10).unwrap();
    assert_eq!(rows, [(2, Some(b"7".to_vec()), vec![b"1".to_vec(), b"19830304".to_vec()])]);
    assert!(malformed.is_empty());
}

#[test]
fn a_field_that_is_mapped_to_nothing_is_missing_in_every_row() {
    let mut layout = layout(&["sex", "birth"]);
    layout.map = vec![("birth".into(), String::new())];
    assert_eq!(read_all(b"sex\n1\n", &layout, 10).unwrap().0[0].2, [b"1".to_vec(), Vec::new()]);
}

#[test]
fn rows_with_a_wrong_number_of_fields_are_listed_by_number() {
    let (rows, malformed) = read_all(b"a,b\n1,2\n3\n4,5,6\n\n7,8\n", &layout(&["a", "b"]), 10).unwrap();
    assert_eq!(malformed, [3, 4]);
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [2, 5], "empty lines are not counted");
}

#[test]
fn a_quotation_mark_that_is_never_closed_ends_the_reading() {
    let mut file = b"a,b\n1,\"2\n".to_vec();
    file.extend(std::iter::repeat_n(*b"3,4\n", 100).flatten());
    assert!(matches!(read_all(&file, &layout(&["a"]), 10), Err(SourceError::RowTooLong { row: 2 })));
    file.extend(std::iter::repeat_n(b'x', 4 << 20));
    assert!(matches!(read_all(&file, &layout(&["a"]), 10), Err(SourceError::RowTooLong { row: 2 })));
}

#[test]
fn what_is_wrong_with_a_header_is_said_with_a_hint() {
    let mut twice = layout(&["a"]);
    twice.map = vec![("a".into(), "x".into()), ("a".into(), "y".into())];
    let mut unknown = layout(&["a"]);
    unknown.map = vec![("b".into(), "x".into())];
    for (bytes, layout, part) in [
        (&b""[..], layout(&["a"]), "empty"),
        (b"x,y\n", layout(&["a"]), "of its 2 values"),
        (b"id,name,dob\n", layout(&["a"]), "`id`, `name`, `dob`"),
        (b"a,a\n", layout(&["a"]), "twice"),
        (b"a\n", twice, "twice"),
        (b"a\n", unknown, "no field `b`"),
        (b"\xff\xfea\0", layout(&["a"]), "UTF-16"),
        (b"\x8d\xb2,a\n", layout(&["a"]), "utf-8"),
    ] {
        let message = refusal(bytes, &layout);
        assert!(message.contains(part) && message.contains("\nhint: "), "{part}: {message}");
    }
}

#[test]
fn a_first_line_that_is_data_is_not_echoed() {
    for row in
        ["サトウ,ハナコ,19830304\n", "サトウ,ハナコ,佐藤,花子,女\n", "サトウ,メイ,昭58,女\n", "SATO,HANA,S58.3\n"]
    {
        let message = refusal(row.as_bytes(), &layout(&["kana_family", "sex"]));
        let cells: Vec<&str> = row.trim().split(',').collect();
        assert!(cells.iter().all(|cell| !message.contains(cell)) && message.contains("hint: "), "{message}");
    }
}

#[test]
fn debug_output_holds_no_value() {
    let mut source = CsvSource::open(&b"a\nCANARY\n"[..], &layout(&["a"])).unwrap();
    let mut batch = RawBatch::new();
    source.read_batch(&mut batch, 10).unwrap();
    assert!(!format!("{batch:?} {:?}", batch.record(0)).contains("CANARY"));
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_a_clear_error(bytes in prop::collection::vec(any::<u8>(), 0..200), batch_rows in 1_usize..5) {
        let mut file = b"a,b\n".to_vec();
        file.extend(bytes);
        let (rows, malformed) = read_all(&file, &layout(&["a", "b"]), batch_rows).unwrap();
        let mut numbers: Vec<u64> = rows.iter().map(|row| row.0).chain(malformed).collect();
        numbers.sort_unstable();
        let expected: Vec<u64> = (2..).take(numbers.len()).collect();
        prop_assert_eq!(numbers, expected);
    }
}
