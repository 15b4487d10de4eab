//! Kills, full disks and damaged files.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use custodian::refs::SiteKey;
use expect_test::expect;
use proptest::prelude::ProptestConfig;
use proptest::test_runner::TestRunner;

use crate::site::{Run, Site, people};

#[test]
fn a_damaged_or_foreign_token_file_is_refused() {
    let site = Site::new();
    site.write("people.csv", people(40));
    site.payload("people.csv");
    SiteKey::generate().create_file(&site.path("other.key")).unwrap();
    let foreign = site.run("inspect --site-key other.key payload.tokens");
    assert_eq!((foreign.code(), foreign.stdout().as_str()), (1, ""));
    let sound = fs::read(site.path("payload.tokens")).unwrap();
    let mut flipped = sound.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&sound[..sound.len() - 1], &sound[..sound.len() / 2], &sound[..10], &flipped[..]] {
        site.write("damaged.tokens", damaged);
        let run = site.run("inspect --site-key site.key damaged.tokens");
        assert_eq!((run.code(), run.stdout().as_str()), (1, ""), "{}", run.stderr());
    }
}

#[test]
fn a_parquet_file_on_which_the_decoder_panics_is_one_error_and_no_more() {
    let site = Site::new();
    let bad = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/fuzz/arrow-schema.parquet");
    site.write("bad.parquet", fs::read(bad).unwrap());
    site.run("check --schema person-ja --format parquet --id-column id bad.parquet").check(&expect![[r#"
        exit 1
        error: `bad.parquet`: not a Parquet file that can be read
        hint: was it cut off? Columns may be plain or compressed with snappy or zstd, and not enciphered"#]]);
}

/// With and without runs on the disk. `out.tokens` is not there yet.
const LINES: [&str; 2] = [
    "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --id-column id --site-key site.key \
     --sort-bytes 200000 people.csv -o out.tokens",
    "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --id-column id --site-key site.key \
     people.csv -o out.tokens",
];

/// Draws so many places, in thousandths of the whole, and whether there are runs.
#[cfg(unix)]
fn at_drawn_places(cases: u32, each: impl Fn(u32, usize)) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let drawn = |(place, line)| {
        each(place, line);
        Ok(())
    };
    TestRunner::new(config).run(&(0..1000_u32, 0..LINES.len()), drawn).unwrap();
}

/// What is there under the final name is whole, and is taken away for the next time.
#[cfg(unix)]
fn is_finished(site: &Site) -> bool {
    let finished = site.path("out.tokens").exists();
    if finished {
        let inspected = site.run("inspect --site-key site.key out.tokens");
        assert_eq!(inspected.code(), 0, "{}", inspected.stderr());
        fs::remove_file(site.path("out.tokens")).unwrap();
    }
    finished
}

#[cfg(unix)]
#[test]
fn a_kill_at_any_time_leaves_no_file_that_looks_whole() {
    let site = Site::new();
    site.write("people.csv", people(6000));
    let started = Instant::now();
    assert_eq!(site.run(LINES[0]).code(), 0);
    let whole = started.elapsed();
    assert!(is_finished(&site));
    at_drawn_places(24, |place, line| {
        let mut child = site.command(LINES[line]).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * place / 1000);
        child.kill().unwrap();
        child.wait().unwrap();
        is_finished(&site);
    });
    // Whatever they have left, the next one is not in its way.
    assert_eq!(site.run(LINES[0]).code(), 0);
    assert!(is_finished(&site));
    let left: Vec<String> = site.files().into_iter().filter(|name| name.starts_with('.')).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(unix)]
#[test]
fn a_kill_at_any_byte_that_is_written_leaves_no_file_that_looks_whole() {
    let site = Site::new();
    site.write("people.csv", people(6000));
    assert_eq!(site.run(LINES[1]).code(), 0);
    let bytes = fs::metadata(site.path("out.tokens")).unwrap().len();
    assert!(is_finished(&site));
    let before = site.files();
    at_drawn_places(24, |place, line| {
        assert!(site.is_killed_at(LINES[line], bytes * u64::from(place) / 1000), "{place} of line {line}");
        assert!(!is_finished(&site));
    });
    assert_eq!(site.run(LINES[1]).code(), 0);
    assert!(is_finished(&site));
    assert_eq!(site.files(), before);
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let site = Site::new();
    site.write("people.csv", people(3000));
    let before = site.files();
    for options in ["", "--sort-bytes 100000"] {
        let limited = Command::new("sh")
            .current_dir(site.folder.path())
            .arg("-c")
            // The limit of the file size stands in for a full disk: writes fail when it is reached.
            .arg("trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"")
            .arg(env!("CARGO_BIN_EXE_custodian"))
            .args("tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub".split(' '))
            .args("--id-column id people.csv -o out.tokens".split(' '))
            .args(options.split_whitespace())
            .output()
            .unwrap();
        let run = Run(limited);
        assert_eq!(run.code(), 1, "{}", run.stderr());
        assert!(run.stderr().starts_with("error: "), "{}", run.stderr());
        assert_eq!(site.files(), before);
    }
    if Path::new("/dev/full").exists() {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut check = site.command("check --schema person-ja people.csv");
        assert_eq!(check.stdout(full).output().unwrap().status.code(), Some(1));
    }
}
