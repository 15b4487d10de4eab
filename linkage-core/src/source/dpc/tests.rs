use super::super::{PersonLayout, UkeSource};
use super::*;

const IR: &str = "IR,1,13,1,1234567,,テスト病院,202404,00,\n";

fn layout() -> UkeLayout {
    let fields = ["family_kanji", "given_kanji", "birth_date", "sex", "postal_code", "insured_number"];
    let person = PersonLayout { fields: fields.map(str::to_owned).to_vec(), ..PersonLayout::default() };
    UkeLayout { encoding: Encoding::Utf8, ..UkeLayout::beside_summaries(person) }
}

/// A patient's row of a summary.
fn patient(facility: &str, id: &str, admitted: &str, payload: [&str; 3]) -> String {
    format!("{facility}\t{id}\t{admitted}\t0\t0\tA000010\t20240401\t0\t{}\t\t\t\t\t\t\n", payload.join("\t"))
}

/// A DPC receipt.
fn receipt(name: &str, sex: &str, birth: &str, chart: &str) -> String {
    format!("RE,1,1111,202404,{name},{sex},{birth},,,,,,,{chart},,\nHO,06132013,,１２\nBU,x\n")
}

type Read = (Vec<String>, Vec<u64>, Vec<u64>);

fn read_joined(summaries: &str, receipts: &str) -> Result<Read, SourceError> {
    let (roster, layout) = (Roster::default(), layout());
    let (mut batch, mut rows, mut malformed) = (RawBatch::new(), Vec::new(), Vec::new());
    let mut source = DpcSummaries::open(summaries.as_bytes(), &layout, roster.clone())?;
    while source.read_batch(&mut batch, 2)? {
        malformed.extend_from_slice(batch.malformed_rows());
    }
    let mut source = UkeSource::open_beside(receipts.as_bytes(), &layout, Some(roster.clone()))?;
    while source.read_batch(&mut batch, 2)? {
        for record in batch.records() {
            let values: Vec<_> = (0..6).map(|field| String::from_utf8_lossy(record.field(field))).collect();
            let id = String::from_utf8_lossy(record.id().unwrap_or_default());
            rows.push(format!("{} [{id}] {}", record.row(), values.join("|")));
        }
    }
    roster.finish(&mut batch);
    Ok((rows, malformed, batch.unnamed_rows().to_vec()))
}

#[test]
fn a_receipt_has_what_its_summary_adds_and_other_receipts_are_passed_over() {
    let summaries = [
        "施設コード\tデータ識別番号\t入院年月日\t回数管理番号\t統括診療情報番号\tコード\n".to_owned(),
        patient("131234567", "0000000886", "20240301", ["19911121", "2", "0600001"]),
        "131234567\t0000000886\t20240301\t0\t0\tA000020\t20240401\t0\t9\n".to_owned(),
        patient("131234567", "0000000886", "20230301", ["19911121", "2", "1000001"]),
        patient("131234567", "0000000887", "20240301", ["00000000", "1", "9999999"]),
        patient("131234567", "0000000888", "20240301", ["19500101", "1", "0000000"]),
        "131234567\t0000000889\t20240301\t0\t0\tA000010\n".to_owned(),
        patient("x", "0000000890", "20240301", ["19500101", "1", "0000000"]),
    ]
    .concat();
    let receipts = [
        IR.to_owned(),
        receipt("山田　花子", "2", "", "00886"),
        receipt("佐藤　次郎", "", "19600101", "８８７"),
        receipt("外来　三郎", "1", "19600101", "999"),
        "GO,3,100,99\n".to_owned(),
        "IR,1,14,1,1234567\n".to_owned(),
        receipt("別院　四郎", "1", "19600101", "888"),
        "GO,1,100,99\n".to_owned(),
    ]
    .concat();
    let (rows, malformed, unnamed) = read_joined(&summaries, &receipts).unwrap();
    let expected =
        ["2 [131234567:886] 山田|花子|19911121|2|0600001|１２", "5 [131234567:887] 佐藤|次郎|19600101|1||１２"];
    assert_eq!(rows, expected);
    assert_eq!((malformed, unnamed), (vec![7, 8], vec![6]));
}

#[test]
fn what_a_summary_has_wrong_is_left_for_the_report_to_find() {
    let summaries = [
        patient("131234567", "1", "20240301", ["19911341", "7", "06000X1"]),
        patient("131234567", "2", "20240301", ["", "", "postal code unknown"]),
    ]
    .concat();
    let receipts = [
        IR.to_owned(),
        receipt("山田　花子", "", "", "1"),
        receipt("佐藤　次郎", "1", "19600101", "2"),
        "GO,2,100,99\n".to_owned(),
    ]
    .concat();
    let (rows, ..) = read_joined(&summaries, &receipts).unwrap();
    assert_eq!(
        rows,
        ["2 [131234567:1] 山田|花子|19911341|7|06000X1|１２", "5 [131234567:2] 佐藤|次郎|19600101|1|?|１２"]
    );
}

#[test]
fn other_files_are_refused_without_showing_them() {
    for summaries in ["", "山田,1\n", "131234567\n", "x\ty\n"] {
        let message = read_joined(summaries, IR).unwrap_err().to_string();
        assert!(message.contains("hint: ") && !message.contains("山田"), "{message}");
    }
    let message = read_joined("131234567\t1\t20240301\t0\t0\tA000020\n", IR).unwrap_err().to_string();
    assert!(message.contains("A000010"), "{message}");
}
