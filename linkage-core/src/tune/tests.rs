//! Tuning on made-up people whose fields are known to tell much, little or nothing.

use super::*;
use crate::block::random::Draws;
use crate::schema::Features;

/// Four fields and a field of noise, as a schema; the rest of the document is `layout`.
fn schema(layout: &str, segments: [&str; 4]) -> LinkageSchema {
    let [a, b, c, d] = segments;
    let text = format!(
        r#"{{ "format": "linkage-schema/1", "name": "base", "normalisation": "ja/1", "layout": {layout}, "threshold": "0.8",
        "fields": [
            {{ "name": "family", "kind": "latin", "encode": {{ {a} "bits": 40 }} }},
            {{ "name": "birth", "kind": "date", "encode": {{ {b} "bits": 40 }} }},
            {{ "name": "sex", "kind": "sex", "encode": {{ {c} "bits": 40 }} }},
            {{ "name": "noise", "kind": "digits", "encode": {{ {d} "bits": 40 }} }} ] }}"#
    );
    LinkageSchema::parse(text.as_bytes()).unwrap()
}

fn composite() -> LinkageSchema {
    schema(r#"{ "kind": "composite", "bits": 512 }"#, [""; 4])
}

fn segmented() -> LinkageSchema {
    let layout = r#"{ "kind": "segmented", "segments": 4, "segment_bits": 128 }"#;
    schema(layout, [r#""segment": 0,"#, r#""segment": 1,"#, r#""segment": 2,"#, r#""segment": 3,"#])
}

struct People {
    left: Vec<Vec<Option<String>>>,
    right: Vec<Vec<Option<String>>>,
    gold: Vec<(u32, u32)>,
}

impl People {
    /// `known` people in both tables, and as many strangers in each. Names of one pair differ now and then, a birth date
    /// is missing now and then, and the noise is drawn anew for every record.
    fn new(known: u32) -> Self {
        let mut draws = Draws::new(5, 0);
        let person = |draws: &mut Draws| {
            let name: String = (0..7).map(|_| char::from(b'A' + draws.below(26) as u8)).collect();
            let birth = format!("{}{:02}{:02}", 1930 + draws.below(80), 1 + draws.below(12), 1 + draws.below(28));
            (name, birth, 1 + draws.below(2))
        };
        let record = |draws: &mut Draws, (name, birth, sex): &(String, String, u64)| {
            let mut name = name.clone();
            if draws.below(10) == 0 {
                name.replace_range(2..3, "X");
            }
            let birth = (draws.below(20) > 0).then(|| birth.clone());
            vec![Some(name), birth, Some(sex.to_string()), Some(draws.below(100_000).to_string())]
        };
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for _ in 0..known {
            let person = person(&mut draws);
            left.push(record(&mut draws, &person));
            right.push(record(&mut draws, &person));
        }
        for _ in 0..known {
            let (a, b) = (person(&mut draws), person(&mut draws));
            left.push(record(&mut draws, &a));
            right.push(record(&mut draws, &b));
        }
        Self { left, right, gold: (0..known).map(|row| (row, row)).collect() }
    }

    fn sample(&self) -> Sample<'_> {
        Sample { left: &self.left, right: &self.right, gold: &self.gold }
    }
}

fn options() -> Options {
    Options { name: "tuned".to_owned(), density: None, seed: 1 }
}

fn bits(tuned: &Tuned) -> Vec<usize> {
    tuned.fields.iter().map(|field| field.bits[1]).collect()
}

#[test]
fn noise_loses_its_budget_and_identifying_fields_gain() {
    let people = People::new(400);
    let tuned = tune(&composite(), people.sample(), &options()).unwrap();
    let found = bits(&tuned);
    assert!(found[0] > 40 && found[1] > 40 && found[2] < 40 && found[3] == 0, "{found:?}");
    assert_eq!(found.iter().sum::<usize>(), 160, "the total stays");
    let [family, birth, sex, noise] = tuned.fields.as_slice() else { panic!("four encoded fields") };
    assert!(family.evidence > 5.0 && birth.evidence > 5.0 && (0.5..1.2).contains(&sex.evidence), "{:?}", tuned.fields);
    assert!(noise.evidence < 0.05 && noise.agreement < 0.01 && family.agreement > 0.7);
    assert!((0.92..0.98).contains(&birth.completeness) && (0.45..0.55).contains(&sex.chance));
    assert!(tuned.schema.fields().iter().all(|field| field.name() != "noise"));
    let base = tuned.base.unwrap();
    assert!(tuned.held_out.f1 > 0.95 && tuned.held_out.f1 > base.f1, "{:?} {base:?}", tuned.held_out);
    assert_eq!(tuned.people, [200, 200]);
}

#[test]
fn a_tuned_schema_parses_and_keeps_what_was_not_tuned() {
    let people = People::new(100);
    for base in [composite(), segmented()] {
        let tuned = tune(&base, people.sample(), &options()).unwrap();
        let read = LinkageSchema::parse(tuned.document.as_bytes()).unwrap();
        assert_eq!(read, tuned.schema);
        assert_eq!((read.name(), read.layout(), read.threshold()), ("tuned", base.layout(), tuned.learnt.threshold));
        assert_eq!(
            read.fields()[0].encoding().unwrap().features(),
            Features::QGrams { q: 2, pad: true, positional: false }
        );
    }
    for name in LinkageSchema::shipped_names() {
        let base = LinkageSchema::shipped(name).unwrap();
        let same: Vec<usize> = base.encoded_fields().map(|(_, _, encoding)| encoding.bits()).collect();
        assert_eq!(document::write(&base, name, &same, base.threshold()).unwrap().0, base, "{name}");
        // Fields that exact tokens, blocking keys or a salt use stay when they lose their budget.
        let mut one = vec![0; same.len()];
        one[0] = same[0];
        if base.layout().segments() == 1 {
            document::write(&base, "one-field", &one, base.threshold()).unwrap();
        }
    }
}

#[test]
fn a_full_segment_passes_its_share_on_and_none_is_empty() {
    let people = People::new(400);
    let tuned = tune(&segmented(), people.sample(), &options()).unwrap();
    let found = bits(&tuned);
    assert!(found.iter().all(|&bits| (8..=89).contains(&bits)) && found.iter().sum::<usize>() == 160, "{found:?}");
    assert!(found[0] > found[2] && found[1] > found[3]);
    let full = tune(&segmented(), people.sample(), &Options { density: Some(0.5), ..options() }).unwrap();
    assert!(bits(&full).iter().all(|&bits| bits <= 89) && bits(&full)[0] == 89, "{:?}", bits(&full));
}

#[test]
fn a_density_sets_the_total() {
    let people = People::new(100);
    let tuned = tune(&composite(), people.sample(), &Options { density: Some(0.4), ..options() }).unwrap();
    assert!((261..=262).contains(&bits(&tuned).iter().sum::<usize>()));
    for density in [0.0, 0.6, f64::NAN, -1.0] {
        let error = tune(&composite(), people.sample(), &Options { density: Some(density), ..options() }).unwrap_err();
        assert!(matches!(error, TuneError::Density { .. }));
    }
}

#[test]
fn the_same_seed_gives_the_same_schema_and_no_person_is_in_both_halves() {
    let mut people = People::new(60);
    // Two records of one person on the right: one person, not two.
    people.right.push(people.left[0].clone());
    people.gold.push((0, people.right.len() as u32 - 1));
    let one = tune(&composite(), people.sample(), &options()).unwrap();
    people.gold.reverse();
    let two = tune(&composite(), people.sample(), &options()).unwrap();
    assert_eq!((one.document, one.people), (two.document, two.people));
    assert_eq!(one.people, [30, 30]);
    let [learn, judge] = halves::split(people.sample(), 1);
    assert_eq!(learn.pairs.len() + judge.pairs.len(), 61);
    assert!(learn.pairs.iter().all(|(left, _)| judge.pairs.iter().all(|(other, _)| left != other)));
    for half in [&learn, &judge] {
        let [left, right] = half.rows.each_ref().map(Vec::len);
        assert_eq!((left, right), (90, 60 + half.pairs.len()));
    }
}

#[test]
fn too_few_people_and_tables_that_do_not_fit_are_refused_with_a_hint() {
    let people = People::new(49);
    let error = tune(&composite(), people.sample(), &options()).unwrap_err();
    assert!(matches!(error, TuneError::TooFewPeople { found: 49, .. }) && error.to_string().contains("hint: "));
    let mut people = People::new(200);
    // Gold pairs that are no pairs: every field is noise.
    people.gold.iter_mut().for_each(|pair| pair.1 = (pair.0 + 7) % 400);
    people.left.iter_mut().chain(&mut people.right).for_each(|record| record[0] = None);
    let result = tune(&composite(), people.sample(), &options());
    assert!(matches!(result, Err(TuneError::NoEvidence)), "{:?}", result.map(|tuned| tuned.fields));
    let bad = Options { name: "No Name".to_owned(), ..options() };
    assert!(matches!(tune(&composite(), People::new(60).sample(), &bad), Err(TuneError::Schema(_))));
}
