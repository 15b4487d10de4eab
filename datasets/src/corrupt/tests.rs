use super::*;

fn options(model: CorruptModel) -> CorruptOptions {
    let columns = ["name=latin", "kana=kana", "born=date", "card=digits", "sex=sex"];
    CorruptOptions {
        columns: columns.map(|text| ColumnKind::parse(text).unwrap()).to_vec(),
        swaps: vec![("name".to_owned(), "kana".to_owned())],
        id_column: "id".to_owned(),
        cp932: false,
        model,
        seed: 7,
    }
}

fn input(rows: usize) -> String {
    let mut text = "\u{FEFF}id,name,kana,born,card,sex,note\n".to_owned();
    for row in 0..rows {
        text.push_str(&format!("r{row},Smith,ヤマザキ,1950-03-07,12345678,M,\"a, \"\"b\"\"\"\n"));
    }
    text
}

type Files = (CorruptReport, Vec<Vec<String>>, Vec<Vec<String>>);

fn run(text: &[u8], options: &CorruptOptions) -> Result<Files, DatasetError> {
    let dir = tempfile::tempdir().unwrap();
    let [input, output, truth] = ["in.csv", "out.csv", "truth.csv"].map(|name| dir.path().join(name));
    std::fs::write(&input, text).unwrap();
    let report = corrupt_csv(&input, &output, &truth, options, &mut |_| {});
    if report.is_err() {
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "something was left behind");
    }
    let report = report?;
    assert!(matches!(corrupt_csv(&input, &output, &truth, options, &mut |_| {}), Err(DatasetError::Exists { .. })));
    let read = |path| {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap();
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    };
    Ok((report, read(&output), read(&truth)))
}

#[test]
fn the_same_seed_gives_the_same_files_and_the_truth_joins_them() {
    let options = options(CorruptModel::default());
    let (report, out, truth) = run(input(2000).as_bytes(), &options).unwrap();
    assert_eq!((out.clone(), truth.clone()), {
        let (_, out, truth) = run(input(2000).as_bytes(), &options).unwrap();
        (out, truth)
    });
    assert_eq!((report.rows, report.written_rows, out.len(), truth.len()), (2000, 2000, 2001, 2001));
    assert_eq!(out[0], ["id", "name", "kana", "born", "card", "sex", "note"]);
    let damaged = truth[1..].iter().filter(|row| !row[2].is_empty()).count() as u64;
    assert_eq!(damaged, report.damaged_rows);
    let mut ids = std::collections::HashSet::new();
    for (row, (out, truth)) in out[1..].iter().zip(&truth[1..]).enumerate() {
        assert_eq!((truth[0].clone(), &truth[1]), (format!("r{row}"), &out[0]));
        assert!(ids.insert(out[0].clone()) && out[6] == "a, \"b\"");
        let unchanged = out[1..6] == ["Smith", "ヤマザキ", "1950-03-07", "12345678", "M"];
        assert_eq!(unchanged, truth[2].is_empty());
    }
}

#[test]
fn every_rate_hits_what_it_names() {
    for (name, wanted) in [
        ("keyboard", "keyboard:2"),
        ("ocr", "ocr:5"),
        ("phonetic", "phonetic:3"),
        ("kana", "kana:3"),
        ("date", "date:4"),
        ("sex", "sex:6"),
        ("missing", "missing:2"),
        ("swap", "swap:2"),
    ] {
        let mut model = CorruptModel { typo_character: 1.0, date_day: 1.0, ..CorruptModel::none() };
        assert!(model.set(name, 0.5));
        let (_, _, truth) = run(input(1000).as_bytes(), &options(model)).unwrap();
        let hits = truth.iter().filter(|row| row[2].split('+').any(|error| error == wanted)).count();
        assert!((380..620).contains(&hits), "{name}: {hits}");
    }
    let (report, ..) =
        run(input(1000).as_bytes(), &options(CorruptModel { left_out: 0.25, ..CorruptModel::none() })).unwrap();
    assert!((680..820).contains(&report.written_rows) && report.damaged_rows == 0);
}

