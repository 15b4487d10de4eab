//! What is learnt without truth: chances out, and in again.

use serde_json::Value;

use super::rows::Rows;
use super::tests::{counts, evaluate, measures, parsed, value};

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

/// The labels of a sample: of matches those from 50 to 100 that `says` is asked of, and four times as many strangers.
fn sample(column: &str, says: impl Fn(usize) -> bool) -> String {
    let matches = (50..100).map(|person| format!("l{person},r{person},{}\n", u8::from(says(person))));
    let strangers = (50..100)
        .flat_map(|person| (1..5).map(move |step| format!("l{person},r{},0\n", 50 + (person + step * 17) % 150)));
    let rows: String = matches.chain(strangers).collect();
    format!("left_id,right_id,{column}\n{rows}")
}

#[test]
fn a_gold_sample_corrects_chances_links_and_clusters() {
    let folder = folder();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("true.csv", sample("match", |_| true));
    write("clerical.csv", sample("clerical_match_score", |_| true).replace(",1\n", ",0.9\n"));
    write("doubted.csv", sample("match", |person| person % 3 != 0));
    let run = |name: &str, gold: &str| -> (Vec<Value>, f64, usize) {
        let line =
            format!("{LEARN} {gold} --results @{name}.json -o @{name}.links.csv --clusters @{name}.clusters.csv");
        evaluate(folder.path(), &line).unwrap();
        let read = |file: &str| Rows::read(&folder.path().join(format!("{name}.{file}.csv"))).unwrap();
        let (links, clusters) = (read("links"), read("clusters"));
        let chance = links.column(&["match_probability"]).unwrap();
        let sum = links.iter().map(|row| row[chance].parse::<f64>().unwrap()).sum();
        // Records that are in a cluster with another.
        let mut of: Vec<&String> = clusters.iter().map(|row| &row[0]).collect();
        of.sort();
        let together = of.chunk_by(|a, b| a == b).filter(|cluster| cluster.len() > 1).count();
        assert_eq!(together, links.iter().count(), "{name}: links are what clusters hold");
        (measures(folder.path().join(format!("{name}.json"))), sum, together)
    };
    let half = |measures: &[Value]| value(measures, "estimate", None, "gold_half", None);
    let (without, sum, links) = run("without", "");
    assert!(without.iter().all(|measure| measure["measure"] != "gold_half"));
    let (agreed, agreed_sum, agreed_links) = run("agreed", "--gold @true.csv");
    assert!(value(&agreed, "estimate", None, "gold_pairs", None) >= 50.0);
    assert!(agreed_links.abs_diff(links) <= 2);
    let (clerical, clerical_sum, _) = run("clerical", "--gold @clerical.csv");
    assert_eq!((half(&clerical), clerical_sum), (half(&agreed), agreed_sum));
    // Somebody who takes damaged copies for strangers makes all chances fall.
    let (doubted, doubted_sum, doubted_links) = run("doubted", "--gold @doubted.csv");
    assert!(half(&doubted) > half(&agreed) && doubted_sum < agreed_sum.min(sum) && doubted_links <= agreed_links);
}

#[test]
fn what_a_gold_sample_says_is_in_the_document() {
    let folder = folder();
    std::fs::write(folder.path().join("g.csv"), sample("match", |_| true)).unwrap();
    let args = parsed(folder.path(), &format!("{LEARN} --gold @g.csv")).unwrap();
    let outcomes = super::suite::outcomes(&args.own.study).unwrap();
    let document = super::report::json(&outcomes[0]);
    let gold = &document["gold"];
    assert_eq!((gold["labels"].as_u64(), gold["matches"].as_u64()), (Some(250), Some(50)));
    assert!(gold["pairs"].as_u64().unwrap() > 50);
    let [low, half, high] = ["low", "value", "high"].map(|end| gold["half"][end].as_f64().unwrap());
    assert!(0.0 < low && low <= half && half <= high && high < 1.0);
    super::report::table(&outcomes[0]).unwrap();
}

#[test]
fn gold_samples_that_say_nothing_are_refused_with_a_hint() {
    let folder = folder();
    let cases = [
        ("left_id,right_id,match\nl60,r60,1\nl61,r61,1\n", "every label of the gold sample is a match"),
        ("left_id,right_id,match\nl60,r61,0\n", "no label of the gold sample is a match"),
        ("left_id,right_id,match\nl60,r60,1\nl60,nobody,0\n", "1 labels name a record that is not in the files"),
        ("left_id,right_id\nl60,r60\n", "not a gold sample"),
        ("left_id,right_id,match\nl60,r60,perhaps\n", "row 2, column `match`: not a number"),
        ("left_id,right_id,match\nl60,r60,1\nl60,r60,0\n", "rows 2 and 3, column `match`: one pair"),
    ];
    for (text, expected) in cases {
        std::fs::write(folder.path().join("g.csv"), text).unwrap();
        let error = format!("{:#}", evaluate(folder.path(), &format!("{LEARN} --gold @g.csv")).unwrap_err());
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("hint: ") || expected.starts_with("row 2,"), "{error}");
        assert!(!error.contains("l60") && !error.contains("nobody") && !error.contains("perhaps"), "{error}");
    }
    let line = "--left @l.csv --right @r.csv --truth @t.csv --schema person-en --gold @g.csv";
    let error = evaluate(folder.path(), line).unwrap_err().to_string();
    assert!(error.contains("nothing that it could correct\nhint: --decide learnt"), "{error}");
}

#[test]
fn a_suite_names_its_gold_sample_beside_it() {
    let folder = folder();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("g.csv", sample("match", |_| true));
    let suite = |decide: &str| {
        format!(
            "[[study]]\nname = \"one\"\nleft = \"l.csv\"\nright = \"r.csv\"\ntruth = \"t.csv\"\nschema = [\"person-en\"]\n\
             decide = [\"{decide}\"]\ngold = \"g.csv\"\n"
        )
    };
    write("s.toml", suite("learnt"));
    evaluate(folder.path(), "suite @s.toml --results @r.json").unwrap();
    assert!(value(&measures(folder.path().join("r.json")), "estimate", None, "gold_pairs", None) > 50.0);
    write("s.toml", suite("threshold"));
    let error = format!("{:#}", evaluate(folder.path(), "suite @s.toml").unwrap_err());
    assert!(error.contains("study 1") && error.contains("nothing that it could correct"), "{error}");
}
