//! Whole evaluations over small files that are worked out by hand.

use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: EvaluateArgs,
}

const HEADER: &str = "rec_id,given_name,surname,street_number,address_1,address_2,suburb,postcode,state,date_of_birth";
const ANN: &str = "ann,lee,1,park st,,city,2000,nsw,19700101";
const BOB: &str = "robert,montgomery,7,hill road,,bay,3001,vic,19511231";
const EVE: &str = "evelyn,papadopoulos,22,long lane,,port,4002,qld,20000229";

/// A folder with two tables: Ann and Bob in both, Eve in the right one alone.
pub(super) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let table = |rows: &[(&str, &str)]| {
        let rows: Vec<String> = rows.iter().map(|(id, row)| format!("{id},{row}")).collect();
        format!("{HEADER}\n{}\n", rows.join("\n"))
    };
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.csv", table(&[("1", ANN), ("2", BOB)]));
    write("b.csv", table(&[("x", BOB), ("y", ANN), ("z", EVE)]));
    write("c.csv", table(&[("p", ANN), ("q", EVE)]));
    write("pairs.csv", "left_id,right_id\n1,y\n2,x\n9,z\n".to_owned());
    write(
        "persons.csv",
        "database,record_id,person,sex,errors\na,1,1,f,\na,2,2,m,kana+date\nb,x,2,m,\nb,y,1,f,\nb,z,3,f,\nc,p,1,f,\nc,q,3,f,swap\n"
            .to_owned(),
    );
    folder
}

pub(super) fn evaluate(folder: &Path, line: &str) -> anyhow::Result<ExitCode> {
    run(parsed(folder, line).unwrap())
}

/// The arguments of a line in which `@` stands for the folder.
pub(super) fn parsed(folder: &Path, line: &str) -> Result<EvaluateArgs, clap::Error> {
    let words = line.split_whitespace().map(|word| match word.split_once('@') {
        Some((before, name)) => format!("{before}{}", folder.join(name).display()),
        None => word.to_owned(),
    });
    Line::try_parse_from(std::iter::once("linkage".to_owned()).chain(words)).map(|line| line.args)
}

pub(super) fn measures(path: PathBuf) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(super) fn value(measures: &[Value], of: &str, group: Option<&str>, measure: &str, threshold: Option<f64>) -> f64 {
    let found = measures.iter().filter(|m| {
        m["of"] == of
            && m["measure"] == measure
            && m["group"].as_str() == group
            && threshold.is_none_or(|threshold| m["threshold"].as_f64() == Some(threshold))
    });
    found.map(|m| m["value"].as_f64().unwrap()).next().unwrap_or_else(|| panic!("{of} {group:?} {measure}"))
}

#[test]
fn few_people_have_no_intervals_and_are_told_so() {
    let folder = folder();
    evaluate(folder.path(), "links @pairs.csv --truth @pairs.csv --results @r.json").unwrap();
    let all = measures(folder.path().join("r.json"));
    let recall = all.iter().find(|m| m["measure"] == "recall").unwrap();
    assert_eq!((recall["value"].as_f64(), recall["low"].as_f64()), (Some(1.0), None));
    assert_eq!(report::spread(200, None).unwrap(), "95 % of the links: too few people for intervals, there must be 10");
    assert_eq!(report::spread(0, None), None);
}

/// Right links, wrong links, and true pairs that are missing.
pub(super) fn counts(results: &Path) -> [f64; 3] {
    let all = measures(results.to_owned());
    ["true_positives", "false_positives", "false_negatives"].map(|name| value(&all, "links", None, name, None))
}

#[test]
fn two_tables_with_truth_by_pair() {
    let folder = folder();
    let line = "--left @a.csv --right @b.csv --truth @pairs.csv --schema person-en --results @r.json -o @links.csv";
    evaluate(folder.path(), line).unwrap();
    let all = measures(folder.path().join("r.json"));
    assert_eq!(value(&all, "links", None, "f1", Some(0.95)), 1.0);
    assert_eq!(value(&all, "candidates", None, "pair_completeness", None), 1.0);
    let links = std::fs::read_to_string(folder.path().join("links.csv")).unwrap();
    let expected = "source_dataset_l,unique_id_l,source_dataset_r,unique_id_r,dice,exact\nleft,1,right,y,1.0,false\nleft,2,right,x,1.0,false\n";
    assert_eq!(links, expected);
}

