//! The report as one HTML page that needs nothing from outside: no script, no font, no image.

use super::{Report, Share};
use crate::figure::Figure;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2327;--soft:#5c6770;--line:#d9dee2;--back:#fff;--bar:#2f6f9f;--rail:#e8edf1;--card:#f5f7f9}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9eb;--soft:#9aa5ad;--line:#3a4248;--back:#15191c;--bar:#6fb1e0;--rail:#2a3137;--card:#1d2327}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,'Hiragino Sans','Noto Sans CJK JP',sans-serif;color:var(--ink);background:var(--back);margin:2rem auto;max-width:68rem;padding:0 1.25rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .6rem}p{margin:.3rem 0;color:var(--soft)}code{font-size:.86em;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.7rem;margin:1.3rem 0}.cards div{background:var(--card);border-radius:.5rem;padding:.7rem .9rem}
.cards b{display:block;font-size:1.25rem;font-variant-numeric:tabular-nums}.cards span{color:var(--soft);font-size:.85rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:600;color:var(--soft);font-size:.85rem}
th,td{padding:.34rem .8rem .34rem 0;border-bottom:1px solid var(--line);vertical-align:middle}td:first-child{min-width:9.5rem}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.share{display:flex;align-items:center;gap:.6rem;min-width:11rem}.share svg{flex:none}.share span{white-space:nowrap;font-variant-numeric:tabular-nums}
.rail{fill:var(--rail)}.bar{fill:var(--bar)}svg text{fill:var(--soft);font-size:11px}ul{padding-left:1.2rem}li{margin:.2rem 0}footer{margin-top:2.5rem;color:var(--soft);font-size:.88rem}
@media print{:root{--ink:#000;--soft:#444;--line:#bbb;--back:#fff;--card:#fff;--bar:#333;--rail:#ddd}body{margin:0;max-width:none;font-size:11px}.cards div{border:1px solid var(--line)}
svg,.cards div{print-color-adjust:exact;-webkit-print-color-adjust:exact}tr,li,.cards{break-inside:avoid}h2{break-after:avoid}}";

/// Renders the report as a page.
pub(crate) fn html(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Report on an extract</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Report on an extract</h1>\n<p>Linkage schema <b>{}</b> <code>{}</code></p>\n",
        escaped(&report.schema),
        escaped(&report.digest)
    );
    page.push_str("<div class=\"cards\">\n");
    for (label, count) in &report.totals {
        page.push_str(&format!("<div><b>{}</b><span>{}</span></div>\n", escaped(&count.to_string()), escaped(label)));
    }
    page.push_str("</div>\n");
    section(
        &mut page,
        "Fields",
        "Filled: of all rows. Altered: of the filled, by normalisation. Unique: the value is of one row alone.",
    );
    let rows = report.fields.iter().map(|field| {
        vec![
            code(&field.name),
            share(&field.filled),
            share(&field.altered),
            share(&field.unique),
            number(&field.distinct),
        ]
    });
    table(&mut page, &["field", "filled", "altered", "unique", "#distinct values"], rows);
    section(
        &mut page,
        "How far values tell people apart",
        "Unique: the combination is of one row alone. Beyond 65,536 distinct values the figures are estimates within about 1 %.",
    );
    let rows = report
        .combinations
        .iter()
        .map(|row| vec![code(&row.fields), share(&row.rows), share(&row.unique), number(&row.distinct)]);
    table(&mut page, &["combination", "rows that have it", "unique", "#distinct"], rows);
    if !report.exact.is_empty() {
        section(&mut page, "Exact tokens", "Rows that have all the values that the token needs.");
        let rows = report.exact.iter().map(|(name, covered)| vec![code(name), share(covered)]);
        table(&mut page, &["exact token", "covered"], rows);
    }
    if let Some(density) = &report.density {
        section(
            &mut page,
            "CLK density",
            &format!("{:.1} % of the bits are set in the mean. Rows by density:", density.mean_percent),
        );
        page.push_str(&histogram(&density.steps));
    }
    section(&mut page, "What normalisation changed", "Each character that was altered or dropped, by class.");
    let rows = report.changes.iter().map(|(field, change, values, count)| {
        vec![
            code(field),
            format!("<td>{}</td>", escaped(change.message())),
            code(change.code()),
            number(values),
            number(count),
        ]
    });
    table(&mut page, &["field", "change", "class", "#values", "#characters"], rows);
    section(
        &mut page,
        "What is wrong",
        "Set aside: the row is not written. Missing: the value is not used. Kept: a warning. The header is row 1.",
    );
    if report.findings.is_empty() {
        page.push_str("<p>Nothing.</p>\n");
    } else {
        let items = report.findings.iter().map(|line| format!("<li>{}</li>\n", escaped(line)));
        page.push_str(&format!("<ul>\n{}</ul>\n", items.collect::<String>()));
    }
    page.push_str(&format!(
        "</main>\n<footer>Counts from 1 to {} are not shown, and no value of the extract is. Made on site by <code>custodian report</code>; \
         row numbers are for your own repair work: pass the report on with <code>--rows 0</code>.</footer>\n</body>\n</html>\n",
        report.limit - 1
    ));
    page
}

fn section(page: &mut String, title: &str, about: &str) {
    page.push_str(&format!("<h2>{}</h2>\n<p>{}</p>\n", escaped(title), escaped(about)));
}

/// A table; headings with `#` are of numbers.
fn table(page: &mut String, headings: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    page.push_str("<div class=\"wide\"><table>\n<thead><tr>");
    for heading in headings {
        let cell = match heading.strip_prefix('#') {
            Some(number) => format!("<th class=\"n\">{}</th>", escaped(number)),
            None => format!("<th>{}</th>", escaped(heading)),
        };
        page.push_str(&cell);
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        page.push_str(&format!("<tr>{}</tr>\n", row.concat()));
    }
    page.push_str("</tbody></table></div>\n");
}

fn code(text: &str) -> String {
    format!("<td><code>{}</code></td>", escaped(text))
}

fn number(figure: &Figure) -> String {
    format!("<td class=\"n\">{}</td>", escaped(&figure.to_string()))
}

fn share(share: &Share) -> String {
    format!(
        "<td><div class=\"share\"><svg width=\"100\" height=\"10\" aria-hidden=\"true\"><rect class=\"rail\" width=\"100\" height=\"10\" rx=\"2\"/>\
         <rect class=\"bar\" width=\"{}\" height=\"10\" rx=\"2\"/></svg><span>{}</span></div></td>",
        share.percent,
        escaped(&share.figure.to_string())
    )
}

fn histogram(steps: &[(u64, Share)]) -> String {
    let first = steps.first().map_or(0, |(from, _)| *from);
    let last = steps.last().map_or(0, |(from, _)| *from);
    let highest = steps.iter().map(|(_, rows)| rows.percent).max().unwrap_or(0).max(1);
    let x = |from: u64| 10 + (from - first) / super::DENSITY_STEP * 34;
    let mut svg = format!(
        "<div class=\"wide\"><svg width=\"{}\" height=\"150\" role=\"img\" aria-label=\"Rows by CLK density\">\n",
        x(last) + 50
    );
    for (from, rows) in steps {
        let height = rows.percent * 100 / highest;
        svg.push_str(&format!(
            "<rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"30\" height=\"{}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{}\" y=\"140\" text-anchor=\"middle\">{from} %</text>\n",
            x(*from),
            120 - height,
            height.max(1),
            x(*from) + 15,
            112 - height,
            if rows.percent > 0 { format!("{} %", rows.percent) } else { String::new() },
            x(*from) + 15,
        ));
    }
    svg.push_str("</svg></div>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
