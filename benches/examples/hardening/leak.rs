//! What tokens say to somebody without the secret, by two measures; neither is a whole attack.
//!
//! - *Neighbours*: of the ten records that are most like one in the attacker's own encoding, how many are among the ten most
//!   like it by the tokens. Graph matching lives on it (docs/spec/hardening.md, "What is left").
//! - *Names*: who knows the family names behind half of the tokens, of how many others can he tell it, among the twenty most
//!   frequent ones? A naive Bayes classifier over single bits. It sees frequent bits and not combinations of them.

use std::collections::HashMap;
use std::io::Write;

use linkage_core::encode::Token;
use linkage_core::schema::LinkageSchema;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::map::Filters;
use crate::{Result, Tables};

const NEIGHBOURS: usize = 10;

/// Records whose neighbours are looked for.
const SAMPLED: usize = 1000;

/// Names that are told apart.
const NAMES: usize = 20;

/// The schema by which equal family names have equal exact tokens, as labels.
pub fn names_alone(schema: &LinkageSchema, field: &str) -> Result<LinkageSchema> {
    let mut document: Value = serde_json::from_str(&schema.canonical())?;
    document["exact_tokens"] = json!([{"name": "label", "required": [field]}]);
    document["fields"] =
        document["fields"].as_array().ok_or("no fields")?.iter().filter(|f| f["name"] == field).cloned().collect();
    Ok(LinkageSchema::parse(document.to_string().as_bytes())?)
}

/// Measures each encoding on the largest database.
pub fn write(out: &mut impl Write, attackers: &Tables, names: &Tables, encodings: &[(&str, &Tables)]) -> Result<()> {
    let largest = (0..names.len()).max_by_key(|&table| names[table].tokens.len()).ok_or("no database")?;
    let (attackers, labels) = (&attackers[largest].tokens, &names[largest].tokens);
    let labels: Vec<Option<[u8; 16]>> = labels.iter().map(|token| token.exact[0]).collect();
    writeln!(out, "schema,records,neighbours_seen,neighbours_by_chance,names_told,names_by_guessing")?;
    for (schema, tables) in encodings {
        let tokens = &tables[largest].tokens;
        let (told, guessed) = names_told(tokens, &labels);
        let chance = NEIGHBOURS as f64 / (tokens.len() - 1) as f64;
        let seen = neighbours_seen(attackers, tokens);
        writeln!(out, "{schema},{},{seen:.4},{chance:.4},{told:.4},{guessed:.4}", tokens.len())?;
    }
    Ok(())
}

/// The mean share of a record's neighbours in one encoding that are its neighbours in the other.
fn neighbours_seen(own: &[Token], tokens: &[Token]) -> f64 {
    let step = (tokens.len() / SAMPLED).max(1);
    let rows: Vec<usize> = (0..tokens.len()).step_by(step).collect();
    let (own, tokens) = (Filters::of(own), Filters::of(tokens));
    let shared = |&row: &usize| {
        let (clear, seen) = (nearest(&own, row), nearest(&tokens, row));
        clear.iter().filter(|neighbour| seen.contains(neighbour)).count()
    };
    rows.par_iter().map(shared).sum::<usize>() as f64 / (rows.len() * NEIGHBOURS) as f64
}

fn nearest(filters: &Filters<'_>, row: usize) -> Vec<usize> {
    let mut others: Vec<(f64, usize)> = (0..filters.rows())
        .filter(|&other| other != row)
        .map(|other| (-filters.similarity(row, filters, other), other))
        .collect();
    others.select_nth_unstable_by(NEIGHBOURS, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    others[..NEIGHBOURS].iter().map(|(_, other)| *other).collect()
}

/// The share of names that are told right, and the share of the most frequent one among them. Even rows are known, odd ones
/// are not.
fn names_told(tokens: &[Token], labels: &[Option<[u8; 16]>]) -> (f64, f64) {
    let mut rows_of: HashMap<[u8; 16], Vec<usize>> = HashMap::new();
    for (row, label) in labels.iter().enumerate() {
        label.iter().for_each(|label| rows_of.entry(*label).or_default().push(row));
    }
    let mut names: Vec<Vec<usize>> = rows_of.into_values().collect();
    names.sort_unstable_by_key(|rows| (std::cmp::Reverse(rows.len()), rows[0]));
    names.truncate(NAMES);
    let bits = tokens[0].clk.length().bits();
    let bit = |row: usize, at: usize| tokens[row].clk.words()[at / 64] >> (at % 64) & 1 == 1;
    // Per name its frequency, and per bit the logarithms of how often it is unset and set, with one of each added.
    let models: Vec<(f64, Vec<[f64; 2]>)> = (names.par_iter())
        .map(|rows| {
            let known: Vec<usize> = rows.iter().copied().filter(|row| row % 2 == 0).collect();
            let share = |at| (known.iter().filter(|&&row| bit(row, at)).count() + 1) as f64 / (known.len() + 2) as f64;
            let logs = (0..bits).map(|at| [(1.0 - share(at)).ln(), share(at).ln()]).collect();
            ((known.len() as f64 + 1.0).ln(), logs)
        })
        .collect();
    let guess = |row: usize| {
        let value = |(prior, logs): &(f64, Vec<[f64; 2]>)| {
            prior + logs.iter().enumerate().map(|(at, log)| log[usize::from(bit(row, at))]).sum::<f64>()
        };
        let values: Vec<f64> = models.iter().map(value).collect();
        (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0)
    };
    let unknown: Vec<(usize, usize)> = (names.iter().enumerate())
        .flat_map(|(name, rows)| rows.iter().filter(|row| *row % 2 == 1).map(move |row| (name, *row)))
        .collect();
    let right = unknown.par_iter().filter(|(name, row)| guess(*row) == *name).count();
    let most = (0..names.len()).map(|name| unknown.iter().filter(|(of, _)| *of == name).count()).max().unwrap_or(0);
    (right as f64 / unknown.len().max(1) as f64, most as f64 / unknown.len().max(1) as f64)
}
