//! `custodian clkhash export`: the CLKs of one's own token file, for anonlink.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use arrow::array::AsArray;
use linkage_core::clkhash::{ClkJsonWriter, swap_bit_order};
use linkage_core::token_file::TokenFileReader;
use linkage_core::types::RecordRef;

use crate::cli::Done;
use crate::figure::grouped;
use crate::output::{self, WholeFile, at, refuse_output};
use crate::refs::SiteKey;

/// Write the CLKs of your own token file as clkhash and anonlink exchange them
///
/// They come in the order of the token file, and are then no longer sealed: whoever gets the file can compare them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Your site key, which opens the token file
    #[arg(long, value_name = "FILE")]
    site_key: PathBuf,
    /// Also write the record refs in the same order, one per line, so that results can be mapped back
    #[arg(long, value_name = "FILE")]
    refs: Option<PathBuf>,
    /// Replace the outputs if they are there already
    #[arg(long)]
    force: bool,
    /// The file of CLKs to write: {"clks": [base64, …]}
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The token file
    #[arg(value_name = "FILE.tokens")]
    input: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Done> {
    let site_key = SiteKey::load(&args.site_key)?;
    for output in std::iter::once(&args.output).chain(&args.refs) {
        refuse_output(output, args.force, || Ok(vec![args.input.clone(), args.site_key.clone()]))?;
    }
    if args.refs.as_ref() == Some(&args.output) {
        return Err(at(
            &args.output,
            "both outputs have this name\nhint: write the record refs to a file of their own",
        ));
    }
    let failed = |error| at(&args.input, error);
    let file = File::open(&args.input).map_err(|error| at(&args.input, error))?;
    let mut reader = TokenFileReader::open(file, site_key.identity()).map_err(failed)?;
    if reader.header().segments > 1 {
        let advice = "hint: anonlink compares whole filters, and would get missing values wrong";
        return Err(at(&args.input, format!("its CLKs are segmented\n{advice}")));
    }
    let mut whole = WholeFile::create(&args.output, args.force)?;
    let mut refs = args.refs.as_deref().map(|path| WholeFile::create(path, args.force)).transpose()?;
    let mut writer = ClkJsonWriter::new(&mut whole).map_err(|error| at(&args.output, error))?;
    while let Some(batch) = reader.next_batch().map_err(failed)? {
        let (Some(clks), Some(record_refs)) = (batch.column_by_name("clk"), batch.column_by_name("record_ref")) else {
            bail!("a token file has the columns `record_ref` and `clk`");
        };
        for (clk, record_ref) in clks.as_fixed_size_binary().iter().zip(record_refs.as_fixed_size_binary().iter()) {
            let (Some(clk), Some(record_ref)) = (clk, record_ref) else { bail!("a token file has no missing CLKs") };
            let mut clk = clk.to_vec();
            swap_bit_order(&mut clk);
            writer.write(&clk).map_err(|error| at(&args.output, error))?;
            if let Some(refs) = &mut refs {
                let record_ref = RecordRef(record_ref.try_into()?);
                writeln!(refs, "{}", record_ref.to_hex()).map_err(|error| at(refs.path(), error))?;
            }
        }
    }
    // Only now is the whole file known to be what was written.
    reader.finish().map_err(failed)?;
    let (_, written) = writer.finish().map_err(|error| at(&args.output, error))?;
    whole.finish()?;
    if let Some(refs) = refs {
        refs.finish()?;
    }
    output::talk(&format!("wrote `{}`: {} CLKs", args.output.display(), grouped(written)));
    Ok(Done::Clean)
}
