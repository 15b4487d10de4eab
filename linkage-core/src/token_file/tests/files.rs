//! Files on disk: whole or not there.

use std::fs::{File, read_dir};

use super::*;

fn create(
    path: &std::path::Path,
    rows: &[(RecordRef, Token)],
    existing: Existing,
) -> Result<TokenFileWriter, TokenFileError> {
    TokenFileWriter::create(path, header(rows), &[&unit().to_public()], existing)
}

#[test]
fn a_finished_file_has_its_name_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rows) = (folder.path().join("ndb.tokens"), rows(20));
    let mut writer = create(&path, &rows, Existing::Refuse).unwrap();
    writer.write(&batch(&header(&rows), &rows)).unwrap();
    assert!(!path.exists());
    let stats = writer.finish().unwrap();
    let mut reader = TokenFileReader::open(File::open(&path).unwrap(), &unit()).unwrap();
    while reader.next_batch().unwrap().is_some() {}
    assert_eq!(reader.finish().unwrap(), stats);
    assert_eq!(read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_dropped_or_failed_writer_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rows) = (folder.path().join("ndb.tokens"), rows(20));
    let mut writer = create(&path, &rows, Existing::Refuse).unwrap();
    writer.write(&batch(&header(&rows), &rows[..5])).unwrap();
    drop(writer);
    let mut writer = create(&path, &rows, Existing::Refuse).unwrap();
    writer.write(&batch(&header(&rows), &rows[..5])).unwrap();
    assert!(matches!(writer.finish(), Err(TokenFileError::Count { stated: 20, found: 5 })));
    assert_eq!(read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_existing_file_is_replaced_only_when_that_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ndb.tokens");
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(create(&path, &[], Existing::Refuse), Err(TokenFileError::Exists { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    create(&path, &[], Existing::Replace).unwrap().finish().unwrap();
    read(&std::fs::read(&path).unwrap()).unwrap();
    // A file that appears while tokens are being written is kept as well.
    std::fs::remove_file(&path).unwrap();
    let writer = create(&path, &[], Existing::Refuse).unwrap();
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(writer.finish(), Err(TokenFileError::Exists { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn columns_are_slices_of_what_was_deciphered_and_a_row_takes_its_bytes() {
    let rows = rows(1000);
    let (file, _) = sealed(&rows, 400);
    let mut reader = TokenFileReader::open(file.as_slice(), &unit()).unwrap();
    let mut first = 0;
    while let Some(batch) = reader.next_batch().unwrap() {
        let columns: Vec<_> = batch.columns().iter().map(|column| column.to_data()).collect();
        let buffers: Vec<_> = columns.iter().flat_map(|column| column.buffers()).collect();
        // All in one piece of memory, which is the message's body.
        assert!(buffers.len() == batch.num_columns() && buffers.iter().all(|b| b.data_ptr() == buffers[0].data_ptr()));
        let clks = batch.column_by_name("clk").unwrap().as_fixed_size_binary().value_data();
        assert_eq!(clks.len(), 16 * batch.num_rows());
        for (clk, (_, token)) in clks.chunks(16).zip(&rows[first..]) {
            assert!(token.clk.bytes().eq(clk.iter().copied()));
        }
        first += batch.num_rows();
    }
    assert_eq!(first, 1000);
}

#[test]
fn the_writer_refuses_rows_that_break_rules() {
    let rows = rows(10);
    let writer = || PayloadWriter::new(Vec::new(), header(&rows), &[&unit().to_public()]).unwrap();
    let mut swapped = rows.clone();
    swapped.swap(3, 4);
    let mut doubled = rows.clone();
    doubled[4] = doubled[3].clone();
    for (rows, row) in [(swapped, 4), (doubled, 4)] {
        let error = writer().write(&batch(&header(&rows), &rows)).unwrap_err();
        assert!(matches!(error, TokenFileError::Order { row: found } if found == row), "{error:?}");
    }
    let mut other = header(&rows);
    other.exact_tokens = vec!["other".to_owned()];
    let error = writer().write(&batch(&other, &rows)).unwrap_err();
    assert!(matches!(error, TokenFileError::Columns { .. }), "{error:?}");

    let mut builder = TokenBatchBuilder::new(&header(&rows));
    assert!(matches!(builder.push(&rows[0].0, &[0; 15], 0, &[None]), Err(TokenFileError::Row { .. })));
    assert!(matches!(builder.push(&rows[0].0, &[0; 16], 0, &[]), Err(TokenFileError::Row { .. })));
    let blocked = builder.push_blocked(&rows[0].0, &[0; 16], 0, &[None], &[None]);
    assert!(matches!(blocked, Err(TokenFileError::Row { .. })));
    assert!(builder.is_empty());

    let mut dense = header(&rows);
    dense.density_ppm += 1;
    let mut writer = PayloadWriter::new(Vec::new(), dense.clone(), &[&unit().to_public()]).unwrap();
    writer.write(&batch(&dense, &rows)).unwrap();
    assert!(matches!(writer.finish(), Err(TokenFileError::Density { .. })));
    let none = PayloadWriter::new(Vec::new(), header(&rows), &[]);
    assert!(matches!(none, Err(TokenFileError::NoRecipient)));
}
