//! Kills, full disks and damaged files.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use custodian::refs::SiteKey;

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

#[cfg(unix)]
#[test]
fn a_kill_at_any_time_leaves_no_file_that_looks_whole() {
    let site = Site::new();
    site.write("people.csv", people(6000));
    let mut finished = false;
    for step in 0..40 {
        let name = format!("out{step}.tokens");
        let mut child = site
            .command(&format!(
                "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --id-column id \
                 --site-key site.key --sort-bytes 200000 people.csv -o {name}"
            ))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(step * 9));
        child.kill().unwrap();
        child.wait().unwrap();
        if site.path(&name).exists() {
            let inspected = site.run(&format!("inspect --site-key site.key {name}"));
            assert_eq!(inspected.code(), 0, "{}", inspected.stderr());
            finished = true;
        }
    }
    // On a slow machine none may get that far; then the name must at least be given at the end.
    if !finished {
        assert_eq!(site.tokenise("--site-key site.key people.csv -o out.tokens").code(), 0);
    }
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
