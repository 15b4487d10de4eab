//! What a truth or a file of links may not say, and what is counted.

use super::OwnArgs;
use super::tests::{counts, evaluate, folder, measures, parsed, value};

/// The message with which a line is refused.
fn refused(folder: &tempfile::TempDir, line: &str) -> String {
    format!("{:#}", evaluate(folder.path(), line).unwrap_err())
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).unwrap();
}

const OWN: &str = "--left @a.csv --right @b.csv --schema person-en --truth";

#[test]
fn a_truth_that_contradicts_itself_is_refused_by_row_and_without_an_id() {
    let folder = folder();
    let labels = "unique_id_l,source_dataset_l,unique_id_r,source_dataset_r,clerical_match_score";
    write(&folder, "labels.csv", &format!("{labels}\n1,left,y,right,1\n2,left,x,right,1\ny,right,1,left,0\n"));
    write(&folder, "empty.csv", "left_id,right_id\n1,y\n2,\n");
    write(&folder, "persons2.csv", "database,record_id,person\nleft,1,7\nright,y,7\nleft,1,8\n");
    write(&folder, "nobody.csv", "database,record_id,person\nleft,,7\n");
    for (truth, expected) in [
        ("labels.csv", "rows 2 and 4, column `clerical_match_score`: one pair, once a match and once none\nhint: "),
        ("empty.csv", "row 3, column `right_id`: the id is empty\nhint: "),
        ("persons2.csv", "rows 2 and 4, column `person`: one record, and not one value\nhint: "),
        ("nobody.csv", "row 2, column `record_id`: the id is empty\nhint: "),
    ] {
        let error = refused(&folder, &format!("{OWN} @{truth}"));
        assert!(error.contains(expected), "{error}");
    }
    // The same of links: a record cannot be in two clusters.
    write(&folder, "clusters.csv", "cluster_id,source_dataset,unique_id\n1,a,1\n1,b,y\n2,a,1\n");
    let error = refused(&folder, "links @clusters.csv --truth @persons.csv");
    assert!(error.contains("rows 2 and 4, column `cluster_id`"), "{error}");
    // What is said twice and alike is no contradiction.
    write(&folder, "twice.csv", &format!("{labels}\n1,left,y,right,1\ny,right,1,left,1\n2,left,z,right,0\n"));
    evaluate(folder.path(), &format!("{OWN} @twice.csv --results @twice.json")).unwrap();
    assert_eq!(value(&measures(folder.path().join("twice.json")), "links", None, "true_positives", None), 1.0);
}

#[test]
fn one_person_of_everybody_is_refused_before_it_is_expanded() {
    let folder = folder();
    let rows = |table: &str| (0..600).map(|id| format!("{table},{id},same\n")).collect::<String>();
    let both = rows("a") + &rows("b");
    write(&folder, "constant.csv", &format!("database,record_id,person\n{both}"));
    write(&folder, "clusters.csv", &format!("source_dataset,unique_id,cluster_id\n{both}"));
    for line in
        ["links @clusters.csv --truth @persons.csv --table a --table b", "links @clusters.csv --truth @constant.csv"]
    {
        let error = refused(&folder, line);
        assert!(error.contains("more than 1000 records have one value\nhint: is `"), "{line}: {error}");
    }
    let rows: String = (0..600).map(|id| format!("rec-7-{id},ann,lee,1,park st,,city,2000,nsw,19700101\n")).collect();
    let header = std::fs::read_to_string(folder.path().join("a.csv")).unwrap();
    let table = format!("{}\n{rows}", header.lines().next().unwrap());
    write(&folder, "same.csv", &table);
    let error = refused(&folder, "--left @same.csv --right @same.csv --schema person-en --truth febrl");
    assert!(error.contains("more than 1000 ids have one number"), "{error}");
}

#[test]
fn records_that_only_one_file_knows_are_counted() {
    let folder = folder();
    write(&folder, "short.csv", "database,record_id,person\nleft,1,1\nright,y,1\nright,z,3\n");
    let labels = |truth: &str| {
        let OwnArgs { study, .. } = parsed(folder.path(), &format!("{OWN} {truth}")).unwrap().own;
        let schema = linkage_core::schema::LinkageSchema::shipped("person-en").unwrap();
        let mut encoded = study.encode(&schema).unwrap();
        study.labels(&mut encoded).unwrap()
    };
    // Bob's two records are not in it.
    let short = labels("@short.csv");
    assert_eq!((short.unnamed, short.unpaired, short.absent), (2, 0, 0));
    // 9 is in no table, and z is named beside it.
    let pairs = labels("@pairs.csv");
    assert_eq!((pairs.unnamed, pairs.unpaired, pairs.absent), (0, 0, 1));

    // Links whose ids are written otherwise than in the truth are wrong links, and counted on their own.
    write(&folder, "links.csv", "left_id,right_id\n01,y\n2,x\n");
    evaluate(folder.path(), "links @links.csv --truth @pairs.csv --results @r.json").unwrap();
    assert_eq!(counts(&folder.path().join("r.json")), [1.0, 1.0, 2.0]);
}

