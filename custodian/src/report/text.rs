//! The report as text for a terminal.

use super::Report;

/// Renders the report as lines.
pub(crate) fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    for (label, count) in &report.totals {
        lines.push(format!("{label:32}  {count}"));
    }
    let widest = report.fields.iter().map(|field| field.name.len()).max().unwrap_or(0).max("field".len());
    lines.extend([
        String::new(),
        format!("{:widest$}  {:16}  {:16}  {:16}  distinct values", "field", "filled", "altered", "held by one row"),
    ]);
    for field in &report.fields {
        let [filled, altered, unique] = [&field.filled, &field.altered, &field.unique].map(|share| &share.figure);
        lines.push(format!("{:widest$}  {filled:16}  {altered:16}  {unique:16}  {}", field.name, field.distinct));
    }
    lines.extend([String::new(), "of one row alone  rows that have it  combination".to_owned()]);
    for row in &report.combinations {
        lines.push(format!("{:16}  {:17}  {}", row.unique.figure, row.rows.figure, row.fields));
    }
    if !report.exact.is_empty() {
        lines.extend([String::new(), "exact token           covered".to_owned()]);
        lines.extend(report.exact.iter().map(|(name, covered)| format!("{name:20}  {}", covered.figure)));
    }
    if !report.changes.is_empty() {
        lines.extend([String::new(), format!("{:widest$}  {:>12}  {:>12}  change", "field", "values", "count")]);
        for (field, change, values, count) in &report.changes {
            let (code, message) = (change.code(), change.message());
            lines.push(format!("{field:widest$}  {values:>12}  {count:>12}  {code}, {message}"));
        }
    }
    if let Some(density) = &report.density {
        lines.extend([String::new(), format!("CLK density: {:.1} % in the mean", density.mean_percent)]);
        for (from, rows) in &density.steps {
            let bar = "#".repeat(rows.percent as usize / 2);
            lines.push(format!("{from:>3} % and more  {:16}  {bar}", rows.figure).trim_end().to_owned());
        }
    }
    if !report.findings.is_empty() {
        lines.push(String::new());
        lines.extend(report.findings.iter().cloned());
    }
    lines.extend([
        String::new(),
        format!("Counts from 1 to {} are not shown. No value is.", report.limit - 1),
        String::new(),
    ]);
    lines.join("\n")
}
