//! Results for machines: one row per measure, so that any tool can group, plot and compare them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use linkage_core::evaluate::{Interval, Quality, Spread};
use parquet::arrow::ArrowWriter;
use serde::Serialize;

use super::rows::is_parquet;
use crate::client::NewFile;

/// One measure.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measurement {
    /// The study, as the suite calls it.
    pub(super) study: String,
    /// The linkage schema.
    pub(super) schema: String,
    /// How links were chosen: `threshold` or `learnt`.
    pub(super) decision: String,
    /// What is measured: `candidates` (and the links among those of blocking keys), `pairs`, `links` (after one-to-one or clustering) or `group`.
    pub(super) of: &'static str,
    /// The lowest score that is a link: similarity, or the chance where links are learnt or given.
    pub(super) threshold: Option<f64>,
    /// The subgroup, as `column=value`.
    pub(super) group: Option<String>,
    /// The name of the measure.
    pub(super) measure: &'static str,
    /// Its value.
    pub(super) value: f64,
    /// The lower end of its 95 % interval.
    pub(super) low: Option<f64>,
    /// The upper end.
    pub(super) high: Option<f64>,
}

/// What all measurements of one outcome share.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) study: &'a str,
    pub(super) schema: &'a str,
    pub(super) decision: &'a str,
}

impl About<'_> {
    pub(super) fn measurement(
        &self,
        of: &'static str,
        threshold: Option<f64>,
        measure: &'static str,
        value: f64,
        interval: Option<Interval>,
    ) -> Measurement {
        Measurement {
            study: self.study.to_owned(),
            schema: self.schema.to_owned(),
            decision: self.decision.to_owned(),
            of,
            threshold,
            group: None,
            measure,
            value,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
        }
    }

    /// All measures of a quality.
    pub(super) fn quality(
        &self,
        of: &'static str,
        threshold: Option<f64>,
        quality: &Quality,
        spread: Option<&Spread>,
    ) -> Vec<Measurement> {
        let one = |measure, value, interval| self.measurement(of, threshold, measure, value, interval);
        vec![
            one("true_positives", quality.true_positives as f64, None),
            one("false_positives", quality.false_positives as f64, None),
            one("false_negatives", quality.false_negatives as f64, None),
            one("precision", quality.precision(), spread.map(|spread| spread.precision)),
            one("recall", quality.recall(), spread.map(|spread| spread.recall)),
            one("f1", quality.f1(), spread.map(|spread| spread.f1)),
            one("f_star", quality.f_star(), spread.map(|spread| spread.f_star)),
        ]
    }
}

/// Writes measurements: Parquet, JSON or CSV by the ending of the name. The file is whole, or not there.
pub(super) fn write(path: &Path, measurements: &[Measurement]) -> anyhow::Result<()> {
    let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
    whole(path, |file| match ending.as_deref().and_then(|ending| ending.to_str()) {
        Some("parquet") => parquet(file, measurements_batch(measurements)?),
        Some("json") => Ok(serde_json::to_writer_pretty(file, measurements)?),
        _ => {
            let mut writer = csv::Writer::from_writer(file);
            measurements.iter().try_for_each(|measurement| writer.serialize(measurement))?;
            Ok(writer.flush()?)
        }
    })
}

/// Writes columns of text and numbers as Parquet or CSV by the ending of the name.
pub(super) fn write_columns(path: &Path, columns: Vec<(&'static str, ArrayRef)>) -> anyhow::Result<()> {
    let batch = RecordBatch::try_from_iter(columns)?;
    whole(path, |file| {
        if is_parquet(path) {
            return parquet(file, batch);
        }
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(batch.schema_ref().fields().iter().map(|field| field.name()))?;
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| arrow::util::display::array_value_to_string(column, row));
            writer.write_record(values.collect::<Result<Vec<_>, _>>()?)?;
        }
        Ok(writer.flush()?)
    })
}

fn measurements_batch(measurements: &[Measurement]) -> anyhow::Result<RecordBatch> {
    let text = |of: &dyn Fn(&Measurement) -> Option<String>| -> ArrayRef {
        Arc::new(measurements.iter().map(of).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&Measurement) -> Option<f64>| -> ArrayRef {
        Arc::new(measurements.iter().map(of).collect::<Float64Array>())
    };
    Ok(RecordBatch::try_from_iter([
        ("study", text(&|m| Some(m.study.clone()))),
        ("schema", text(&|m| Some(m.schema.clone()))),
        ("decision", text(&|m| Some(m.decision.clone()))),
        ("of", text(&|m| Some(m.of.to_owned()))),
        ("threshold", number(&|m| m.threshold)),
        ("group", text(&|m| m.group.clone())),
        ("measure", text(&|m| Some(m.measure.to_owned()))),
        ("value", number(&|m| Some(m.value))),
        ("low", number(&|m| m.low)),
        ("high", number(&|m| m.high)),
    ])?)
}

fn parquet(file: &mut NewFile, batch: RecordBatch) -> anyhow::Result<()> {
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

/// The forms of links and of clusters.
pub(super) const OF_LINKS: [&str; 2] = ["csv", "parquet"];
/// The forms of measures.
pub(super) const OF_MEASURES: [&str; 3] = ["csv", "parquet", "json"];

/// Refuses files that are there already, cannot be written, or end as none of these forms, before any work is done.
pub(super) fn refuse<'a>(paths: impl IntoIterator<Item = &'a PathBuf>, forms: &[&str]) -> anyhow::Result<()> {
    paths.into_iter().try_for_each(|path| {
        let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
        if !forms.iter().any(|form| ending.as_deref().is_some_and(|ending| ending == *form)) {
            let forms = forms.iter().map(|form| format!(".{form}")).collect::<Vec<_>>().join(" or ");
            bail!(
                "{}: the form of the file follows from the ending of its name\nhint: end it in {forms}",
                path.display()
            );
        }
        NewFile::create(path).map(drop)
    })
}

/// A file that is there is whole, and none is overwritten.
fn whole(path: &Path, write: impl FnOnce(&mut NewFile) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut file = NewFile::create(path)?;
    write(&mut file).with_context(|| format!("cannot write {}", path.display()))?;
    file.finish()
}
