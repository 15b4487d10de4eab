//! What one measurement says, as a line of CSV.

use std::fs;
use std::io::{Write as _, stdout};
use std::path::Path;

use linkage_core::block::certificate::RecallCertificate;
use linkage_core::block::lsh::{BandStats, LshPlan};

use super::Result;

const COLUMNS: &str = "strategy,databases,left,right,threshold,recall,threads,bits,bands,searched,solve_s,sample_s,keys_s,deal_s,blocks_s,bands_s,whole_s,\
                       cpu_s,peak_gib,candidates,largest_block,uncompared,pairs,sample_pairs,found,certified_lower,certified_upper,all_pairs,true_pairs_found,\
                       true_pairs_above,true_pairs,machine,command";

/// One measurement. What a strategy does not have stays empty.
#[derive(Default)]
pub struct Row {
    pub strategy: &'static str,
    pub databases: String,
    pub rows: (usize, usize),
    pub threshold: String,
    pub recall: f64,
    pub plan: Option<(LshPlan, BandStats, RecallCertificate)>,
    /// Solve, sample, keys, deal, blocks, bands.
    pub seconds: Option<[f64; 6]>,
    pub whole_s: f64,
    pub cpu_s: f64,
    pub pairs: u64,
    /// How many there are, when all pairs of the same databases were compared: `pairs` of them is the true recall.
    pub all_pairs: Option<u64>,
    pub true_pairs: Option<(u64, u64, u64)>,
}

impl Row {
    /// Prints the row, and appends it to a file when one is named.
    pub fn write(&self, file: Option<&Path>) -> Result<()> {
        let line = self.line()?;
        writeln!(stdout(), "{COLUMNS}\n{line}")?;
        if let Some(file) = file {
            let new = !file.exists();
            let mut file = fs::OpenOptions::new().create(true).append(true).open(file)?;
            if new {
                writeln!(file, "{COLUMNS}")?;
            }
            writeln!(file, "{line}")?;
        }
        Ok(())
    }

    fn line(&self) -> Result<String> {
        let (rows, threads) = (self.rows, rayon::current_num_threads());
        let counts = |values: &[String]| values.join(",");
        let plan = match &self.plan {
            Some((plan, stats, _)) => counts(&[plan.bits(), plan.bands(), stats.bands].map(|count| count.to_string())),
            None => ",,".to_owned(),
        };
        let seconds = match self.seconds {
            Some(seconds) => counts(&seconds.map(|seconds| format!("{seconds:.2}"))),
            None => ",,,,,".to_owned(),
        };
        let compared = match &self.plan {
            Some((_, stats, _)) => {
                counts(&[stats.candidates, stats.largest_block, stats.uncompared].map(|count| count.to_string()))
            }
            None => ",,".to_owned(),
        };
        let certificate = match &self.plan {
            Some((_, _, of)) => format!("{},{},{:.5},{:.5}", of.pairs, of.found, of.lower, of.upper),
            None => ",,,".to_owned(),
        };
        let all_pairs = self.all_pairs.map(|pairs| pairs.to_string()).unwrap_or_default();
        let truth = match self.true_pairs {
            Some((found, above, all)) => format!("{found},{above},{all}"),
            None => ",,".to_owned(),
        };
        Ok(format!(
            "{},{},{},{},{},{},{threads},{plan},{seconds},{:.2},{:.2},{:.2},{compared},{},{certificate},{all_pairs},{truth},\"{}\",\"{}\"",
            self.strategy,
            self.databases,
            rows.0,
            rows.1,
            self.threshold,
            self.recall,
            self.whole_s,
            self.cpu_s,
            peak_gib()?,
            self.pairs,
            machine()?,
            command()
        ))
    }
}

/// Processor, cores and how busy the machine is: on a shared one the clock on the wall says little.
fn machine() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let field =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.split_once(": ").map(|(_, value)| value));
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{} (family {} model {}), {cores} cores, load average {load} at the end",
        field("model name").unwrap_or("unknown"),
        field("cpu family").unwrap_or("?"),
        // Not the line of the model's name.
        info.lines().find_map(|line| line.strip_prefix("model\t\t: ")).unwrap_or("?"),
    ))
}

/// The command line that makes this row again.
fn command() -> String {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let record = args.iter().position(|arg| arg == "--record").unwrap_or(args.len());
    format!("cargo run -p linkage-benches --example lsh_scale -- {}", args[..record].join(" "))
}

/// The most memory that this process has held.
pub fn peak_gib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / f64::from(1 << 20))
}

/// CPU time of all threads of this process: on a shared machine the clock on the wall says little.
pub fn process_cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in brackets, may hold spaces; user and system time are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let ticks: Vec<u64> =
        fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<std::result::Result<_, _>>()?;
    Ok(ticks.iter().sum::<u64>() as f64 / 100.0)
}
