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
fn folder() -> tempfile::TempDir {
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

fn evaluate(folder: &Path, line: &str) -> anyhow::Result<ExitCode> {
    let words = line.split_whitespace().map(|word| match word.split_once('@') {
        Some((before, name)) => format!("{before}{}", folder.join(name).display()),
        None => word.to_owned(),
    });
    run(Line::try_parse_from(std::iter::once("linkage".to_owned()).chain(words)).unwrap().args)
}

fn measures(path: PathBuf) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn value(measures: &[Value], of: &str, group: Option<&str>, measure: &str, threshold: Option<f64>) -> f64 {
    let found = measures.iter().filter(|m| {
        m["of"] == of
            && m["measure"] == measure
            && m["group"].as_str() == group
            && threshold.is_none_or(|threshold| m["threshold"].as_f64() == Some(threshold))
    });
    found.map(|m| m["value"].as_f64().unwrap()).next().unwrap_or_else(|| panic!("{of} {group:?} {measure}"))
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
        let all = measures(folder.path().join(format!("r{from}.json")));
        let names = ["true_positives", "false_positives", "false_negatives"];
        assert_eq!(names.map(|name| value(&all, "links", None, name, None)), expected);
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
        (format!("{base} @pairs.csv --groups sex"), "truth by person"),
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
