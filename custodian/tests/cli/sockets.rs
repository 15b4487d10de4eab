//! Nothing but `submit` and `receive` opens a socket.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::clkhash::write_vector;
use crate::site::{Site, people};

/// Every command that must do without a network.
const OFFLINE: [&str; 13] = [
    "keygen -o new.secret",
    "site-key -o new.site-key",
    "map --guess people.csv --schema person-ja -o mapping.toml",
    "check --schema person-ja --id-column id people.csv",
    "report --schema person-ja --id-column id people.csv",
    "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
     --id-column id --work work -o ndb.tokens people.csv",
    "inspect --site-key site.key ndb.tokens",
    "tune --left people.csv --right people.csv --gold gold.csv --schema person-ja --id-column id -o tuned.json",
    "clkhash hash --clkhash-schema schema.json --secret secret.txt -o clks.json rows.csv",
    "clkhash import --database ndb --clkhash-schema schema.json --secret secret.txt --to unit.pub --site-key site.key \
     -o clk.tokens clks.json",
    "clkhash export --site-key site.key --refs refs.txt -o out.json clk.tokens",
    "completions bash",
    "man pages",
];

/// A site with everything that these commands read.
#[cfg(target_os = "linux")]
fn site() -> Site {
    let site = Site::new();
    let people = people(120);
    let ids = people.lines().skip(1).filter_map(|line| line.split(',').next());
    site.write(
        "gold.csv",
        ids.map(|id| format!("{id},{id}\n")).fold("left_id,right_id\n".to_owned(), |all, id| all + &id),
    );
    site.write("people.csv", &people);
    write_vector(site.folder.path(), "rows.csv");
    std::fs::create_dir(site.path("pages")).unwrap();
    site
}

/// Whether the tool is there and may be used here. Says so when it is not, past the test runner's capture, for a test that
/// is passed over in silence looks like one that has passed. In CI that is a failure, unless `.ci/run` has found that it
/// cannot have the tool either.
fn have(tool: &[&str]) -> bool {
    let tried = Command::new(tool[0]).args(&tool[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let usable = tried.is_ok_and(|status| status.success());
    if !usable {
        let text = format!("SKIPPED: `{}` cannot be used here, so this test has shown nothing\n", tool.join(" "));
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        let must = std::env::var_os("CI").is_some() && std::env::var_os("NO_SOCKET_TOOLS").is_none();
        assert!(!must, "{text}hint: `.ci/run` installs it");
    }
    usable
}

#[cfg(target_os = "linux")]
#[test]
fn the_whole_work_of_a_site_is_done_in_an_empty_network_namespace() {
    if !have(&["unshare", "-rn", "true"]) {
        return;
    }
    let site = site();
    for line in OFFLINE {
        let output = Command::new("unshare")
            .current_dir(site.folder.path())
            .args(["-rn", env!("CARGO_BIN_EXE_custodian")])
            .args(line.split_whitespace())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_call_to_make_a_socket_is_made() {
    if !have(&["strace", "-f", "-o", "/dev/null", "true"]) {
        return;
    }
    let site = site();
    for line in OFFLINE {
        let before = site.files();
        let trace = || {
            // What an earlier try has written would be in the way.
            site.files().difference(&before).for_each(|made| std::fs::remove_file(site.path(made)).unwrap());
            let output = Command::new("strace")
                .current_dir(site.folder.path())
                .args(["-f", "-qq", "-e", "trace=%network", "-o", "calls", env!("CARGO_BIN_EXE_custodian")])
                .args(line.split_whitespace())
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            std::fs::read_to_string(site.path("calls")).unwrap()
        };
        // A thread that ends with the program may be gone before strace can ask which call it was in. Such a trace says nothing.
        let calls = (0..10).map(|_| trace()).find(|calls| !calls.contains("???("));
        let calls = calls.expect("one trace of ten in which every call can be read");
        // Exits, signals, and threads of which strace let go at the end are no calls.
        let is_call = |line: &&str| !["+++", "---", "<detached"].iter().any(|mark| line.contains(mark));
        let foreign: Vec<&str> = calls.lines().filter(is_call).collect();
        assert!(foreign.is_empty(), "{line}: {foreign:?}");
    }
}

#[test]
fn without_submit_no_crate_of_the_program_can_open_a_connection() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--no-default-features", "-e", "normal", "--prefix", "none", "--manifest-path"])
        .arg(manifest)
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"linkage-core"));
    for network in [
        "tokio",
        "mio",
        "socket2",
        "hyper",
        "tonic",
        "h2",
        "rustls",
        "reqwest",
        "ureq",
        "curl",
        "linkage-proto",
        "datafusion",
    ] {
        assert!(!names.contains(&network), "{network}");
    }
}
