//! What the demo shows at the end.

use std::io::{self, Write};

use serde::Serialize;

/// The figures of one demo.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub people: u64,
    pub databases: Vec<DatabaseSummary>,
    /// The service's own words when a project without a permit asks for a run.
    pub refusal: String,
    pub run: RunSummary,
    pub quality: QualitySummary,
    /// Linkage keys that the project received.
    pub keys_released: u64,
    /// Entries of the audit log, verified offline.
    pub audit_entries: u64,
    pub seconds: f64,
}

/// One custodian's part.
#[derive(Debug, Serialize)]
pub struct DatabaseSummary {
    pub database: String,
    pub records: u64,
    pub set_aside_rows: u64,
    pub tokenise_seconds: f64,
    pub tokens_per_second: f64,
    pub token_file_bytes: u64,
    /// Rows of the custodian's own crosswalk.
    pub linked_records: u64,
}

/// The matching.
#[derive(Debug, Serialize)]
pub struct RunSummary {
    pub threshold: String,
    pub candidates: String,
    /// Whether every recall asked for is shown; none when none was.
    pub certified: Option<bool>,
    /// By pair of databases, as `linkage run` prints them.
    pub certificates: Vec<serde_json::Value>,
    pub exact_pairs: u64,
    pub dice_pairs: u64,
    pub compared_pairs: u64,
    pub seconds: f64,
    pub compared_pairs_per_second: f64,
}

/// The crosswalks against truth, over pairs of records of different databases.
#[derive(Debug, Serialize)]
pub struct QualitySummary {
    pub links: u64,
    /// Links that are true pairs.
    pub right: u64,
    pub true_pairs: u64,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

impl Summary {
    /// Prints the table, readable without colour.
    pub fn print(&self, out: &mut impl Write, colour: bool) -> io::Result<()> {
        let (bold, plain) =
            if colour && std::env::var_os("NO_COLOR").is_none() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        writeln!(out)?;
        writeln!(out, "{bold}database   records  set aside  tokens/s  token file  linked records{plain}")?;
        for d in &self.databases {
            let (records, linked) = (grouped(d.records), grouped(d.linked_records));
            let (aside, rate) = (grouped(d.set_aside_rows), grouped(d.tokens_per_second as u64));
            let size = format!("{:.1} MB", d.token_file_bytes as f64 / 1e6);
            writeln!(out, "{:<9} {records:>8} {aside:>10} {rate:>9} {size:>11} {linked:>15}", d.database)?;
        }
        let (run, quality) = (&self.run, &self.quality);
        writeln!(out)?;
        let mut line = |name: &str, value: String| writeln!(out, "{name:<41} {value}");
        line("people", grouped(self.people))?;
        line("pairs linked by exact token", grouped(run.exact_pairs))?;
        let similar = match run.threshold.as_str() {
            "learnt" => "candidate pairs that the run learnt from".to_owned(),
            threshold => format!("pairs with Dice ≥ {threshold}"),
        };
        line(&similar, grouped(run.dice_pairs))?;
        line("pairs compared", grouped(run.compared_pairs))?;
        line("pairs compared per second", format!("{:.2e}", run.compared_pairs_per_second))?;
        let share = |name: &str| run.certificates.iter().filter_map(|one| one[name].as_f64()).reduce(f64::min);
        if let (Some(recall), Some(lower)) = (share("recall"), share("lower")) {
            let verdict = match run.certified {
                Some(true) => "certified",
                Some(false) => "NOT CERTIFIED",
                None => "estimated",
            };
            let of = if run.threshold == "learnt" { "candidates" } else { "pairs" };
            line(
                &format!("recall of {of}, worst database pair"),
                format!("{recall:.4}, at least {lower:.4} at 95 %, {verdict} (by {})", run.candidates),
            )?;
        }
        line("links between records", format!("{}, {} of them right", grouped(quality.links), grouped(quality.right)))?;
        line("true pairs", grouped(quality.true_pairs))?;
        let quality = format!("{:.4} / {:.4} / {:.4}", quality.precision, quality.recall, quality.f1);
        line("precision / recall / F1", quality)?;
        line("linkage keys released", grouped(self.keys_released))?;
        line("project without a permit", format!("refused: {}", self.refusal))?;
        line("audit log, verified offline", format!("{} entries", grouped(self.audit_entries)))?;
        line("seconds in all", format!("{:.1}", self.seconds))
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
