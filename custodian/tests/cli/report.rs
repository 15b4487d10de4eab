//! `report`.

use std::fs;

use expect_test::expect;

use crate::site::{HEADER, Site, people, troubled};

/// People as a clerk writes them: half-width kana, hiragana, spaces, variants of kanji, era dates.
fn written_otherwise() -> String {
    let mut text = people(40);
    for n in 0..20 {
        text += &format!("r{n},ｻﾄｳ,はなこ,髙橋　,花子,S58.3.{},女,100-0001,06132013,1,{n}00,5\n", n % 28 + 1);
    }
    text
}

#[test]
fn a_report_counts_changes_uniqueness_and_coverage_and_hides_small_counts() {
    let site = Site::new();
    site.write("people.csv", written_otherwise() + "s1,サ●ウ,,佐々木,,19830304,1,,,,,\n");
    let run = site.run("report --schema person-ja --id-column id --secret linkage.secret people.csv");
    run.check(&expect![[r#"
        exit 0
        rows read                         61
        to write                          61
        set aside                         0
        opted out                         0
        merged into a newer row           0
        repeated record ids               0
        rows with the values of another   0

        field           filled            altered           held by one row   distinct values
        family_kana     100 %             34 %              67 %              42
        given_kana      all but <10 rows  33 %              66 %              at least 40
        family_kanji    100 %             34 %              63 %              41
        given_kanji     all but <10 rows  0 %               66 %              at least 40
        birth_date      100 %             32 %              all but <10 rows  at least 60
        sex             100 %             32 %              0 %               2
        postal_code     all but <10 rows  33 %              66 %              at least 40
        insurer_number  all but <10 rows  0 %               0 %               at least 0
        insured_symbol  all but <10 rows  0 %               66 %              at least 40
        insured_number  all but <10 rows  0 %               100 %             at least 60
        insured_branch  all but <10 rows  33 %              0 %               at least 0

        of one row alone  rows that have it  combination
        100 %             100 %              birth_date + sex
        100 %             all but <10 rows   birth_date + sex + postal_code
        100 %             all but <10 rows   birth_date + family_kana + given_kana
        100 %             all but <10 rows   birth_date + family_kana + given_kana + sex
        100 %             all but <10 rows   birth_date + family_kanji + given_kanji
        100 %             100 %              family_kana + given_kana + family_kanji + given_kanji + birth_date + sex + postal_code

        exact token           covered
        insured_person        all but <10 rows
        insured_name          all but <10 rows

        field                 values         count  change
        family_kana               20            60  width, half or full width made alike
        family_kana              <10             -  unreadable, a character that cannot be read (●, 〓, 外字) made a wildcard
        given_kana                20            60  hiragana, hiragana to katakana
        family_kanji             <10             -  iteration-mark, an iteration mark written out (々, ヽ)
        family_kanji              20            20  variant-kanji, a variant of a kanji replaced (髙, 﨑, …)
        family_kanji              20            20  space, a space dropped
        birth_date                20            20  date-form, a date written anew (values)
        sex                       20            20  code, a sex put as its code (values)
        postal_code               20            20  separator, a separator within a number dropped
        insured_branch            20            20  padding, a number brought to its usual length (values)

        CLK density: 41.5 % in the mean
         26 % and more  <10 rows
         38 % and more  <10 rows
         40 % and more  63 %              ###############################
         42 % and more  32 %              ################

        Counts from 1 to 9 are not shown. No value is."#]]);
}

#[test]
fn the_page_needs_nothing_from_outside_and_shows_no_value() {
    let site = Site::new();
    let canary = "CANARYカナリア金糸雀";
    let row = [canary; 12].join(",");
    site.write("people.csv", format!("{}{row}\n{canary},カナリア,,金糸雀,,19830304,1,,,,,\n", troubled()));
    let run = site.run("report --schema person-ja --id-column id --html report.html --json people.csv");
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let page = fs::read_to_string(site.path("report.html")).unwrap();
    for text in [&page, &run.stdout(), &run.stderr()] {
        for part in ["CANARY", "カナリア", "金糸雀", "19830304"] {
            assert!(!text.contains(part), "{text}");
        }
    }
    for outside in ["http:", "https:", "<script", "@import", "url(", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
    let json: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(json["fields"][0]["field"], "family_kana");
    assert_eq!(json["clk_density"], serde_json::Value::Null, "no secret, no density");
    let again = site.run("report --schema person-ja --id-column id --html report.html people.csv");
    assert!(again.code() == 1 && again.stderr().contains("--force"), "{}", again.stderr());
}

#[test]
fn the_limit_of_small_cells_can_be_raised_and_not_lowered() {
    let site = Site::new();
    site.write("people.csv", people(40));
    let report =
        |limit: u32| site.run(&format!("report --schema person-ja --id-column id --small-cell {limit} people.csv"));
    assert_eq!(report(9).code(), 2);
    assert!(report(10).stdout().contains("rows read                         40\n"), "{}", report(10).stdout());
    assert!(report(50).stdout().contains("rows read                         <50\n"), "{}", report(50).stdout());
}

#[test]
fn no_count_of_few_rows_is_in_any_form_of_the_report() {
    let site = Site::new();
    site.write("people.csv", people(37));
    site.write("two.csv", people(2));
    for (count, file) in [("37", "--small-cell 50 people.csv"), ("2", "two.csv")] {
        let report = |form: &str| {
            let run = site.run(&format!("report --schema person-ja --id-column id --rows 0 {form} {file}"));
            assert_eq!(run.code(), 0, "{}", run.stderr());
            run.stdout()
        };
        let text = report("");
        assert!(text.contains("to write                          at least 0\n"), "{text}");
        assert!(text.split_whitespace().all(|word| word != count), "{text}");
        let json = report("--json");
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["totals"]["to_write"], "at least 0");
        assert!(!json.contains(&format!("\"{count}\"")) && !json.contains(&format!(": {count}")), "{json}");
        report("--force --html report.html");
        let page = fs::read_to_string(site.path("report.html")).unwrap();
        assert!(page.contains("<b>at least 0</b><span>to write</span>"), "{page}");
        assert!(!page.contains(&format!(">{count}<")), "{page}");
    }
}

#[test]
fn injected_damage_equals_reported_damage() {
    let site = Site::new();
    let mut text = format!("{HEADER}\n");
    let count = |n: usize, every: usize| n.is_multiple_of(every);
    for n in 0..1000 {
        let space = if count(n, 4) { "　" } else { "" };
        let small = if count(n, 5) { "ッ" } else { "" };
        let variant = if count(n, 8) { "髙" } else { "高" };
        let date = if count(n, 10) { "19831340" } else { "19830304" };
        text += &format!("p{n},サト{space}ウ{small},ハナコ,{variant}橋,花子,{date},1,1000000,06132013,1,{n},00\n");
    }
    site.write("people.csv", text);
    let run = site.run("report --schema person-ja --id-column id --json people.csv");
    let json: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    let changes: Vec<String> = json["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            format!("{} {} {} {}", change["field"], change["change"], change["values"], change["count"])
                .replace('"', "")
        })
        .collect();
    assert_eq!(
        changes,
        ["family_kana small-kana 200 200", "family_kana space 250 250", "family_kanji variant-kanji 125 125"]
    );
    let broken = json["findings"]["broken"].as_array().unwrap();
    assert_eq!((broken.len(), &broken[0]["rule"], &broken[0]["rows"]), (1, &"not-a-date".into(), &100.into()));
}
