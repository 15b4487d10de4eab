//! What is learnt without truth: chances out, and in again.

use serde_json::Value;

use super::rows::Rows;
use super::tests::{counts, evaluate, measures, value};

/// A word that differs from number to number.
fn word(number: usize, salt: usize) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "we"];
    let mut random = ((number * 31 + salt + 1) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..4)
        .map(|_| {
            random ^= random >> 29;
            random = random.wrapping_mul(0xbf58_476d_1ce4_e5b9);
            SYLLABLES[(random >> 60) as usize]
        })
        .collect()
}

/// Two tables of 150 people, of whom 100 are in both; the right one is damaged here and there.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let header = "rec_id,given_name,surname,street_number,address_1,address_2,suburb,postcode,state,date_of_birth";
    let row = |id: String, person: usize, damaged: bool| {
        let given = if damaged { word(person, 1)[1..].to_owned() } else { word(person, 1) };
        let (surname, street, suburb) = (word(person, 2), word(person, 3), word(person, 4));
        let birth = 19_300_101 + (person * 7919 % 70) * 10_000 + (person * 31 % 12) * 100 + person * 17 % 28;
        format!(
            "{id},{given},{surname},{},{street} st,,{suburb},{},nsw,{birth}\n",
            person % 90 + 1,
            2000 + person * 13 % 900
        )
    };
    let left: String = (0..150).map(|person| row(format!("l{person}"), person, false)).collect();
    let right: String = (50..200).map(|person| row(format!("r{person}"), person, person % 3 == 0)).collect();
    let pairs: String = (50..150).map(|person| format!("l{person},r{person}\n")).collect();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("l.csv", format!("{header}\n{left}"));
    write("r.csv", format!("{header}\n{right}"));
    write("t.csv", format!("left_id,right_id\n{pairs}"));
    folder
}

/// The line that learns from both tables.
const LEARN: &str = "--left @l.csv --right @r.csv --truth @t.csv --schema person-en --decide learnt";

#[test]
fn links_and_clusters_of_our_own_come_back_in_with_their_chances() {
    let folder = folder();
    let line = format!("{LEARN} --results @own.json -o @links.csv --clusters @clusters.csv");
    evaluate(folder.path(), &line).unwrap();
    let own = counts(&folder.path().join("own.json"));
    assert!(own[0] > 90.0, "{own:?}");

    let rows = Rows::read(&folder.path().join("links.csv")).unwrap();
    let columns = ["match_weight", "match_probability"].map(|name| rows.column(&[name]).unwrap());
    let numbers = || rows.iter().map(|row| columns.map(|column| row[column].parse::<f64>().unwrap()));
    assert!(numbers().all(|[w, p]| (p - w.exp2() / (1.0 + w.exp2())).abs() < 1e-6 && w <= 24.0));
    let sure = numbers().filter(|[_, p]| *p >= 0.9).count() as f64;
    for (file, from, links) in
        [("links", "--from .9", sure), ("links", "--from 0", own[0] + own[1]), ("clusters", "", own[0] + own[1])]
    {
        let results = folder.path().join(format!("{file}{}.json", from.len()));
        let line = format!("links @{file}.csv --truth @t.csv {from} --results {}", results.display());
        evaluate(folder.path(), &line).unwrap();
        let [right, wrong, missed] = counts(&results);
        assert_eq!((right + wrong, right + missed), (links, 100.0), "{file} {from}");
    }
    // Every record is in a cluster, and in one.
    let rows = Rows::read(&folder.path().join("clusters.csv")).unwrap();
    let mut records: Vec<[&String; 2]> = rows.iter().map(|row| [&row[1], &row[2]]).collect();
    records.sort();
    records.dedup();
    assert_eq!((rows.iter().count(), records.len()), (300, 300));
}

#[test]
fn curves_over_the_chance_are_those_of_the_chances_written() {
    let folder = folder();
    evaluate(folder.path(), &format!("{LEARN} --thresholds 0.5,0.99 --results @own.json -o @links.csv")).unwrap();
    let own = measures(folder.path().join("own.json"));
    let line = "links @links.csv --truth @t.csv --thresholds 0.5,0.99 --results @given.json";
    evaluate(folder.path(), line).unwrap();
    let given = measures(folder.path().join("given.json"));
    let found = |of: &str, all: &[Value], at: f64| value(all, of, None, "true_positives", Some(at));
    for at in [0.5, 0.99] {
        // Above a half no two pairs of a record can both be: what is accepted is what is linked.
        assert_eq!(found("pairs", &own, at), found("pairs", &given, at), "{at}");
        assert_eq!(found("links", &own, at), found("pairs", &own, at), "{at}");
    }
    assert!(found("pairs", &own, 0.99) <= found("pairs", &own, 0.5) && found("pairs", &own, 0.5) > 90.0);
}
