use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray,
};
use arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::*;
use crate::source::{DateOrder, Part, ValueShape};

fn file(columns: Vec<(&str, ArrayRef)>, compression: Compression) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let properties =
        WriterProperties::builder().set_compression(compression).set_max_row_group_row_count(Some(2)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn people(compression: Compression) -> Vec<u8> {
    let sexes: DictionaryArray<Int32Type> = [Some("1"), Some("2"), None].into_iter().collect();
    file(
        vec![
            ("氏名", Arc::new(StringArray::from(vec![Some("佐藤"), None, Some("鈴木")]))),
            ("birth", Arc::new(Date32Array::from(vec![Some(4_810), None, Some(-1)]))),
            ("id", Arc::new(Int64Array::from(vec![7, 8, 9]))),
            ("sex", Arc::new(sexes)),
            ("raw", Arc::new(BinaryArray::from(vec![&b"\x8d"[..], b"b", b"c"]))),
            ("weight", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
        ],
        compression,
    )
}

fn layout(fields: &[&str], map: &[(&str, &str)]) -> CsvLayout {
    CsvLayout {
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        map: map.iter().map(|&(field, column)| (field.to_owned(), column.to_owned())).collect(),
        id_column: Some("id".to_owned()),
        ..CsvLayout::default()
    }
}

fn read(bytes: Vec<u8>, layout: &CsvLayout) -> Result<Vec<String>, SourceError> {
    read_shaped(bytes, layout, &CsvShape::default())
}

fn read_shaped(bytes: Vec<u8>, layout: &CsvLayout, shape: &CsvShape) -> Result<Vec<String>, SourceError> {
    let mut source = ParquetSource::open_shaped(bytes::Bytes::from(bytes), layout, shape)?;
    let (mut batch, mut rows) = (RawBatch::new(), Vec::new());
    while source.read_batch(&mut batch, 2)? {
        for record in batch.records() {
            let values: Vec<_> =
                (0..layout.fields.len()).map(|field| String::from_utf8_lossy(record.field(field))).collect();
            rows.push(format!(
                "{} [{}] {}",
                record.row(),
                String::from_utf8_lossy(record.id().unwrap()),
                values.join("|")
            ));
        }
    }
    Ok(rows)
}

#[test]
fn text_numbers_and_dates_are_read_by_name_over_row_groups_and_codecs() {
    let layout = layout(&["name", "birth", "sex", "raw", "none"], &[("name", "氏名"), ("none", "")]);
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(Default::default())] {
        let rows = read(people(compression), &layout).unwrap();
        assert_eq!(rows, ["1 [7] 佐藤|1983-03-04|1|\u{FFFD}|", "2 [8] ||2|b|", "3 [9] 鈴木|1969-12-31||c|"]);
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_a_hint() {
    let whole = people(Compression::SNAPPY);
    for (bytes, layout, part) in [
        (Vec::new(), layout(&["sex"], &[]), "not a Parquet file"),
        (b"PAR1 no PAR1".to_vec(), layout(&["sex"], &[]), "not a Parquet file"),
        (whole[..whole.len() - 1].to_vec(), layout(&["sex"], &[]), "not a Parquet file"),
        (whole.clone(), layout(&["suburb"], &[]), "no column `suburb`"),
        (whole.clone(), layout(&["x"], &[("x", "weight")]), "`weight` is of type Float64"),
    ] {
        let message = read(bytes, &layout).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains("hint: "), "{message}");
    }
}

#[test]
fn a_value_that_is_too_long_sets_its_row_aside() {
    let long = "ア".repeat(MAX_VALUE_BYTES);
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a", long.as_str(), "c"]));
    let bytes = file(vec![("name", names), ("id", Arc::new(Int32Array::from(vec![1, 2, 3])))], Compression::SNAPPY);
    assert_eq!(read(bytes, &layout(&["name"], &[])).unwrap(), ["1 [1] a", "3 [3] c"]);
}

#[test]
fn damage_anywhere_is_rows_or_an_error() {
    let whole = people(Compression::ZSTD(Default::default()));
    let layout = layout(&["name", "birth", "sex"], &[("name", "氏名")]);
    for at in (0..whole.len()).step_by(5) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x81;
        let _ = read(damaged, &layout);
    }
}

#[test]
fn a_mapping_splits_names_turns_dates_and_empties_marks() {
    let bytes = file(
        vec![
            ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
            ("name", Arc::new(StringArray::from(vec![Some("佐藤　花子"), Some("NULL"), None]))),
            ("birth", Arc::new(StringArray::from(vec!["04/03/1983", "1983-03-04", " NULL "]))),
        ],
        Compression::UNCOMPRESSED,
    );
    let shape = |part, date| ValueShape { part, date };
    let shape = CsvShape {
        missing: vec!["NULL".to_owned()],
        values: vec![
            ("family".to_owned(), shape(Part::First, DateOrder::YearFirst)),
            ("given".to_owned(), shape(Part::Rest, DateOrder::YearFirst)),
            ("birth".to_owned(), shape(Part::Whole, DateOrder::DayFirst)),
        ],
        ..CsvShape::default()
    };
    let layout = layout(&["family", "given", "birth"], &[("family", "name"), ("given", "name")]);
    let rows = read_shaped(bytes, &layout, &shape).unwrap();
    assert_eq!(rows, ["1 [1] 佐藤|花子|1983-03-04", "2 [2] ||1983-03-04", "3 [3] ||"]);
}
