use proptest::prelude::*;

use super::super::person::month_of;
use super::*;

const GOLDEN: &str = include_str!("golden.ndjson");

fn layout() -> PersonLayout {
    let fields = "family_kana given_kana family_kanji given_kanji birth_date sex postal_code insurer_number \
                  insured_symbol insured_number insured_branch";
    PersonLayout { fields: fields.split_whitespace().map(str::to_owned).collect(), ..PersonLayout::default() }
}

type Read = Result<(Vec<String>, Vec<u64>), SourceError>;

fn read(file: &[u8]) -> Read {
    read_from(FhirSource::open(file, &layout())?)
}

fn read_from(mut source: FhirSource<&[u8]>) -> Read {
    let (mut batch, mut rows, mut malformed) = (RawBatch::new(), Vec::new(), Vec::new());
    while source.read_batch(&mut batch, 2)? {
        malformed.extend_from_slice(batch.malformed_rows());
        for record in batch.records() {
            let values: Vec<_> = (0..11).map(|field| String::from_utf8_lossy(record.field(field))).collect();
            let id = String::from_utf8_lossy(record.id().unwrap_or_default());
            rows.push(format!("{} {} [{id}] {}", record.row(), month_of(record.newness()), values.join("|")));
        }
    }
    Ok((rows, malformed))
}

#[test]
fn the_golden_file_becomes_these_rows() {
    let (rows, malformed) = read(GOLDEN.as_bytes()).unwrap();
    let expected = [
        "1 3 [1311234567:000123] ヤマダ|ハナコ|山田|花子|1983-03-04|female|123-4567|00012345|あいう|１８７|05",
        "2 4 [::06132013::187::1:1948-02:鈴木一郎] スズキイチロウ||鈴木一郎||1948-02|male||06132013||１８７|",
        "4 0 [A1::12131234::7654321:::19800101:タナカジロウ] タナカ|ジロウ|||1980-01-01|unknown||12131234||7654321|",
        "5 0 [::00012345:1234:5678:00::1970:佐藤三郎] ||佐藤|三郎|1970|||00012345|１２－３４|５６７８|00",
    ];
    assert_eq!(rows, expected);
    assert_eq!(malformed, [6]);
}

#[test]
fn a_bundle_over_many_lines_is_one_document() {
    let bundle: Json = serde_json::from_str(GOLDEN.lines().nth(1).unwrap()).unwrap();
    let (rows, malformed) = read(format!("\u{FEFF}{bundle:#}\n{bundle:#}").as_bytes()).unwrap();
    assert_eq!((rows.len(), malformed.len()), (2, 0));
    assert!(rows[0].starts_with("1 4 ") && rows[1].starts_with("2 4 ") && rows[0].contains("スズキイチロウ"));
}

