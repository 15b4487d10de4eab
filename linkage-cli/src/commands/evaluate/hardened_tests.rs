//! Links of hardened tokens beside those of the same people without hardening.

use std::collections::HashMap;
use std::path::Path;

use linkage_datasets::{
    ColumnKind, CorruptModel, CorruptOptions, PopulationModel, REFERENCE_DATE, corrupt_csv, write_population,
};

use super::rows::Rows;
use super::tests::evaluate;

/// Columns of a file of links, as numbers, by the ids of both records; a value that is missing is NaN.
fn links<const N: usize>(file: &Path, columns: [&str; N]) -> HashMap<[String; 2], [f64; N]> {
    let rows = Rows::read(file).unwrap();
    let ids = ["unique_id_l", "unique_id_r"].map(|name| rows.column(&[name]).unwrap());
    let columns = columns.map(|name| rows.column(&[name]).unwrap());
    let number = |text: &str| if text.is_empty() { f64::NAN } else { text.parse().unwrap() };
    rows.iter().map(|row| (ids.map(|id| row[id].clone()), columns.map(|column| number(&row[column])))).collect()
}

#[test]
fn hardened_links_say_what_their_similarity_was_before_hardening() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_population(&path("a.csv"), (2000, 5), &PopulationModel::default(), REFERENCE_DATE, 1, &mut |_| {}).unwrap();
    let kinds = ["family_kana=kana", "given_kana=kana", "given_kanji=kanji", "birth_date=date", "postal_code=digits"];
    let options = CorruptOptions {
        columns: kinds.iter().map(|kind| ColumnKind::parse(kind).unwrap()).collect(),
        swaps: Vec::new(),
        id_column: "person".to_owned(),
        cp932: false,
        model: CorruptModel::default(),
        seed: 5,
    };
    corrupt_csv(&path("a.csv"), &path("b.csv"), &path("t.csv"), &options, &mut |_| {}).unwrap();
    for schema in ["person-ja", "person-ja-hardened"] {
        let line = format!(
            "--left @a.csv --right @b.csv --truth @t.csv --id-column person --schema {schema} -o @{schema}.csv"
        );
        evaluate(folder.path(), &line).unwrap();
    }
    let before = links(&path("person-ja.csv"), ["dice"]);
    let after = links(&path("person-ja-hardened.csv"), ["dice", "dice_before_hardening"]);
    // The levels of similarity, and the standard deviations there that docs/spec/hardening.md gives.
    for (from, to, deviation) in [(0.8, 0.85, 0.013), (0.85, 0.9, 0.010), (0.9, 0.95, 0.007), (0.95, 0.999, 0.005)] {
        let pairs = after.iter().filter_map(|(ids, [_, estimate])| Some((before.get(ids)?[0], *estimate)));
        let errors: Vec<f64> =
            pairs.filter(|(dice, _)| (from..to).contains(dice)).map(|(dice, estimate)| estimate - dice).collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let spread = (errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / errors.len() as f64).sqrt();
        assert!(errors.len() > 20 && spread < 1.5 * deviation, "{from}: {spread} over {} pairs", errors.len());
        // Records that lack fields have fewer bits than the model takes them to have.
        assert!((-0.003..0.15 * (1.0 - from)).contains(&mean), "{from}: {mean}");
    }
    // Equal tokens were equal before; and each kind of file has its own column alone.
    assert!(after.values().all(|[dice, estimate]| (*dice == 1.0) == (*estimate == 1.0)));
    let plain = Rows::read(&path("person-ja.csv")).unwrap();
    assert_eq!(plain.column(&["dice_before_hardening"]), None);
    // The further column is no hindrance where links are read in again.
    evaluate(folder.path(), "links @person-ja-hardened.csv --truth @t.csv").unwrap();
}
