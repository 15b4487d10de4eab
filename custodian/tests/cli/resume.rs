//! A killed `tokenise` goes on from its work folder, and leaves nothing that looks whole.
// A pipe holds the program at a place of the test's choice.
#![cfg(unix)]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::site::{Run, Site, people, troubled};

const ROWS: u32 = 50_000;

/// Every batch is a checkpoint: nothing larger fits the memory for sorting.
const LINE: &str = "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
                    --id-column id --work work --sort-bytes 1 --opt-out out.txt --json people.csv -o ndb.tokens";

fn payload(run: &Run) -> String {
    let summary: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap_or_else(|_| panic!("{}", run.stderr()));
    summary["payload_blake3"].as_str().unwrap().to_owned()
}

/// Starts the work and kills it as soon as something is done, or after a while when nothing says so.
fn kill_when(site: &Site, due: impl Fn() -> bool) {
    let mut child = site.command(LINE).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() && !due() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    child.wait().unwrap();
}

/// Leaves work behind of which a part is done: the extract is a pipe that ends up half written, so that the process cannot
/// come to an end before it is killed. Afterwards the extract is a file. Nothing may be done before: the pipe is waited for
/// until something is.
fn kill_midway(site: &Site) {
    assert!(!site.path("work/manifest.json").exists());
    let extract = site.path("people.csv");
    let text = fs::read(&extract).unwrap();
    fs::remove_file(&extract).unwrap();
    assert!(Command::new("mkfifo").arg(&extract).status().unwrap().success());
    // While one thread waits for the pipe, the other encodes and writes what has been read.
    let mut child = site.command(LINE).args(["--threads", "2"]).stdout(Stdio::null()).spawn().unwrap();
    let (begun, pipe) = (text[..text.len() / 5 * 4].to_vec(), extract.clone());
    let writer = std::thread::spawn(move || {
        let mut pipe = fs::OpenOptions::new().write(true).open(pipe).unwrap();
        // The reader is killed while it waits for more.
        let _ = pipe.write_all(&begun);
        pipe
    });
    while !site.path("work/manifest.json").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before anything was done");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(writer.join().unwrap());
    fs::remove_file(&extract).unwrap();
    fs::write(&extract, text).unwrap();
}

fn site() -> Site {
    let site = Site::new();
    // In the part that is done before a process is killed, in the rest, and nowhere.
    site.write("out.txt", format!("p5\np{}\nnobody\n", ROWS - 1));
    site.write(
        "people.csv",
        people(ROWS) + &troubled().lines().skip(1).map(|line| format!("{line}\n")).collect::<String>(),
    );
    site
}

#[test]
fn a_tokenise_that_is_killed_again_and_again_ends_as_if_it_had_not_been() {
    let site = site();
    let started = Instant::now();
    let whole = site.payload("--opt-out out.txt people.csv");
    let all = started.elapsed();
    // A fixed seed, but what it hits differs with the machine.
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..12 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (started, delay) = (Instant::now(), all * (random % 1000) as u32 / 1000);
        kill_when(&site, || started.elapsed() > delay);
        is_finished(&site);
    }
    // While it clears up, or when it has just done so.
    kill_when(&site, || site.path("ndb.tokens").exists());
    assert!(is_finished(&site));
    // When those hit the beginning or the end only, one more leaves work of which a part is done.
    if !site.path("work/manifest.json").exists() {
        kill_midway(&site);
    }
    let last = site.run(LINE);
    assert!(last.stderr().contains("going on after "), "{}", last.stderr());
    check_last(&site, &last, &whole);
}