#[test]
fn what_cannot_be_read_leaves_nothing_behind() {
    let model = CorruptModel::default;
    // A file without a header begins with a person.
    let told = run("海老原,x\n".as_bytes(), &options(model())).unwrap_err();
    assert!(matches!(told, DatasetError::UnknownColumn { columns: 2, .. }) && !told.to_string().contains("海老原"));
    let short = input(3) + "r9,Smith\n";
    assert!(matches!(run(short.as_bytes(), &options(model())), Err(DatasetError::Cells { row: 5 })));
    let bad = [input(1).as_bytes(), b"r9,\xFF,,,,,\n"].concat();
    assert!(matches!(run(&bad, &options(model())), Err(DatasetError::Bytes { row: 3, column }) if column == "name"));
    assert!(
        matches!(run(b"id,\xFF\n", &options(model())), Err(DatasetError::Bytes { row: 1, column }) if column == "2")
    );
    assert!(matches!(run(b"", &options(model())), Err(DatasetError::EmptyFile)));
    assert!(run(input(1).as_bytes(), &options(CorruptModel { ocr: 2.0, ..model() })).is_err());
    for text in ["name", "name=word", "=latin"] {
        assert!(matches!(ColumnKind::parse(text), Err(DatasetError::ColumnKind { .. })));
    }
}

#[test]
fn the_id_is_never_damaged_and_every_row_has_one_of_its_own() {
    let model = CorruptModel { keyboard: 1.0, swap: 1.0, ..CorruptModel::none() };
    let plain = options(model);
    let damaged = CorruptOptions { columns: vec![("id".to_owned(), ColumnKind::Digits)], ..plain.clone() };
    let left = CorruptOptions { swaps: vec![("id".to_owned(), "name".to_owned())], ..plain.clone() };
    let right = CorruptOptions { swaps: vec![("name".to_owned(), "id".to_owned())], ..plain.clone() };
    for options in [damaged, left, right] {
        let refused = run(input(3).as_bytes(), &options);
        assert!(matches!(refused, Err(DatasetError::IdColumn { column }) if column == "id"));
    }
    let (_, _, truth) = run(input(3).as_bytes(), &plain).unwrap();
    assert!(truth[1..].iter().map(|row| row[0].as_str()).eq(["r0", "r1", "r2"]));

    // Rows that are left out count as well: the input has them.
    for model in [plain.model.clone(), CorruptModel { left_out: 1.0, ..CorruptModel::none() }] {
        let options = CorruptOptions { model, ..plain.clone() };
        let refused = run((input(3) + " r1 ,a,ア,1950-01-01,1,M,\n").as_bytes(), &options).unwrap_err();
        assert!(matches!(refused, DatasetError::RepeatedId { row: 5, first: 3 }));
        assert!(!refused.to_string().contains("r1"), "{refused}");
        let refused = run((input(3) + " ,a,ア,1950-01-01,1,M,\n").as_bytes(), &options);
        assert!(matches!(refused, Err(DatasetError::EmptyId { row: 5 })));
    }
}

