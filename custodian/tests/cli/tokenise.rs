//! `tokenise` and `check` on CSV.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use arrow::array::AsArray;
use custodian::refs::{RecordId, SiteKey, record_ref};
use expect_test::expect;
use linkage_core::token_file::TokenFileReader;

use crate::site::{HEADER, Site, people, troubled};

#[test]
fn a_sound_extract_becomes_a_token_file_that_a_person_can_inspect() {
    let site = Site::new();
    site.write("people.csv", people(30));
    site.tokenise("people.csv -o ndb.tokens").check(&expect![[r#"
        exit 0
        wrote `ndb.site-key`: your site key; keep it, without it no result can be mapped back
        wrote `ndb.tokens`: 30 of 30 rows, N bytes, density N %, N rows/s"#]]);
    site.run("inspect --site-key ndb.site-key ndb.tokens").check(&expect![[r#"
        exit 0
        database       ndb
        schema         person-ja (HASH)
        profile        standard
        key check      f7fa78322cda478c
        normalisation  ja/1
        records        30
        density        N %
        file           N bytes, format 1
        payload        blake3 HASH

        column                bytes  filled
        record_ref               16  100 %
        clk                     128  100 %
        presence                  2  100 %
        exact_insured_person     16  100 %
        exact_insured_name       16  100 %

        rows             which fields went into the CLK
        30               all fields

        Not in this file: names, dates, numbers or any other value in clear; record ids; the order of the
        extract; the linkage secret; the site key. Verified to its last byte."#]]);
    assert_eq!(site.run("inspect --identity unit.key ndb.tokens").code(), 0, "the linkage unit opens it too");
    let files = site.files();
    let left: Vec<_> = files.iter().filter(|name| name.starts_with('.')).collect();
    assert!(left.is_empty(), "temporary files were left behind: {left:?}");
    // A second extract of the same database finds the site key again.
    let again = site.tokenise("--force people.csv -o ndb.tokens");
    assert_eq!((again.code(), site.files()), (0, files));
    assert!(!again.stderr().contains("site-key"));
}

#[test]
fn rows_and_values_that_break_rules_are_counted_by_row_and_rule() {
    let site = Site::new();
    site.write("people.csv", troubled());
    site.tokenise("people.csv -o ndb.tokens").check(&expect![[r#"
        exit 3
        set aside: wrong-field-count, another number of fields than the header: 1 (rows 36)
        set aside: no-record-id, no record id: 1 (rows 37)
        set aside: nothing-present, no field left to encode: 1 (rows 39)
        set aside: duplicate-record-id, the record id of an earlier row: 1 (rows 38)
        missing: `family_kana` unreadable, nothing but characters that cannot be read (●, 〓, 外字): 1 (rows 35)
        missing: `family_kana` not-kana, not written in kana: 1 (rows 32)
        missing: `family_kanji` no-kanji, no kanji (the kana column carries such a name): 1 (rows 33)
        missing: `birth_date` not-a-date, not a calendar date: 1 (rows 32)
        missing: `birth_date` partial-date, a date without month or day: 1 (rows 33)
        missing: `birth_date` year-out-of-range, a date before 1850 or after 2199: 1 (rows 35)
        kept: `birth_date` out-of-era, a date outside its era, converted by its year: 1 (rows 34)
        missing: `sex` unknown-sex, not a known sex code: 1 (rows 33)
        missing: `postal_code` not-a-postal-code, not a postal code of 3 to 7 digits: 1 (rows 33)
        missing: `insurer_number` not-an-insurer-number, not an insurer number of 4 to 8 digits: 1 (rows 33)
        kept: `insurer_number` check-digit, the check digit does not fit; the number is used as it is: 1 (rows 34)
        missing: `insured_symbol` not-a-symbol, signs other than letters and digits: 1 (rows 33)
        missing: `insured_branch` not-a-branch, not a branch number of 1 or 2 digits: 1 (rows 33)
        wrote `ndb.site-key`: your site key; keep it, without it no result can be mapped back
        wrote `ndb.tokens`: 34 of 38 rows, N bytes, density N %, N rows/s"#]]);
    site.run("check --schema person-ja --id-column id people.csv").check(&expect![[r#"
        exit 3
        rows       38
        to write   at least 30
        set aside  <10
        opted out  0

        field           filled
        family_kana     in all but <10 rows
        given_kana      in all but <10 rows
        family_kanji    in all but <10 rows
        given_kanji     in all but <10 rows
        birth_date      in all but <10 rows
        sex             in all but <10 rows
        postal_code     in all but <10 rows
        insurer_number  in all but <10 rows
        insured_symbol  in all but <10 rows
        insured_number  in all but <10 rows
        insured_branch  in all but <10 rows

        set aside: wrong-field-count, another number of fields than the header: <10 (rows 36)
        set aside: no-record-id, no record id: <10 (rows 37)
        set aside: nothing-present, no field left to encode: <10 (rows 39)
        set aside: duplicate-record-id, the record id of an earlier row: <10 (rows 38)
        missing: `family_kana` unreadable, nothing but characters that cannot be read (●, 〓, 外字): <10 (rows 35)
        missing: `family_kana` not-kana, not written in kana: <10 (rows 32)
        missing: `family_kanji` no-kanji, no kanji (the kana column carries such a name): <10 (rows 33)
        missing: `birth_date` not-a-date, not a calendar date: <10 (rows 32)
        missing: `birth_date` partial-date, a date without month or day: <10 (rows 33)
        missing: `birth_date` year-out-of-range, a date before 1850 or after 2199: <10 (rows 35)
        kept: `birth_date` out-of-era, a date outside its era, converted by its year: <10 (rows 34)
        missing: `sex` unknown-sex, not a known sex code: <10 (rows 33)
        missing: `postal_code` not-a-postal-code, not a postal code of 3 to 7 digits: <10 (rows 33)
        missing: `insurer_number` not-an-insurer-number, not an insurer number of 4 to 8 digits: <10 (rows 33)
        kept: `insurer_number` check-digit, the check digit does not fit; the number is used as it is: <10 (rows 34)
        missing: `insured_symbol` not-a-symbol, signs other than letters and digits: <10 (rows 33)
        missing: `insured_branch` not-a-branch, not a branch number of 1 or 2 digits: <10 (rows 33)"#]]);
    let report = site.run("check --schema person-ja --id-column id --json --rows 0 people.csv");
    let json: serde_json::Value = serde_json::from_str(&report.stdout()).unwrap();
    assert_eq!(json["findings"]["set_aside"][0]["rows"], "<10");
    assert_eq!(json["findings"]["set_aside"][0]["first_rows"], serde_json::json!([]));
}

#[test]
fn several_files_are_read_as_one() {
    let site = Site::new();
    let text = people(300);
    let lines: Vec<&str> = text.lines().collect();
    site.write("people.csv", &text);
    site.write("a.csv", format!("{HEADER}\n{}\n", lines[1..100].join("\n")));
    site.write("b.csv", format!("{HEADER}\n{}\n", lines[100..].join("\n")));
    assert_eq!(site.payload("a.csv b.csv"), site.payload("people.csv"));
}

#[test]
fn the_order_of_the_extract_does_not_show() {
    let site = Site::new();
    let text = people(200);
    let mut lines: Vec<&str> = text.lines().skip(1).collect();
    site.write("people.csv", &text);
    let payload = site.payload("people.csv");
    lines.reverse();
    site.write("reversed.csv", format!("{HEADER}\n{}\n", lines.join("\n")));
    assert_eq!(site.payload("reversed.csv"), payload);
}

#[test]
fn cp932_and_utf_8_with_or_without_a_mark_make_the_same_tokens() {
    let site = Site::new();
    let text = people(100) + "r1,ｻﾄｳ,ﾊﾅｺ,髙橋,花子,昭和58年3月4日,女,100-0001,06132013,１２,３４,5\n";
    let (cp932, _, lossy) = encoding_rs::SHIFT_JIS.encode(&text);
    assert!(!lossy);
    site.write("utf8.csv", &text);
    site.write("mark.csv", format!("\u{FEFF}{}", text.replace('\n', "\r\n")));
    site.write("cp932.csv", &cp932);
    let payload = site.payload("utf8.csv");
    assert_eq!(site.payload("mark.csv"), payload);
    assert_eq!(site.payload("--encoding cp932 cp932.csv"), payload);
}

#[test]
fn neither_threads_nor_memory_nor_stdin_change_a_bit() {
    let site = Site::new();
    let text = people(5000) + &troubled()[HEADER.len() + 1..];
    site.write("people.csv", &text);
    let payload = site.payload("people.csv");
    for options in ["--threads 1", "--threads 2", "--threads 5", "--sort-bytes 1", "--sort-bytes 30000 --threads 3"] {
        assert_eq!(site.payload(&format!("{options} people.csv")), payload, "{options}");
    }
    let mut command = site.command(
        "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --id-column id \
         --site-key site.key --force --json -o payload.tokens -",
    );
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(summary["payload_blake3"], payload);
}

#[test]
fn people_who_opted_out_are_left_out_before_encoding() {
    let site = Site::new();
    site.write("people.csv", people(40));
    site.write("optout.txt", "p3\r\n p17 \n\nnobody\n");
    let run = site.tokenise("--opt-out optout.txt people.csv -o ndb.tokens");
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert!(run.stderr().contains("opted out: 2 of 3 listed ids\nwarning: "), "{}", run.stderr());
    assert!(run.stderr().contains("left out: rows of people who opted out: 2\n"), "{}", run.stderr());
    let without: Vec<String> =
        people(40).lines().filter(|l| !l.starts_with("p3,") && !l.starts_with("p17,")).map(str::to_owned).collect();
    site.write("without.csv", without.join("\n"));
    assert_eq!(site.payload("--opt-out optout.txt people.csv"), site.payload("without.csv"));
}

#[test]
fn a_list_of_people_who_opted_out_that_fits_nobody_is_never_passed_over() {
    let site = Site::new();
    site.write("people.csv", people(40));
    site.write("nobody.txt", "X1\nX2\n01\n");
    site.write("most.txt", (0..30).map(|n| format!("p{n}\n")).collect::<String>() + "01\n");
    site.write("all.txt", "p3\np3\np17\n");
    let run = |list: &str| site.tokenise(&format!("--force --json --opt-out {list} people.csv -o ndb.tokens"));
    let ids = |run: &crate::site::Run| -> serde_json::Value {
        let summary: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
        summary["opt_out"].clone()
    };
    let nobody = run("nobody.txt");
    let warning = "opted out: 0 of 3 listed ids\nwarning: NOBODY HAS BEEN LEFT OUT";
    assert!(nobody.code() == 0 && nobody.stderr().contains(warning), "{}", nobody.stderr());
    assert!(nobody.stderr().contains("hint: ") && !nobody.stderr().contains("X1"), "{}", nobody.stderr());
    assert_eq!(ids(&nobody), serde_json::json!({ "listed_ids": 3, "found_ids": 0 }));
    let all = run("all.txt");
    assert!(all.stderr().contains("opted out: 2 of 2 listed ids\n"), "{}", all.stderr());
    assert!(!all.stderr().contains("warning: "), "{}", all.stderr());
    // In what may be passed on, neither few ids nor few that are missing are counted.
    for command in ["check", "report"] {
        let shown =
            site.run(&format!("{command} --json --schema person-ja --id-column id --opt-out most.txt people.csv"));
        assert!(shown.stderr().contains("opted out: at least 30 of 31 listed ids\nwarning: "), "{}", shown.stderr());
        assert!(shown.stderr().contains("that are not in the extract: <10\n"), "{}", shown.stderr());
        assert_eq!(ids(&shown), serde_json::json!({ "listed_ids": 31, "found_ids": "at least 30" }));
    }
}

#[test]
fn a_value_with_bytes_that_cannot_be_decoded_is_counted_once_and_by_what_became_of_it() {
    let site = Site::new();
    let mut text = people(30).into_bytes();
    text.extend_from_slice("q1,ヤマ\u{1},ハナコ,\u{1},花子,1983\u{1}304,1,1000000,06132013,1,2,00\n".as_bytes());
    let text: Vec<u8> = text.into_iter().map(|byte| if byte == 1 { 0xFF } else { byte }).collect();
    site.write("people.csv", text);
    let run = site.run("check --schema person-ja --id-column id --json people.csv");
    let json: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    let broken: Vec<String> = json["findings"]["broken"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| format!("{} {} {}", found["field"], found["rule"], found["value"]).replace('"', ""))
        .collect();
    assert_eq!(
        broken,
        [
            "family_kana undecodable-bytes kept, with wildcards",
            "family_kanji undecodable-bytes missing",
            "birth_date undecodable-bytes missing"
        ]
    );
    let shown = site.run("check --schema person-ja --id-column id people.csv").stdout();
    assert!(shown.contains("kept, with wildcards: `family_kana` undecodable-bytes, "), "{shown}");
}

#[test]
fn the_custodian_alone_maps_refs_back() {
    let site = Site::new();
    site.write("people.csv", people(40));
    site.payload("people.csv");
    let refs_of = |key: &SiteKey| -> BTreeSet<[u8; 16]> {
        let refs = key.refs(&"ndb".parse().unwrap());
        (0..40).map(|n| record_ref(&refs, RecordId::Column(&format!("p{n}"))).0).collect()
    };
    let key = SiteKey::load(&site.path("site.key")).unwrap();
    let file = fs::File::open(site.path("payload.tokens")).unwrap();
    let mut reader = TokenFileReader::open(file, key.identity()).unwrap();
    let mut found = BTreeSet::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        found.extend(batch.column(0).as_fixed_size_binary().iter().map(|r| <[u8; 16]>::try_from(r.unwrap()).unwrap()));
    }
    reader.finish().unwrap();
    assert_eq!(found, refs_of(&key));
    assert!(found.is_disjoint(&refs_of(&SiteKey::generate())));
}

#[test]
fn profile_hardening_and_noise_are_shown_where_a_person_reads_them() {
    let site = Site::new();
    site.write("people.csv", people(30));
    let tokenise = |schema: &str| {
        let rest = "--secret linkage.secret --to unit.pub --id-column id --force people.csv -o ndb.tokens";
        let done = site.run(&format!("tokenise --database ndb --schema {schema} {rest}"));
        assert_eq!(done.code(), 0, "{}", done.stderr());
        let inspected = site.run("inspect --site-key ndb.site-key ndb.tokens");
        (done.stderr(), inspected.stdout())
    };
    let (said, shown) = tokenise("person-ja-hardened");
    assert!(said.contains("hardening: diffusion rho 0.03 density 0.412857 inputs 3"), "{said}");
    assert!(shown.contains("profile        hardened\nhardening      diffusion rho 0.03"), "{shown}");
    let (said, shown) = tokenise("person-ja-max-quality");
    assert!(said.contains("the permit must sign off its risk"), "{said}");
    assert!(shown.contains("profile        max-quality"), "{shown}");
    let (_, shown) = tokenise("person-ja-blocked");
    assert!(shown.contains("block_family_year        16  100 %"), "{shown}");
    let schema = include_str!("../../../linkage-core/schemas/person-ja-hardened.json");
    site.write(
        "noisy.json",
        schema.replace(r#""kind": "diffusion", "rho": "0.03""#, r#""kind": "blip", "flip": "0.05""#),
    );
    let (said, _) = tokenise("noisy.json");
    assert!(
        said.contains("hardening: blip flip 0.05: ε 3.66 per bit, 3751 per record; noise, not anonymity"),
        "{said}"
    );
}