/// The last process has ended the work as if none before it had been killed, and has left nothing lying about.
fn check_last(site: &Site, last: &Run, whole: &str) {
    assert_eq!(last.code(), 3, "{}", last.stderr());
    assert_eq!(payload(last), whole);
    // The findings are those of the whole extract too.
    assert!(last.stderr().contains("set aside: wrong-field-count"), "{}", last.stderr());
    let left: Vec<String> = site.files().into_iter().filter(|name| name.starts_with('.') || name == "work").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What is there under the final name is whole, and is taken away for the next time.
fn is_finished(site: &Site) -> bool {
    let finished = site.path("ndb.tokens").exists();
    if finished {
        let inspected = site.run("inspect --site-key site.key ndb.tokens");
        assert_eq!(inspected.code(), 0, "{}", inspected.stderr());
        fs::remove_file(site.path("ndb.tokens")).unwrap();
    }
    finished
}

#[test]
fn a_tokenise_that_is_killed_at_any_byte_again_and_again_ends_as_if_it_had_not_been() {
    let site = site();
    let whole = site.payload("--opt-out out.txt people.csv");
    let bytes = fs::metadata(site.path("payload.tokens")).unwrap().len();
    let partial = || site.files().into_iter().find(|name| name.starts_with(".tokens-"));
    // Within the first sorted run, before there is anything to go on from; then within the token file, after all runs.
    assert!(site.is_killed_at(LINE, bytes / 10));
    assert!(!site.path("work/manifest.json").exists() && partial().is_none());
    assert!(site.is_killed_at(LINE, bytes - 5000));
    assert!(site.path("work/manifest.json").exists());
    let partial = fs::metadata(site.path(&partial().unwrap())).unwrap().len();
    assert!((bytes - 6100..bytes).contains(&partial), "{partial} of {bytes}");
    check_last(&site, &site.run(LINE), &whole);
    // Then at places of which nobody has thought.
    let config = ProptestConfig { cases: 5, failure_persistence: None, ..ProptestConfig::default() };
    let cuts = prop::collection::vec(0..1000_u64, 1..4);
    let drawn = TestRunner::new(config).run(&cuts, |cuts| {
        fs::remove_file(site.path("ndb.tokens")).unwrap();
        for cut in cuts {
            prop_assert!(site.is_killed_at(LINE, bytes * cut / 1000));
            prop_assert!(!site.path("ndb.tokens").exists());
        }
        check_last(&site, &site.run(LINE), &whole);
        Ok(())
    });
    drawn.unwrap();
}

#[test]
fn work_goes_on_where_it_was_and_only_with_the_same_extract_and_options() {
    let site = site();
    let whole = site.payload("--opt-out out.txt people.csv");
    kill_midway(&site);
    site.write(&format!("work/{}.run", "0a".repeat(16)), "a run that no manifest names");
    let text = fs::read_to_string(site.path("people.csv")).unwrap();
    site.write("people.csv", text.replacen("p5,", "p5x,", 1));
    let changed = site.run(LINE);
    assert!(
        changed.code() == 1 && changed.stderr().contains("not the one on which this work was begun"),
        "{}",
        changed.stderr()
    );
    site.write("people.csv", &text);
    let other = site.run(&LINE.replace("--json", "--json --map sex="));
    assert!(other.code() == 1 && other.stderr().contains("other options"), "{}", other.stderr());
    assert!(!site.path("ndb.tokens").exists());
    let last = site.run(LINE);
    assert!(last.stderr().contains("going on after "), "{}", last.stderr());
    assert!(last.stderr().contains("opted out: 2 of 3 listed ids\n"), "{}", last.stderr());
    assert_eq!(payload(&last), whole);
    assert!(!site.path("work").exists());
}

#[test]
fn what_a_work_folder_holds_shows_nothing_of_the_extract() {
    let site = site();
    kill_midway(&site);
    // Names and dates of at least eight bytes: fewer occur among enciphered ones by chance.
    let text = fs::read_to_string(site.path("people.csv")).unwrap();
    let values = text.lines().skip(1).take(15).flat_map(|line| line.split(','));
    let values: Vec<&[u8]> = values.filter(|value| value.len() >= 8).map(str::as_bytes).collect();
    assert!(values.len() >= 30);
    let mut looked_at = 0;
    for file in fs::read_dir(site.path("work")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        looked_at += bytes.len();
        for value in &values {
            assert!(!bytes.windows(value.len()).any(|window| window == *value), "a value of the extract");
        }
    }
    assert!(looked_at > 1_000_000, "only {looked_at} bytes of work");
}

#[test]
fn what_a_killed_process_left_is_removed_by_the_next_and_what_is_in_use_is_not() {
    let site = site();
    site.write(".tokens-abc.partial", "cut off");
    site.write(".tokens-def.partial", "being written");
    let used = fs::File::open(site.path(".tokens-def.partial")).unwrap();
    used.lock().unwrap();
    site.payload("people.csv");
    assert!(!site.path(".tokens-abc.partial").exists() && site.path(".tokens-def.partial").exists());
}
