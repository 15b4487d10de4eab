//! The embedded tables of `datasets/data/`.

/// The rows of a table, split at tabs, without its comment lines.
pub(crate) fn rows<const COLUMNS: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; COLUMNS]> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| {
        let cells: Vec<&'static str> = line.split('\t').collect();
        cells
            .try_into()
            .expect("the embedded tables have the same number of columns in every row; a test reads them all")
    })
}

/// A number of a table.
pub(crate) fn number(cell: &str) -> f64 {
    cell.parse().expect("the embedded tables hold numbers where numbers belong; a test reads them all")
}
