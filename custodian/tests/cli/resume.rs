//! A killed `tokenise` goes on from its work folder, and leaves nothing that looks whole.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::site::{Run, Site, people, troubled};

const ROWS: u32 = 50_000;

/// Every batch is a checkpoint: nothing larger fits the memory for sorting.
const LINE: &str = "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
                    --id-column id --work work --sort-bytes 1 --json people.csv -o ndb.tokens";

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

fn site() -> Site {
    let site = Site::new();
    site.write(
        "people.csv",
        people(ROWS) + &troubled().lines().skip(1).map(|line| format!("{line}\n")).collect::<String>(),
    );
    site
}

#[test]
fn a_tokenise_that_is_killed_again_and_again_ends_as_if_it_had_not_been() {
    let site = site();
    let whole = site.payload("people.csv");
    let mut went_on = 0;
    // A fixed seed, but what it hits differs with the machine.
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..12 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (started, delay) = (Instant::now(), Duration::from_millis(5 + random % 400));
        kill_when(&site, || started.elapsed() > delay);
        went_on += usize::from(site.path("work/manifest.json").exists());
        if site.path("ndb.tokens").exists() {
            let inspected = site.run("inspect --site-key site.key ndb.tokens");
            assert_eq!(inspected.code(), 0, "{}", inspected.stderr());
            fs::remove_file(site.path("ndb.tokens")).unwrap();
        }
    }
    if went_on == 0 {
        kill_when(&site, || site.path("work/manifest.json").exists());
    }
    let last = site.run(LINE);
    assert_eq!(last.code(), 3, "{}", last.stderr());
    assert_eq!(payload(&last), whole);
    // The findings are those of the whole extract too.
    assert!(last.stderr().contains("set aside: wrong-field-count"), "{}", last.stderr());
    let left: Vec<String> = site.files().into_iter().filter(|name| name.starts_with('.') || name == "work").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn work_goes_on_where_it_was_and_only_with_the_same_extract_and_options() {
    let site = site();
    let whole = site.payload("people.csv");
    kill_when(&site, || site.path("work/manifest.json").exists());
    if !site.path("work/manifest.json").exists() {
        // The machine was too quick for the test.
        return;
    }
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
    assert_eq!(payload(&last), whole);
    assert!(!site.path("work").exists());
}

#[test]
fn what_a_work_folder_holds_shows_nothing_of_the_extract() {
    let site = site();
    kill_when(&site, || site.path("work/manifest.json").exists());
    for file in fs::read_dir(site.path("work")).into_iter().flatten() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for part in ["p17", "サト", "佐藤", "1983"] {
            // Three bytes occur in enciphered ones by chance.
            assert!(part.len() < 4 || !bytes.windows(part.len()).any(|window| window == part.as_bytes()));
        }
    }
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
