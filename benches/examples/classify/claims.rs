//! What is claimed of links without truth, against what is so, over many cases.

use std::collections::HashSet;
use std::io::{Write as _, stdout};

use linkage_core::classify::{self, Estimate, Options, Tables};
use linkage_core::cluster::Member;
use linkage_core::evaluate::Quality;
use linkage_core::schema::LinkageSchema;
use linkage_datasets::ErrorModel;

use crate::data::{self, Table};
use crate::report::true_pairs;
use crate::{Result, Study, prepare};

/// Errors of the population that are raised, and to what.
const RAISED: [(&str, f64); 8] = [
    ("kana_typo", 0.05),
    ("kana_missing", 0.2),
    ("kana_of_another", 0.01),
    ("birth_date_error", 0.03),
    ("names_swapped", 0.01),
    ("ordinary_form", 0.6),
    ("sex_error", 0.005),
    ("postal_code_missing", 0.1),
];

/// FEBRL4 under a schema.
pub fn febrl(what: &str, tables: Vec<Table>, schema: &LinkageSchema) -> Result<()> {
    let study = prepare(tables, schema)?;
    header()?;
    line(what, schema.name(), "as found", "all", &study, &study.run())
}

/// A population under a schema: with errors as found and raised, with and without exact tokens, all five databases
/// together and each two alone.
pub fn population(people: u64, seed: u64, schema: &LinkageSchema) -> Result<()> {
    let raised = RAISED.iter().fold(ErrorModel::default(), |mut errors, (name, rate)| {
        assert!(errors.set(name, *rate), "no rate of this name");
        errors
    });
    header()?;
    for (errors, name) in [(ErrorModel::default(), "as found"), (raised, "raised")] {
        let mut tables = data::population(people, seed, 0, schema, seed, &errors)?;
        for exact in ["all", "all without exact tokens"] {
            let study = prepare(tables.clone(), schema)?;
            line(&format!("population {people} {seed}"), schema.name(), name, exact, &study, &study.run())?;
            for one in 0..study.found.len() {
                let mut run = study.run();
                let link = run.links[one];
                run.links = vec![link];
                let what = exact.replace("all", &format!("{} and {}", link.left + 1, link.right + 1));
                line(&format!("population {people} {seed}"), schema.name(), name, &what, &study, &run)?;
            }
            tables.iter_mut().flat_map(|table| &mut table.tokens).for_each(|token| token.exact.fill(None));
        }
    }
    Ok(())
}

fn header() -> Result<()> {
    writeln!(
        stdout().lock(),
        "data,schema,errors,databases,links,matches,f1,precision,claimed,low,high,recall,claimed,low,high,recall_unknown,within"
    )?;
    Ok(())
}

fn line(data: &str, schema: &str, errors: &str, databases: &str, study: &Study, run: &Tables<'_>) -> Result<()> {
    let model = classify::learn(run, &study.frequencies, &Options::default());
    let decision = classify::decide(run, &model);
    // Pairs of databases that were compared, not all that there are.
    let compared: HashSet<[u16; 2]> = run.links.iter().map(|link| [link.left as u16, link.right as u16]).collect();
    let truth: usize = run.links.iter().map(|link| true_pairs(study, link.left, link.right).len()).sum();
    let person = |member: &Member| study.tables[usize::from(member.database)].people[member.record as usize];
    let (mut links, mut right) = (0, 0);
    for cluster in &decision.clusters {
        for (at, a) in cluster.members.iter().enumerate() {
            let others = cluster.members[at + 1..].iter().filter(|b| compared.contains(&[a.database, b.database]));
            others.for_each(|b| (links, right) = (links + 1, right + usize::from(person(a) == person(b))));
        }
    }
    let is = Quality {
        true_positives: right as u64,
        false_positives: (links - right) as u64,
        false_negatives: (truth - right) as u64,
    };
    let claimed = decision.estimates;
    let three = |e: Estimate| format!("{:.4},{:.4},{:.4}", e.value, e.low, e.high);
    // Figures are compared as they are printed.
    let within = |e: Estimate, is: f64| e.low - 5e-5 <= is && is <= e.high + 5e-5;
    writeln!(
        stdout().lock(),
        "{data},{schema},{errors},{databases},{},{},{:.4},{:.4},{},{:.4},{},{},{}{}",
        links,
        truth,
        is.f1(),
        is.precision(),
        three(claimed.precision),
        is.recall(),
        three(claimed.recall),
        if claimed.recall_unknown { "unknown" } else { "known" },
        if within(claimed.precision, is.precision()) { "P" } else { "-" },
        if within(claimed.recall, is.recall()) { "R" } else { "-" },
    )?;
    Ok(())
}