#[test]
fn three_tables_with_truth_by_person_and_subgroups() {
    let folder = folder();
    let line = "--table a=@a.csv --table b=@b.csv --table c=@c.csv --truth @persons.csv --schema person-en \
                --results @r.json --clusters @clusters.parquet";
    evaluate(folder.path(), line).unwrap();
    let all = measures(folder.path().join("r.json"));
    // Ann in three tables makes three pairs, Bob and Eve one each.
    assert_eq!(value(&all, "links", None, "true_positives", None), 5.0);
    assert_eq!(value(&all, "group", Some("sex=f"), "true_positives", None), 4.0);
    assert_eq!(value(&all, "group", Some("errors=kana"), "true_positives", None), 1.0);
    assert_eq!(value(&all, "group", Some("errors=swap"), "recall", None), 1.0);

    // The clusters come back in as somebody else's links, from Parquet.
    let line = "links @clusters.parquet --truth @persons.csv --results @again.json";
    evaluate(folder.path(), line).unwrap();
    let again = measures(folder.path().join("again.json"));
    assert_eq!(value(&again, "links", None, "true_positives", None), 5.0);
    assert_eq!(value(&again, "links", None, "false_positives", None), 0.0);
}

#[test]
fn links_and_labels_in_splinks_columns() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "predictions.csv",
        "match_weight,match_probability,source_dataset_l,unique_id_l,source_dataset_r,unique_id_r\n\
         9,0.99,a,1,b,y\n2,0.7,a,2,b,x\n1,0.6,a,2,b,z\n",
    );
    write(
        "labels.csv",
        "unique_id_l,source_dataset_l,unique_id_r,source_dataset_r,clerical_match_score\n1,a,y,b,1.0\n2,a,x,b,1.0\n2,a,z,b,0.0\n",
    );
    for (from, expected) in [("0.5", [2.0, 1.0, 0.0]), ("0.9", [1.0, 0.0, 1.0])] {
        let line = format!("links @predictions.csv --truth @labels.csv --from {from} --results @r{from}.json");
        evaluate(folder.path(), &line).unwrap();
        let results = folder.path().join(format!("r{from}.json"));
        assert_eq!(counts(&results), expected);
        // The curve is over all rows, whatever --from says.
        let curve = measures(results);
        let wrong = [0.65, 0.7, 0.9].map(|at| value(&curve, "pairs", None, "false_positives", Some(at)));
        let right = [0.65, 0.7, 0.9].map(|at| value(&curve, "pairs", None, "true_positives", Some(at)));
        assert_eq!((right, wrong), ([2.0, 2.0, 1.0], [0.0; 3]));
    }
}

#[test]
fn links_that_nobody_labelled_are_not_judged() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "predictions.csv",
        "source_dataset_l,unique_id_l,source_dataset_r,unique_id_r\na,1,b,y\na,2,b,x\na,2,b,z\na,7,b,7\n",
    );
    let labels = "unique_id_l,source_dataset_l,unique_id_r,source_dataset_r";
    write("labels.csv", &format!("{labels},clerical_match_score\n1,a,y,b,1\n2,a,z,b,0\n2,a,w,b,0.9\n"));
    write("complete.csv", &format!("{labels}\n1,a,y,b\n2,a,w,b\n"));
    for (truth, expected) in [("labels", [1.0, 1.0, 1.0]), ("complete", [1.0, 3.0, 1.0])] {
        evaluate(folder.path(), &format!("links @predictions.csv --truth @{truth}.csv --results @{truth}.json"))
            .unwrap();
        assert_eq!(counts(&folder.path().join(format!("{truth}.json"))), expected, "{truth}");
    }
    write("nan.csv", &format!("{labels},clerical_match_score\n1,a,y,b,1\n2,a,x,b,NaN\n"));
    let error = format!("{:#}", evaluate(folder.path(), "links @predictions.csv --truth @nan.csv").unwrap_err());
    assert!(error.contains("row 3, column `clerical_match_score`: not a number"), "{error}");
}

#[test]
fn links_within_one_table_are_judged_whatever_the_files_call_it() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    // Of five records 1 and 2 are one person, and 3 and 4.
    write("labels.csv", "unique_id_l,unique_id_r\n2,1\n3,4\n");
    write("people.csv", "source_dataset,unique_id,cluster_id\nt,1,A\nt,2,A\nt,3,B\nt,4,B\nt,5,\nt,6,\n");
    write("sides.csv", "left_id,right_id\n1,2\n3,4\n");
    write("clusters.csv", "cluster_id,unique_id\n7,1\n7,2\n8,4\n8,5\n");
    write("predictions.csv", "unique_id_l,unique_id_r,match_probability\n1,2,0.9\n2,1,0.9\n5,4,0.8\n");
    for truth in ["labels", "people", "sides"] {
        for links in ["clusters", "predictions"] {
            let results = format!("{truth}-{links}.json");
            let line = format!("links @{links}.csv --truth @{truth}.csv --results @{results}");
            evaluate(folder.path(), &line).unwrap();
            assert_eq!(counts(&folder.path().join(results)), [1.0, 1.0, 1.0], "{truth} {links}");
        }
    }
    // Whether 1 on the left is 1 on the right nobody can know.
    write("sides.csv", "left_id,right_id\n1,1\n2,3\n");
    for (line, expected) in [
        ("links @clusters.csv --truth @sides.csv", "stands on both sides"),
        ("links @clusters.csv --truth @persons.csv", "names the tables"),
        ("links @clusters.csv --truth @labels.csv --from 0.9", "leave out --from"),
        ("links @clusters.csv --truth @labels.csv --table a", "--table needs"),
    ] {
        let error = format!("{:#}", evaluate(folder.path(), line).unwrap_err());
        assert!(error.contains(expected), "{line}: {error}");
    }
    // Two tables whose ids are alike are told apart by their sides.
    write("links.csv", "left_id,right_id\n1,1\n3,2\n");
    evaluate(folder.path(), "links @links.csv --truth @sides.csv --results @two.json").unwrap();
    assert_eq!(counts(&folder.path().join("two.json")), [1.0, 1.0, 1.0]);
}

