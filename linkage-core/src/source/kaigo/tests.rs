use super::super::person::month_of;
use super::*;

const FIELDS: [&str; 7] =
    ["family_kana", "given_kana", "family_kanji", "given_kanji", "birth_date", "sex", "postal_code"];

fn layout(assessment: bool) -> KaigoLayout {
    let person = PersonLayout { fields: FIELDS.map(str::to_owned).to_vec(), ..PersonLayout::default() };
    let mut layout = if assessment { KaigoLayout::assessment(person) } else { KaigoLayout::ledger(person) };
    layout.encoding = Encoding::Utf8;
    layout
}

type Read = (Vec<String>, Vec<u64>, Vec<u64>);

/// Claims and register read one after the other, as the program does: rows, malformed rows, people without a name.
fn read_joined(claims: Option<&str>, register: &str, layout: &KaigoLayout) -> Result<Read, SourceError> {
    let (mut batch, mut rows, mut malformed, mut unnamed) = (RawBatch::new(), Vec::new(), Vec::new(), Vec::new());
    let roster = claims.map(|_| Roster::default());
    let mut before = 0;
    if let (Some(claims), Some(roster)) = (claims, &roster) {
        let mut source = KaigoClaims::open(claims.as_bytes(), layout, roster.clone())?;
        while source.read_batch(&mut batch, 2)? {
            malformed.extend_from_slice(batch.malformed_rows());
        }
        before = source.rows();
    }
    let mut source = KaigoRegister::open(register.as_bytes(), layout, roster.clone())?;
    loop {
        source.start_batch(&mut batch);
        batch.continue_after(before);
        let more = source.fill_batch(&mut batch, 2)?;
        if let (false, Some(roster)) = (more, &roster) {
            roster.finish(&mut batch);
            unnamed.extend_from_slice(batch.unnamed_rows());
        }
        malformed.extend_from_slice(batch.malformed_rows());
        for record in batch.records() {
            let values = (0..layout.person.fields.len()).map(|field| String::from_utf8_lossy(record.field(field)));
            let id = String::from_utf8_lossy(record.id().unwrap_or_default());
            let month = month_of(record.newness());
            rows.push(format!("{} {month} [{id}] {}", record.row(), values.collect::<Vec<_>>().join("|")));
        }
        if !more {
            return Ok((rows, malformed, unnamed));
        }
    }
}

const LEDGER: &str = "1,1,x\n\
    2,2,5311,01,20240401,1,1,x,00131045,0000000123,ｻﾄｳ ﾊﾅｺ,19350102,2,\n\
    2,3,5311,01,20240401,1,1,x,131045,0000000124,ﾀﾅｶ ｲﾁﾛｳ,3100304,1,\n\
    2,4,5311,01,20240401,1,1,x,131045,,ﾅｼ,19350102,2,\n\
    3,5\n";

/// A basic record of a claim.
fn claim(insurer: &str, number: &str) -> String {
    format!("2,9,7131,01,202404,1370100000,{insurer},{number},,,,,,,19350102,2,21\n")
}

#[test]
fn a_register_alone_is_read_as_it_is() {
    let (rows, malformed, _) = read_joined(None, LEDGER, &layout(false)).unwrap();
    let expected = ["2 0 [00131045:123] ｻﾄｳ|ﾊﾅｺ|||19350102|2|", "3 0 [00131045:124] ﾀﾅｶ|ｲﾁﾛｳ|||3100304|1|"];
    assert_eq!(rows, expected);
    assert_eq!(malformed, [4]);
}

#[test]
fn with_claims_only_their_people_are_rows_and_those_without_a_name_are_listed() {
    let claims = format!(
        "1,1,x\n{}2,9,7131,02,202404,9,131045,0000000124\n{}{}{}2,9,7131,01\n3,9\n",
        claim("  131045", "0000000123"),
        claim("00131045", "0000000123"),
        claim("00131045", "0000000777"),
        claim("", "0000000124"),
    );
    let (rows, malformed, unnamed) = read_joined(Some(&claims), LEDGER, &layout(false)).unwrap();
    assert_eq!(
        rows,
        ["10 0 [00131045:123] ｻﾄｳ|ﾊﾅｺ|||19350102|2|"],
        "the rows of the register follow those of the claims"
    );
    assert_eq!((malformed, unnamed), (vec![6, 7, 12], vec![5]));
}

#[test]
fn a_transmission_without_its_end_record_was_cut_off_and_its_last_row_is_no_person() {
    // The number of insured person 124 has lost its last digit, and 12 is somebody else; the birth date is half a date.
    let ledger = "1,1,x\n2,2,5311,01,20240401,1,1,x,131045,0000000123,ｻﾄｳ ﾊﾅｺ,19350102,2,\n\
                  2,3,5311,01,20240401,1,1,x,131045,0000000124,ﾀﾅｶ ｲﾁﾛｳ,3100304,1";
    let (rows, malformed, _) = read_joined(None, ledger, &layout(false)).unwrap();
    assert_eq!((rows.len(), malformed), (1, vec![3]));
    let claims = format!("1,1,x\n{}2,9,7131,01,202404,1370100000,131045,000000012", claim("131045", "0000000123"));
    let (rows, malformed, unnamed) = read_joined(Some(&claims), LEDGER, &layout(false)).unwrap();
    assert_eq!((rows.len(), malformed, unnamed), (1, vec![3, 7], vec![]));
    // A file without an envelope has no end record to miss.
    let bare = ledger.strip_prefix("1,1,x\n").unwrap();
    assert_eq!(read_joined(None, bare, &layout(false)).unwrap().0.len(), 2);
}

