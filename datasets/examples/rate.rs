//! How many people, and how many people's extracts, one core makes in a second.
//!
//! ```text
//! cargo run -p linkage-datasets --example rate -- [PEOPLE]
//! ```
//! The dev profile compiles this crate as optimised as a release. The target is 200,000 people per second and core. The time
//! is the process's own (CPU), so that a busy machine does not count.

use std::fmt::Write as _;
use std::io::Write as _;

use linkage_datasets::{ExtractOptions, Model, Population, write_extracts};

/// Seconds of CPU time of this process, in user and system mode; Linux only.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    // Linux counts in hundredths of a second on every architecture that it runs on today.
    Some((user + system) / 100.0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let people: u64 = std::env::args().nth(1).map_or(Ok(500_000), |number| number.parse())?;
    let mut report = String::new();
    let mut timed = |name: &str, work: &mut dyn FnMut() -> Result<(), Box<dyn std::error::Error>>| {
        let (wall, cpu) = (std::time::Instant::now(), cpu_seconds());
        work()?;
        let seconds = match (cpu, cpu_seconds()) {
            (Some(before), Some(after)) => after - before,
            _ => wall.elapsed().as_secs_f64(),
        };
        writeln!(report, "{name}\t{people} people\t{seconds:.2} s CPU\t{:.0} people/s", people as f64 / seconds)?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let population = Population::new(1, people);
    timed("population, with histories", &mut || {
        for block in 0..population.blocks() {
            std::hint::black_box(population.block(block));
        }
        Ok(())
    })?;
    let folder = tempfile::tempdir()?;
    timed("nine extracts and truth, one thread", &mut || {
        let options = ExtractOptions { people, seed: 1, model: Model::default(), databases: Vec::new(), threads: 1 };
        write_extracts(&folder.path().join("extracts"), &options, &mut |_| {})?;
        Ok(())
    })?;
    std::io::stdout().write_all(report.as_bytes())?;
    Ok(())
}