#[test]
fn links_are_judged_on_the_tables_that_they_are_about() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("links.csv", "source_dataset_l,unique_id_l,source_dataset_r,unique_id_r\na,1,b,y\na,2,b,x\na,1,a,2\n");
    // Ann and Eve are in c too, which the links know nothing of.
    for (options, expected) in [("", [2.0, 0.0, 0.0]), ("--table a --table b --table c", [2.0, 0.0, 3.0])] {
        let results = folder.path().join(format!("r{}.json", options.len()));
        let line = format!("links @links.csv --truth @persons.csv {options} --results {}", results.display());
        evaluate(folder.path(), &line).unwrap();
        assert_eq!(counts(&results), expected, "{options}");
    }
}

#[test]
fn candidates_are_those_of_the_blocking_keys() {
    let folder = folder();
    let row = |id: &str, family: &str, birth: &str| format!("{id},{family},タロウ,,,{birth},male,,,,,\n");
    let header = "record_id,family_kana,given_kana,family_kanji,given_kanji,birth_date,sex,postal_code,insurer_number,\
                  insured_symbol,insured_number,insured_branch\n";
    let write = |name: &str, rows: &[String]| {
        std::fs::write(folder.path().join(name), header.to_owned() + &rows.concat()).unwrap()
    };
    write("l.csv", &[row("1", "サトウ", "1950-01-02"), row("2", "スズキ", "1960-03-04")]);
    write(
        "r.csv",
        &[row("3", "サトウ", "1950-01-02"), row("4", "タナカ", "1971-05-06"), row("5", "ヤマダ", "1982-07-08")],
    );
    std::fs::write(folder.path().join("t.csv"), "left_id,right_id\n1,3\n2,4\n").unwrap();
    let line = "--left @l.csv --right @r.csv --truth @t.csv --id-column record_id --results @r.json --schema";
    evaluate(folder.path(), &format!("{line} person-ja-blocked")).unwrap();
    let all = measures(folder.path().join("r.json"));
    assert_eq!(value(&all, "candidates", None, "reduction_ratio", None), 1.0 - 1.0 / 6.0);
    assert_eq!(value(&all, "candidates", None, "pair_completeness", None), 0.5);
    // A birth year that differs keeps two records of one person apart: no key, though they are alike.
    write("l.csv", &[row("1", "サトウ", "1950-01-02"), row("2", "スズキ", "1960-03-04")]);
    write("r.csv", &[row("3", "サトウ", "1950-01-02"), row("4", "スズキ", "1961-03-04")]);
    std::fs::remove_file(folder.path().join("r.json")).unwrap();
    evaluate(folder.path(), &format!("{line} person-ja-blocked")).unwrap();
    let all = measures(folder.path().join("r.json"));
    assert_eq!(["candidates", "links"].map(|of| value(&all, of, None, "recall", Some(0.78))), [0.5, 1.0]);
    std::fs::remove_file(folder.path().join("r.json")).unwrap();
    evaluate(folder.path(), &format!("{line} person-ja")).unwrap();
    let all = measures(folder.path().join("r.json"));
    assert_eq!(value(&all, "candidates", None, "reduction_ratio", None), 0.0);
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is_measured() {
    let folder = folder();
    let base = "--left @a.csv --right @b.csv --truth @pairs.csv --schema person-en --results @r.json";
    for (line, expected) in [
        (format!("{base} --decide threshold,learnt -o @l.csv"), "one schema and one way"),
        (format!("{base} -o @l.csv --clusters @l.csv"), "one file"),
        (format!("{base} -o @l.json"), "hint: end it in .csv or .parquet"),
        (base.replace("r.json", "r.xlsx"), "hint: end it in .csv or .parquet or .json"),
    ] {
        let error = format!("{:#}", evaluate(folder.path(), &line).unwrap_err());
        assert!(error.contains(expected), "{line}: {error}");
        assert!(!folder.path().join("r.json").exists());
    }
}

#[test]
fn a_suite_measures_what_the_command_line_does_and_tells_of_rows_set_aside() {
    let folder = folder();
    let study = "[[study]]\nname = \"one\"\nleft = \"a.csv\"\nright = \"b.csv\"\ntruth = \"pairs.csv\"\nschema = [\"person-en\"]\n";
    std::fs::write(folder.path().join("suite.toml"), study).unwrap();
    let mut b = std::fs::read_to_string(folder.path().join("b.csv")).unwrap();
    b.push_str("short,row\n");
    std::fs::write(folder.path().join("b.csv"), b).unwrap();
    let suite = evaluate(folder.path(), "suite @suite.toml --results @suite.json").unwrap();
    let line = "--left @a.csv --right @b.csv --truth @pairs.csv --schema person-en --name one --results @own.json";
    let own = evaluate(folder.path(), line).unwrap();
    assert_eq!((suite, own), (ExitCode::from(3), ExitCode::from(3)));
    let [suite, own] = ["suite.json", "own.json"].map(|name| measures(folder.path().join(name)));
    assert_eq!(suite, own);
}

#[test]
fn what_breaks_a_rule_is_told_whichever_schema_reads_it_and_once() {
    let folder = folder();
    let header = "id,family_kana,given_kana,family_kanji,given_kanji,birth_date,sex,postal_code,insurer_number,insured_symbol,\
                  insured_number,insured_branch,facility_code,chart_number";
    let table = format!("{header}\n1,サトウ,ハナ,佐藤,花,1950-13-01,2,1000001,,,,,x,7\n");
    ["l.csv", "r.csv"].iter().for_each(|name| std::fs::write(folder.path().join(name), &table).unwrap());
    std::fs::write(folder.path().join("truth.csv"), "left_id,right_id\n1,1\n").unwrap();
    let line =
        "--left @l.csv --right @r.csv --truth @truth.csv --id-column id --schema person-ja --schema person-ja-hospital";
    let outcomes = suite::outcomes(&parsed(folder.path(), line).unwrap().own.study).unwrap();
    let lines = report::warnings(&outcomes);
    for field in ["left, field `birth_date`", "right, field `birth_date`", "left, field `facility_code`"] {
        assert_eq!(lines.iter().filter(|line| line.starts_with(field)).count(), 1, "{field}: {lines:?}");
    }
}

#[test]
fn a_suite_carries_out_its_studies_and_refuses_unknown_keys() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let study = "[[study]]\nname = \"one\"\nleft = \"a.csv\"\nright = \"b.csv\"\ntruth = \"pairs.csv\"\n\
                 schema = [\"person-en\", \"person-en-max-quality\"]\nthresholds = \"0.9\"\n";
    write("suite.toml", study);
    evaluate(folder.path(), "suite @suite.toml --results @r.parquet").unwrap();
    let rows = rows::Rows::read(&folder.path().join("r.parquet")).unwrap();
    let schema = rows.column(&["schema"]).unwrap();
    let mut schemas: Vec<String> = rows.iter().map(|row| row[schema].clone()).collect();
    schemas.dedup();
    assert_eq!(schemas, ["person-en", "person-en-max-quality"]);
    write("bad.toml", &format!("{study}treshold = 1\n"));
    let error = format!("{:#}", evaluate(folder.path(), "suite @bad.toml").unwrap_err());
    assert!(error.contains("unknown field"), "{error}");
}

#[test]
fn a_truth_that_does_not_fit_is_refused_with_a_hint() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("turned.csv", "left_id,right_id\ny,1\n");
    write("other.csv", "a,b\n1,2\n");
    let base = "--left @a.csv --right @b.csv --schema person-en --truth";
    for (line, expected) in [
        (format!("{base} @turned.csv"), "do the tables have the names"),
        (format!("{base} @other.csv"), "columns are left_id"),
        (format!("{base} febrl"), "no id of the left file"),
        (
            format!("{base} @pairs.csv --groups sex"),
            "no column `sex` for --groups\nhint: its columns are left_id, right_id",
        ),
        (
            "--table a=@a.csv --table a=@b.csv --schema person-en --truth @persons.csv".to_owned(),
            "two tables are called",
        ),
        ("--table a=@a.csv --schema person-en --truth @persons.csv".to_owned(), "nothing to link"),
    ] {
        let error = format!("{:#}", evaluate(folder.path(), &line).unwrap_err());
        assert!(error.contains(expected), "{line}: {error}");
    }
}