#[test]
fn subgroups_of_a_truth_by_pair_and_of_links() {
    let folder = folder();
    // As `linkage generate corrupt` writes it; Eve is linked to Bob's copy, who so loses his own.
    write(&folder, "truth.csv", "left_id,right_id,errors\n1,y,\n2,x,keyboard:2+keyboard:3+date:9\n3,z,date:9\n");
    write(&folder, "links.csv", "left_id,right_id\n1,y\n3,x\n3,z\n");
    evaluate(folder.path(), "links @links.csv --truth @truth.csv --results @r.json").unwrap();
    let all = measures(folder.path().join("r.json"));
    let names = ["true_positives", "false_positives", "false_negatives"];
    let group = |name: &str| names.map(|measure| value(&all, "group", Some(name), measure, None));
    assert_eq!(group("errors=keyboard"), [0.0, 1.0, 1.0]);
    assert_eq!(group("errors=date"), [1.0, 1.0, 1.0]);
    evaluate(folder.path(), &format!("{OWN} @truth.csv --groups errors --results @own.json")).unwrap();
    let own = measures(folder.path().join("own.json"));
    assert_eq!(value(&own, "group", Some("errors=keyboard"), "recall", None), 1.0);

    // They come by column and by value, in whatever order the truth has them.
    write(&folder, "groups.csv", "left_id,right_id,sex,age_band\n1,y,m,75+\n2,x,f,0-14\n3,z,m,40-64\n");
    evaluate(folder.path(), "links @links.csv --truth @groups.csv --results @groups.json").unwrap();
    let mut names: Vec<_> =
        measures(folder.path().join("groups.json")).iter().map(|m| m["group"].to_string()).collect();
    names.retain(|name| name != "null");
    names.dedup();
    assert_eq!(names.join(" ").replace('"', ""), "age_band=0-14 age_band=40-64 age_band=75+ sex=f sex=m");

    // Subgroups of persons are those of somebody else's links too.
    write(&folder, "ab.csv", "source_dataset_l,unique_id_l,source_dataset_r,unique_id_r\na,1,b,y\n");
    evaluate(folder.path(), "links @ab.csv --truth @persons.csv --groups sex --results @sex.json").unwrap();
    let sex = measures(folder.path().join("sex.json"));
    assert_eq!(["sex=f", "sex=m"].map(|name| value(&sex, "group", Some(name), "recall", None)), [1.0, 0.0]);
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_hint() {
    let folder = folder();
    write(&folder, "long.csv", "left_id,right_id\n1,y\n2,x,7\n");
    write(&folder, "twice.csv", "left_id,right_id,left_id\n1,y,2\n");
    write(&folder, "words.csv", "left_id,right_id,clerical_match_score\n1,y,sure\n");
    write(&folder, "torn.parquet", "PAR1");
    std::fs::write(folder.path().join("latin.csv"), b"left_id,right_id\n1,y\n2,\xe9\n").unwrap();
    for (truth, expected) in [
        ("@none.csv", "no such file\nhint: "),
        ("@", "a folder\nhint: "),
        ("@twice.csv", "columns 1 and 3 have one name\nhint: "),
        ("@words.csv", "row 2, column `clerical_match_score`: not a number\nhint: "),
        ("@torn.parquet", "\nhint: is it whole"),
        ("@long.csv", "row 3: 3 values where the header names 2 columns\nhint: "),
        ("@latin.csv", "row 3, column `right_id`: not UTF-8\nhint: "),
    ] {
        let error = refused(&folder, &format!("{OWN} {truth}"));
        assert!(error.contains(expected), "{error}");
    }
    for (line, expected) in [
        ("--left @a.csv --right @none.csv --schema person-en --truth @pairs.csv", "none.csv: no such file\nhint: "),
        (
            "--left @a.csv --right @b.csv --schema person-em --truth @pairs.csv",
            "No such file or directory (os error 2)\nhint: ",
        ),
        ("suite @none.toml", "none.toml: no such file\nhint: "),
    ] {
        let error = refused(&folder, line);
        assert!(error.contains(expected) && error.to_lowercase().matches("no such file").count() == 1, "{error}");
    }
    let study = |name: &str, more: &str| {
        format!("[[study]]\nname = \"{name}\"\nleft = \"a.csv\"\nright = \"b.csv\"\ntruth = \"pairs.csv\"\n{more}\n")
    };
    let schema = "schema = [\"person-en\"]";
    for (suite, expected) in [
        (study("one", "schema = \"person-en\""), "expected a sequence\nhint: `linkage evaluate suite --help`"),
        (study("one", "schema = []"), "study 1: `schema` is empty"),
        (study("one", &format!("{schema}\ndecide = []")), "study 1: `decide` is empty"),
        (study("one", schema) + &study("two", schema) + &study("one", schema), "study 3: it has the name of study 1"),
        // What the last one lacks is said before the first is carried out.
        (study("one", schema) + &study("two", "schema = [\"person-em\"]"), "study 2: linkage schema"),
        (study("one", schema) + &study("two", schema).replace("b.csv", "none.csv"), "study 2: "),
        (study("one", schema) + &study("two", schema).replace("pairs.csv", "none.csv"), "study 2: "),
    ] {
        write(&folder, "suite.toml", &suite);
        let error = refused(&folder, "suite @suite.toml --results @suite.json");
        assert!(error.contains(expected) && error.contains("hint: "), "{error}");
    }
    for from in ["nan", "7", "-0.1", "x"] {
        let parsed = parsed(folder.path(), &format!("links @links.csv --truth @pairs.csv --from={from}"));
        assert!(parsed.unwrap_err().to_string().contains("write a chance from 0 to 1"));
    }
}
