//! The options of single formats: where a file has what no specification fixes.

use anyhow::bail;

use crate::inputs::{Format, Register};

/// What is said of formats that leave something open. Each option is of some formats alone.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct FormatArgs {
    /// Where receipts of a kind have the reading of the name, such as dpc=38, dpc=detect or dpc=none (uke, dpc)
    #[arg(long, value_name = "KIND=COLUMN", requires = "format")]
    pub(crate) kana_column: Vec<String>,
    /// Where receipts of a kind have the number of the chart, such as dpc=14 or dpc=none (uke, dpc)
    #[arg(long, value_name = "KIND=COLUMN", requires = "format")]
    pub(crate) chart_column: Vec<String>,
    /// The root (OID) of the id that is the branch number; without it, checkups have none (kenshin)
    #[arg(long, value_name = "OID", requires = "format")]
    pub(crate) branch_root: Option<String>,
    /// How the register is laid out [default: ledger] (kaigo)
    #[arg(long, value_name = "LAYOUT", requires = "format")]
    pub(crate) register: Option<Register>,
    /// Where a value is, by number or by its name in the first row, such as register.number=10 (kaigo)
    #[arg(long, value_name = "PART.NAME=COLUMN", requires = "format")]
    pub(crate) column: Vec<String>,
    /// The field of IN1 with symbol, number and branch, or none [default: 10] (ssmix2)
    #[arg(long, value_name = "N|none", requires = "format", value_parser = InsuredField::parse)]
    pub(crate) insured_field: Option<InsuredField>,
}

/// The field of a segment that tells of the insured person; none where none does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InsuredField(pub(crate) Option<usize>);

impl InsuredField {
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(field @ 1..=99) => Ok(Self(Some(field))),
            _ if text == "none" => Ok(Self(None)),
            _ => Err("give the number of a field, from 1 to 99, or none".to_owned()),
        }
    }
}

impl FormatArgs {
    /// Refuses options that the format does not have, so that none is without effect.
    ///
    /// # Errors
    /// When there is one.
    pub(crate) fn refuse_others(&self, format: Format) -> anyhow::Result<()> {
        let of_receipts = matches!(format, Format::Uke | Format::Dpc);
        if !(of_receipts || self.kana_column.is_empty() && self.chart_column.is_empty()) {
            bail!("--kana-column and --chart-column are for receipts\nhint: say --format uke, or leave them out");
        }
        if format != Format::Kenshin && self.branch_root.is_some() {
            bail!("--branch-root is for checkups\nhint: say --format kenshin, or leave it out");
        }
        if format != Format::Kaigo && (self.register.is_some() || !self.column.is_empty()) {
            bail!("--register and --column are for long-term care\nhint: say --format kaigo, or leave them out");
        }
        if format != Format::Ssmix2 && self.insured_field.is_some() {
            bail!("--insured-field is for SS-MIX2\nhint: say --format ssmix2, or leave it out");
        }
        Ok(())
    }

    /// Those options alone whose formats are `kept`.
    pub(crate) fn of(&self, kept: impl Fn(&[Format]) -> bool) -> Self {
        let mut own = self.clone();
        if !kept(&[Format::Uke, Format::Dpc]) {
            (own.kana_column, own.chart_column) = Default::default();
        }
        if !kept(&[Format::Kenshin]) {
            own.branch_root = None;
        }
        if !kept(&[Format::Kaigo]) {
            (own.register, own.column) = Default::default();
        }
        if !kept(&[Format::Ssmix2]) {
            own.insured_field = None;
        }
        own
    }
}
