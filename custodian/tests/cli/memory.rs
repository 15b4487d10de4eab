//! Memory stays bounded however many rows there are.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use crate::site::{Site, people};

/// What the program may have of memory of its own, in KiB: the kernel holds it to that, so no load of the machine and no
/// moment of looking changes what the test sees.
const LIMIT_KIB: u32 = 160 * 1024;

/// Rows that take 110 MiB when all of them are held.
const ROWS: u32 = 600_000;

/// Whether the extract becomes a token file within the limit, with so much memory for sorting.
fn fits(site: &Site, memory_mib: u32) -> bool {
    let line = format!(
        "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
         --id-column id --threads 2 --memory {memory_mib} --force people.csv -o ndb.tokens"
    );
    let limited = format!("ulimit -d {LIMIT_KIB} && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.current_dir(site.folder.path()).arg("-c").arg(limited).arg(env!("CARGO_BIN_EXE_custodian"));
    command.args(line.split_whitespace()).stdin(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn an_extract_larger_than_the_memory_is_tokenised_and_one_that_is_held_is_not() {
    let site = Site::new();
    site.write("people.csv", people(ROWS));
    assert!(fits(&site, 4), "more than {LIMIT_KIB} KiB");
    assert!(!fits(&site, 1024), "the limit is too wide to show anything");
}