#[test]
fn a_first_line_that_was_cut_off_costs_no_other_line_and_a_document_of_any_layout_stays_one() {
    let line = GOLDEN.lines().next().unwrap();
    let whole = read(line.as_bytes()).unwrap().0;
    // After every sign of JSON, and here and there within values.
    let is_sign = |at: usize| line[..at].ends_with(['{', '[', ':', ',', '}', ']']);
    let cuts = line.char_indices().map(|(at, _)| at).skip(1).filter(|&at| is_sign(at) || at % 7 == 0);
    for cut in cuts {
        for others in [vec![line], vec![line, line], vec![line, "x"], vec![line, line, "{"]] {
            let file = format!("{}\n{}\n", &line[..cut], others.join("\n"));
            let found = read(file.as_bytes());
            // Where a value could go on, a broken second line after a good one may as well be a document that is no JSON.
            if matches!(found, Err(SourceError::NotJson))
                && others.contains(&"x")
                && line[..cut].trim_end().ends_with(['[', ':', ','])
            {
                continue;
            }
            let (rows, malformed) = found.unwrap_or_else(|error| panic!("{cut} {others:?}: {error}"));
            assert_eq!(rows.len(), others.iter().filter(|other| **other == line).count(), "{cut} {others:?}");
            assert_eq!(malformed[0], 1, "{cut}");
            assert_eq!(rows[0][2..], whole[0][2..]);
        }
    }
    for document in [
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[\n{{\"resource\":{line}}}\n]}}"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[{{\"resource\":\n{line}\n}}]}}"),
        format!("{{\"resourceType\":\"Bundle\",\"entry\":[{{\"resource\":\n{line}\n}},\n{{\"resource\":\n{line}}}]}}"),
    ] {
        let (rows, malformed) = read(document.as_bytes()).unwrap();
        assert!(!rows.is_empty() && malformed.is_empty(), "{document}");
    }
}

#[test]
fn what_is_too_long_is_said_to_be_and_not_to_be_cut_off() {
    let bundle: Json = serde_json::from_str(GOLDEN.lines().nth(1).unwrap()).unwrap();
    let (line, document) = (format!("{bundle}\n"), format!("{bundle:#}\n"));
    let read_within =
        |file: &str, max: usize| FhirSource::open_within(file.as_bytes(), &layout(), max as u64).and_then(read_from);
    for file in [&line, &document, &document.repeat(2)] {
        assert!(read_within(file, file.len() + 1).is_ok_and(|(rows, _)| !rows.is_empty()));
    }
    let too_long = |found| matches!(found, Err(SourceError::DocumentTooLong { row: 1 }));
    assert!(too_long(read_within(&line, line.len() - 2)));
    // Wherever the limit is: within a document, and between two of them.
    for max in (document.len() / 2..2 * document.len()).step_by(7).chain([document.len() - 1, document.len()]) {
        assert!(too_long(read_within(&document.repeat(2), max)), "{max}");
    }
    let message = SourceError::DocumentTooLong { row: 1 }.to_string();
    assert!(message.contains("64 MiB") && message.contains("hint: "), "{message}");
}

#[test]
fn every_spelling_of_the_member_id_system_is_known_and_no_other() {
    let insurance = [
        "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID",
        "http:/jpfhir.jp/fhir/ccs/Idsysmem/JP_Insurance_member/00012345",
        "http://jpfhir.jp/fhir/ccs/Idsysmem/JP_Insurance_member/00012345",
        "http:/jpfhir.jp/fhir/clins/Idsysmem/JP_Insurance_member",
        "http://jpfhir.jp/fhir/clins/Idsysmem/JP_Insurance_memberID",
        "http://jpfhir.jp/fhir/eCS/Idsysmem/JP_Insurance_memberID",
        "http://jpfhir.jp/fhir/eCS/Idsystem/JP_Insurance_memberID",
        "https://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID/06132013",
    ];
    for system in insurance {
        assert_eq!(MemberId::of(system), Some(MemberId::Insurance), "{system}");
    }
    let public = "http://jpfhir.jp/fhir/clins/Idsystem/JP_PublicPayer_memberID";
    assert_eq!(MemberId::of(public), Some(MemberId::PublicPayer));
    assert_eq!(MemberId::of("http://jpfhir.jp/fhir/core/IdSystem/JP_Coverage_id"), Some(MemberId::Quoted));
    for system in [
        "",
        "http",
        "http:jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID",
        "http:///jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID",
        "http://jpfhir.jp/fhir/core/Idsystem/JP_Insurance_memberID",
        "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberIDs",
        "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID/1234567",
        "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID/1234567x",
        "http://jpfhir.jp/fhir/eCS/Idsystem/JP_Hospital_PatientID",
        "urn:oid:1.2.392.100495.20.3.51.11311234567",
    ] {
        assert_eq!(MemberId::of(system), None, "{system}");
    }
}

#[test]
fn names_are_found_by_representation_script_and_use() {
    let extension =
        |key: &str, code: &str| format!(r#"{{"extension":[{{"url":"{REPRESENTATION}","{key}":"{code}"}}],"#);
    for (json, expected) in [
        (r#"[{"text":"山田花子"}]"#.to_owned(), "山田花子|||"),
        (r#"[{"text":"YAMADA HANAKO"},{"text":"ﾔﾏﾀﾞ ﾊﾅｺ"}]"#.to_owned(), "|ﾔﾏﾀﾞ ﾊﾅｺ|YAMADA HANAKO|"),
        (r#"[{"use":"old","text":"佐藤 花子"},{"use":"official","text":"山田 花子"}]"#.to_owned(), "山田 花子|||佐藤"),
        (r#"[{"use":"maiden","family":"佐藤"},{"text":"山田 花子"}]"#.to_owned(), "山田 花子|||佐藤"),
        (r#"[{"text":"山田 花子"},{"use":"old","text":"サトウ ハナコ"}]"#.to_owned(), "山田 花子|||"),
        (r#"[{"use":"old","text":"佐藤花子"}]"#.to_owned(), "佐藤花子|||"),
        (r#"[{"family":"山田","given":["花","子"],"text":"x"}]"#.to_owned(), "山田 花 子|||"),
        (format!(r#"[{}"text":"ヤマダ　ハナコ"}}]"#, extension("valueString", "IDE")), "|ヤマダ　ハナコ||"),
        (format!(r#"[{}"text":"YAMADA"}}]"#, extension("valueCode", "ABC")), "||YAMADA|"),
        (r#"{"text":"山田"}"#.to_owned(), "山田|||"),
        ("3".to_owned(), "|||"),
        // 通称 beside a legal name that has a reading is another name; beside one in the alphabet alone it is all there is.
        (
            r#"[{"use":"official","text":"LI MEI"},{"use":"official","text":"リ メイ"},{"use":"usual","text":"山田 花子"}]"#
                .to_owned(),
            "|リ メイ|LI MEI|",
        ),
        (
            r#"[{"use":"usual","text":"山田 花子"},{"use":"official","text":"LI MEI"}]"#.to_owned(),
            "山田 花子||LI MEI|",
        ),
        (r#"[{"use":"usual","text":"山田 花子"},{"text":"LI MEI"},{"text":"リ メイ"}]"#.to_owned(), "山田 花子|リ メイ|LI MEI|"),
    ] {
        let mut person = Person::default();
        person.set_all_names(&names(&serde_json::from_str(&json).unwrap()));
        let columns = [Column::NameKanji, Column::NameKana, Column::NameLatin, Column::FormerFamilyKanji];
        assert_eq!(columns.map(|column| person.get(column)).join("|"), expected, "{json}");
    }
}

#[test]
fn an_old_identifier_counts_for_nothing_and_of_current_ones_the_first() {
    let [member, facility, hospital] = [
        "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID",
        "urn:oid:1.2.392.100495.20.3.51.11311234567",
        "http://jpfhir.jp/fhir/eCS/Idsystem/JP_Hospital_PatientID",
    ];
    let id = |of: &str, system: &str, value: &str| format!(r#"{{"use":"{of}","system":"{system}","value":"{value}"}}"#);
    let patient = |ids: &[String]| {
        let line = format!(
            r#"{{"resourceType":"Patient","birthDate":"19830304","name":{{"text":"山田"}},"identifier":[{}]}}"#,
            ids.join(",")
        );
        read(line.as_bytes()).unwrap().0.remove(0)
    };
    let current = [id("official", member, "06132013:1:2:03"), id("usual", facility, "000123")];
    let expected = patient(&current);
    assert!(expected.contains("[1311234567:000123]") && expected.ends_with("|06132013|1|2|03"), "{expected}");
    for (old_member, old_facility) in [("old", "old"), ("secondary", "secondary")] {
        let others = [id(old_member, member, "39131156::9:"), id(old_facility, facility, "9")];
        assert_eq!(patient(&[&current[..], &others].concat()), expected);
    }
    let old = [id("old", member, "39131156::9:"), id("old", facility, "9")];
    assert_eq!(patient(&[&old[..], &current].concat()), expected);
    assert!(patient(&old).contains("[:::::::19830304:山田]"), "{}", patient(&old));
    let hospitals = [id("old", hospital, "7"), id("usual", hospital, "8"), id("usual", hospital, "9")];
    assert!(patient(&hospitals).contains("[8:::::::19830304:山田]"), "{}", patient(&hospitals));
}

#[test]
fn a_member_id_of_another_form_is_left_to_break_a_rule() {
    let mut person = Person::default();
    MemberId::Insurance.read("06132013:1:2", &mut person);
    assert_eq!(person.get(Column::InsurerNumber), "06132013:1:2");
}

#[test]
fn what_is_no_json_is_refused_without_showing_it() {
    assert!(matches!(read(b""), Err(SourceError::NoRows)));
    assert!(matches!(read(b" \n\n"), Err(SourceError::NoRows)));
    let broken = "{\n\"resourceType\": \"Patient\",\n\"birthDate\": カナリア\n}";
    let message = read(broken.as_bytes()).unwrap_err().to_string();
    assert!(message.contains("hint: ") && !message.contains("カナリア"), "{message}");
    assert_eq!(read("山田,花子\n佐藤\n".as_bytes()).unwrap(), (vec![], vec![1, 2]));
}

#[test]
fn an_array_in_place_of_an_object_is_malformed_and_nobody_in_it_is_lost_without_a_word() {
    let patient = GOLDEN.lines().next().unwrap();
    for line in [
        format!("[{patient}]"),
        "[]".to_owned(),
        format!(r#"{{"resourceType":"Bundle","entry":[[{patient}]]}}"#),
        format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":[{patient}]}}]}}"#),
    ] {
        let (rows, malformed) = read(format!("{line}\n{patient}\n").as_bytes()).unwrap();
        assert_eq!((rows.len(), malformed), (1, vec![1]), "{line}");
        assert!(rows[0].starts_with("2 "), "{rows:?}");
    }
    assert!(matches!(read(format!("[\n{patient}\n]").as_bytes()), Err(SourceError::NotJson)));
}

proptest! {
    #[test]
    fn any_bytes_are_rows_malformed_or_a_clear_error(
        bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..GOLDEN.len()
    ) {
        let _ = read(&bytes);
        let mut file = GOLDEN.as_bytes().to_vec();
        file.splice(at..(at + 3).min(GOLDEN.len()), bytes.into_iter().take(4));
        let _ = read(&file);
    }
}
