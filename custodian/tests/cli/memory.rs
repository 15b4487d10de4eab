//! Memory stays bounded however many rows there are.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::site::{Site, people};

/// The most memory that the program ever held for an extract of so many rows, in KiB.
fn peak(rows: u32) -> u64 {
    let site = Site::new();
    site.write("people.csv", people(rows));
    let mut child = site
        .command(
            "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
             --id-column id --threads 2 --memory 4 people.csv -o ndb.tokens",
        )
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let found =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = found.unwrap_or(0).max(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn three_times_the_rows_take_no_more_memory() {
    let (few, many) = (peak(100_000), peak(300_000));
    assert!(few > 0, "no figure was seen");
    // Unbounded, the rows alone would take 34 MiB more; what grows is noise of the allocator.
    assert!(many < few + 16 * 1024, "{few} KiB for 100,000 rows, {many} KiB for 300,000");
    assert!(many < 96 * 1024, "{many} KiB");
}