#[test]
fn a_short_row_is_counted_and_costs_no_other_row_whatever_it_begins_with() {
    let row =
        |first: &str, n: u32| format!("{first},{n},5311,01,20240401,1,1,x,131045,00000001{n:02},ｻﾄｳ ﾊﾅｺ,19350102,2,\n");
    let check = |rows: &[&str], expected: usize, malformed: &[u64]| {
        let found = read_joined(None, &rows.concat(), &layout(false)).unwrap();
        assert_eq!((found.0.len(), found.1.as_slice()), (expected, malformed), "{rows:?}");
    };
    // Without an envelope, in any place; rows may be numbered in their first column.
    let plain = [row("1", 1), row("2", 2), row("3", 3)];
    for short in ["1,x\n", "3,x\n", "2,x\n", "1\n"] {
        check(&[&plain[0], short, &plain[1], &plain[2]], 3, &[2]);
        check(&[&plain[0], &plain[1], &plain[2], short], 3, &[4]);
    }
    check(&["3,x\n", &plain[0]], 1, &[1]);
    check(&["1,x\n", &plain[0]], 1, &[1]);
    // Within one, and between two of them.
    let (open, data, close) = ("1,1,x\n", row("2", 7), "3,5\n");
    check(&[open, &data, "1,x\n", &data, close], 2, &[3]);
    check(&[open, &data, close, open, &data, close], 2, &[]);
    check(&[open, close], 0, &[]);
    check(&[open, &data, close, "3,x\n", &data], 2, &[4]);
    let claims = |rows: &[&str]| read_joined(Some(&rows.concat()), LEDGER, &layout(false)).unwrap().1;
    let (one, other) = (claim("131045", "0000000123"), claim("131045", "0000000124"));
    assert_eq!(claims(&[open, &one, "1,x\n", &other, close]), [3, 9], "the last is the register's");
    assert_eq!(claims(&[&one, "3,x\n", "2,x\n", &other]), [2, 3, 8]);
    let long = "1,1,0,3,7131,131045,0,1,202404,0\n";
    assert_eq!(claims(&[long, &one, close]), [7], "an envelope may be as long as a claim");
    assert_eq!(claims(&[long, &one, &other]), [3, 7], "and be cut off");
    assert_eq!(claims(&[open, &one, "2,9,7131,02\n", &other, close]), [9], "another record may be short");
}

#[test]
fn the_software_for_assessments_has_kanji_postal_code_and_date() {
    let row =
        "x,x,x,131045,0000000123,20240315,x,x,x,x,x,x,昭10.1.2,x,女,ｻﾄｳ ﾊﾅｺ,佐藤　花子,100-0001,\"東京都,千代田区\"\n";
    let header = ["見出し"; 19].join(",");
    let (rows, malformed, _) = read_joined(None, &format!("{header}\n{row}"), &layout(true)).unwrap();
    assert_eq!(rows, ["2 3 [00131045:123] ｻﾄｳ|ﾊﾅｺ|佐藤|花子|昭10.1.2|女|100-0001"]);
    assert!(malformed.is_empty());
}

#[test]
fn positions_can_be_moved_and_named() {
    let mut layout = layout(false);
    for text in [
        "register.insurer=保険者",
        "register.number=番号",
        "register.name-kana=カナ",
        "register.birth-date=none",
        "register.sex=4",
    ] {
        layout.set(text).unwrap();
    }
    let (rows, ..) = read_joined(None, "番号,保険者,カナ,性別\n5,131045,ヤマダ,1\n", &layout).unwrap();
    assert_eq!(rows, ["2 0 [00131045:5] ヤマダ|||||1|"]);
    let message = read_joined(None, "番号,保険者\n", &layout).unwrap_err().to_string();
    assert!(message.contains("`カナ`") && message.contains("hint: "), "{message}");
    layout.set("claims.record=none").unwrap();
    layout.set("claims.insurer=1").unwrap();
    layout.set("claims.number=2").unwrap();
    assert_eq!(read_joined(Some("131045,5\n131045,6\n"), "番号,保険者,カナ,性別\n", &layout).unwrap().2, [1, 2]);
    for bad in ["", "x", "register", "register.x=1", "claims.name-kana=1", "claims.number=0"] {
        let message = layout.set(bad).unwrap_err().to_string();
        assert!(message.contains("hint: "), "{bad}: {message}");
    }
}

#[test]
fn files_of_other_kinds_are_refused_with_a_hint() {
    assert!(matches!(read_joined(None, "", &layout(false)), Err(SourceError::NoRows)));
    let message = read_joined(Some("山田,1\n"), LEDGER, &layout(false)).unwrap_err().to_string();
    assert!(message.contains("basic record") && !message.contains("山田"), "{message}");
}