#[test]
fn values_are_damaged_as_often_in_every_width_and_script_and_stay_so() {
    let none = CorruptModel::none();
    let typos = CorruptModel { kana: 0.5, typo_voicing: 0.4, typo_character: 0.3, typo_swap: 0.1, ..none };
    let model = CorruptModel { phonetic: 0.2, typo_long_vowel: 0.2, ..typos };
    let damaged = |kana: &str| {
        let text = input(1000).replace("ヤマザキ", kana);
        let (_, out, truth) = run(text.as_bytes(), &options(model.clone())).unwrap();
        let kinds: Vec<String> = truth.into_iter().map(|row| row[2].clone()).collect();
        (out[1..].iter().map(|row| row[2].clone()).collect::<Vec<_>>(), kinds)
    };
    let (katakana, kinds) = damaged("ヤマザキ");
    let (half, of_half) = damaged("ﾔﾏｻﾞｷ");
    let (hiragana, of_hiragana) = damaged("やまざき");
    assert_eq!((&kinds, &kinds), (&of_half, &of_hiragana));
    assert!(half.iter().all(|kana| kana.chars().all(|c| ('｡'..='ﾟ').contains(&c))));
    assert!(hiragana.iter().all(|kana| kana.chars().all(|c| ('ぁ'..='ゖ').contains(&c))));
    assert!(katakana.iter().filter(|kana| *kana != "ヤマザキ").count() > 400);

    let model = CorruptModel { keyboard: 0.5, date: 0.5, date_day: 0.5, date_year: 0.5, ..CorruptModel::none() };
    let damaged = |text: &str| run(text.as_bytes(), &options(model.clone())).unwrap();
    let wide = input(1000).replace("12345678", "１２３４５６７８").replace("1950-03-07", "１９５０－０３－０７");
    let ((narrow, ..), (wide, out, _)) = (damaged(&input(1000)), damaged(&wide));
    assert_eq!(narrow, wide);
    assert!(out[1..].iter().all(|row| row[3..5].iter().all(|value| !value.chars().any(|c| c.is_ascii()))));
}

#[test]
fn what_is_named_twice_is_refused() {
    let plain = options(CorruptModel::default());
    let two_kinds = CorruptOptions {
        columns: [plain.columns.clone(), vec![("name".to_owned(), ColumnKind::Kanji)]].concat(),
        ..plain.clone()
    };
    let with_itself = CorruptOptions { swaps: vec![("name".to_owned(), "name".to_owned())], ..plain.clone() };
    for options in [two_kinds, with_itself] {
        let refused = run(input(3).as_bytes(), &options);
        assert!(matches!(refused, Err(DatasetError::NamedTwice { column }) if column == "name"));
    }
    let refused = run(input(3).replacen("note", "name", 1).as_bytes(), &plain);
    assert!(matches!(refused, Err(DatasetError::HeaderTwice { column }) if column == "name"));
    // The copy stood there without its truth, under an exit code that says that nothing was written.
    let dir = tempfile::tempdir().unwrap();
    let [from, to] = ["in.csv", "out.csv"].map(|name| dir.path().join(name));
    std::fs::write(&from, input(3)).unwrap();
    let refused = corrupt_csv(&from, &to, &to, &plain, &mut |_| {});
    assert!(matches!(refused, Err(DatasetError::OneFile { .. })) && !to.exists());
}

#[test]
fn the_first_dates_of_the_calendar_can_be_damaged_too() {
    let options =
        options(CorruptModel { date: 1.0, date_swap: 0.15, date_day: 0.5, date_year: 0.5, ..CorruptModel::none() });
    for first in ["0000-02-29", "0000-01-01", "00000101"] {
        let rows: String = (0..200).map(|row| format!("r{row},a,ヤマダ,{first},1,M,\n")).collect();
        let (report, out, _) = run(format!("id,name,kana,born,card,sex,note\n{rows}").as_bytes(), &options).unwrap();
        assert_eq!((report.written_rows, report.damaged_rows), (200, 200), "{first}");
        for row in &out[1..] {
            let digits: String = row[3].chars().filter(char::is_ascii_digit).collect();
            assert!(digits.len() == 8 && row[3] != first, "{first}: {}", row[3]);
        }
    }
}

#[test]
fn cp932_is_read() {
    let (bytes, ..) =
        encoding_rs::SHIFT_JIS.encode("id,name,kana,born,card,sex,氏名\nr0,a,ヤマダ,1950-01-01,1,M,髙橋\n");
    let options = CorruptOptions { cp932: true, ..options(CorruptModel::none()) };
    let (_, out, _) = run(&bytes, &options).unwrap();
    assert_eq!(out[1][6], "髙橋");
}
