//! Damage: every way of touching an exported log is found, and the first broken entry is named.

use std::path::PathBuf;

use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::*;
use crate::role::{Caller, Role};
use crate::signing::{PublicKey, SigningKey};

/// The fixed key of the vectors; it signs nothing else.
fn audit_key() -> SigningKey {
    SigningKey::generate(|seed| seed.copy_from_slice(b"audit key of the test vectors   "))
}

fn other_key() -> SigningKey {
    SigningKey::generate(|seed| seed.copy_from_slice(b"another key of the test vectors "))
}

const START: OffsetDateTime = datetime!(2026-04-01 09:00:00 +9);

fn entry(n: u64) -> Entry {
    let caller = Caller {
        role: Role::Project("heart-2026".parse().unwrap()),
        name: "Analyst of heart-2026".to_owned(),
        fingerprint: [n as u8; 32],
    };
    let outcome = match n % 3 {
        0 => Outcome::Refused(Label::fixed("expired")),
        _ => Outcome::Allowed,
    };
    Entry::new(
        Actor::caller(&caller),
        Label::fixed("run.start"),
        Label::object("permit", "heart-2026").unwrap(),
        outcome,
    )
    .with(Label::fixed("databases"), 2 + n)
    .with(Label::fixed("file"), Label::hex(&[n as u8; 4]))
}

/// A log of `entries` entries with a checkpoint after every `every` and at the end, signed with `key`.
fn log(entries: u64, every: u64, key: &SigningKey) -> Vec<String> {
    let (first, mut chain) = Chain::start(Label::fixed("unit.example"));
    let mut lines = vec![first.line];
    let mut push = |(line, next): (SealedLine, Chain)| {
        lines.push(line.line);
        next
    };
    for n in 1..=entries {
        let time = START + Duration::minutes(n as i64);
        chain = push(chain.seal(entry(n), time));
        if n % every == 0 || n == entries {
            chain = push(chain.checkpoint(key, time));
        }
    }
    lines
}

fn check(lines: &[String], key: &PublicKey, earlier: Option<&Checkpoint>) -> Result<AuditReport, AuditFault> {
    let file: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    verify(file.as_bytes(), key, earlier)
}

/// `Ok`, or the code of the fault with the line and entry that it names.
fn verdict(lines: &[String], earlier: Option<&Checkpoint>) -> Result<(), (&'static str, u64, u64)> {
    let result = check(lines, &audit_key().public_key(), earlier);
    result.map(|_| ()).map_err(|fault| (fault.kind.code(), fault.line, fault.seq))
}

fn last_checkpoint(lines: &[String]) -> Checkpoint {
    Checkpoint::parse_line(lines.last().unwrap().as_bytes(), &audit_key().public_key()).unwrap()
}

/// Changes a count in a line's text and leaves its hash as it is.
fn edited(line: &str) -> String {
    line.replacen("\"databases\":", "\"databases\":9", 1)
}

/// The log again, with entry `n` changed and every hash computed anew, by somebody without the key: checkpoints keep
/// their old signed statements.
fn rewritten(lines: &[String], n: usize) -> Vec<String> {
    let mut head = [0; 32];
    let reseal = |(i, text): (usize, &String)| {
        let text = if i == n { edited(text) } else { text.clone() };
        let (line, next) = line::Line::parse(text.as_bytes()).unwrap().body.seal(&head);
        head = next;
        line
    };
    lines.iter().enumerate().map(reseal).collect()
}

#[test]
fn a_sound_log_is_reported_in_counts() {
    let lines = log(7, 3, &audit_key());
    let report = check(&lines, &audit_key().public_key(), None).unwrap();
    assert_eq!((report.entries, report.refused, report.checkpoints), (7, 2, 3));
    assert_eq!(report.origin.as_str(), "unit.example");
    assert_eq!(report.last_checkpoint.covers, lines.len() as u64 - 2);
    assert_eq!(verdict(&lines, Some(&last_checkpoint(&lines[..=4]))), Ok(()));
    assert_eq!(verdict(&lines, Some(&report.last_checkpoint)), Ok(()));
}

#[test]
fn sealing_goes_on_from_the_last_stored_line() {
    let lines = log(4, 4, &audit_key());
    let resumed = Chain::resume(Label::fixed("unit.example"), &lines[2]).unwrap();
    let (line, _) = resumed.seal(entry(3), START + Duration::minutes(3));
    assert_eq!((line.seq, &line.line), (3, &lines[3]));
    assert!(Chain::resume(Label::fixed("unit.example"), &lines[2][1..]).is_err());
}

#[test]
fn no_personal_value_fits_into_a_label() {
    for value in ["山田", "ヤマダ", "ﾔﾏﾀﾞ", "Yamada", "yamada taro", "", "1955 03 02", &"a".repeat(129)] {
        assert!(value.parse::<Label>().is_err(), "{value}");
    }
    assert!(Label::fixed("run.start").as_str().parse::<Label>().is_ok());
}

#[test]
fn a_certificate_name_cannot_forge_the_look_of_the_log() {
    let name = "a\"},\n\u{202e}\\".repeat(40);
    let caller = Caller { role: Role::Auditor, name, fingerprint: [0; 32] };
    let (_, chain) = Chain::start(Label::fixed("unit.example"));
    let entry = Entry::new(Actor::caller(&caller), Label::fixed("a"), Label::fixed("b"), Outcome::Allowed);
    let (line, _) = chain.seal(entry, START);
    assert!(!line.line.contains(['\n', '\u{202e}', '\\']));
    assert!(line::Line::parse(line.line.as_bytes()).is_some());
}

/// One sound log and one bad log per fault, as they lie in `testdata/vectors/audit/`.
fn vectors() -> Vec<(&'static str, Vec<String>, &'static str, u64, u64)> {
    let good = log(7, 3, &audit_key());
    // Lines: 0 start, 1 2 3 entries, 4 checkpoint, 5 6 7 entries, 8 checkpoint, 9 entry, 10 checkpoint.
    assert_eq!(good.len(), 11);
    let change = |f: &dyn Fn(&mut Vec<String>)| {
        let mut lines = good.clone();
        f(&mut lines);
        lines
    };
    let forged_checkpoint = {
        // The checkpoint is made to fit the rewritten lines; its signature cannot be.
        let mut lines = rewritten(&good, 6);
        lines.truncate(8);
        let chain = Chain::resume(Label::fixed("unit.example"), &lines[7]).unwrap();
        let (line, _) = chain.checkpoint(&audit_key(), START);
        let line::Body::Checkpoint(mut body) = line::Line::parse(line.line.as_bytes()).unwrap().body else { panic!() };
        let line::Body::Checkpoint(old) = line::Line::parse(good[8].as_bytes()).unwrap().body else { panic!() };
        body.sig = old.sig;
        lines.push(line::Body::Checkpoint(body).seal(chain.head()).0);
        lines
    };
    vec![
        ("good", good.clone(), "", 0, 0),
        ("not_a_log", good[1..].to_vec(), "not-a-log", 1, 0),
        ("altered", change(&|l| l[6] = edited(&l[6])), "altered", 7, 6),
        ("altered_start", change(&|l| l[0] = l[0].replace("unit", "unix")), "altered", 1, 0),
        ("renumbered", change(&|l| l[6] = l[6].replace("\"seq\":6", "\"seq\":9")), "altered", 7, 6),
        ("not_canonical", change(&|l| l[6] = l[6].replacen(':', ": ", 1)), "unreadable", 7, 6),
        ("cut_off", change(&|l| l[10].truncate(100)), "unreadable", 11, 10),
        ("removed", change(&|l| drop(l.remove(6))), "removed", 7, 6),
        ("removed_checkpoint", change(&|l| drop(l.remove(4))), "removed", 5, 4),
        ("inserted", change(&|l| l.insert(6, l[2].clone())), "inserted", 7, 6),
        ("inserted_forgery", change(&|l| l.insert(6, edited(&l[6]))), "inserted", 7, 6),
        ("reordered", change(&|l| l.swap(5, 7)), "reordered", 6, 5),
        ("rewritten", rewritten(&good, 6), "rewritten", 9, 8),
        ("bad_checkpoint_signature", forged_checkpoint, "bad-checkpoint-signature", 9, 8),
        ("wrong_key", log(7, 3, &other_key()), "wrong-key", 5, 4),
        ("no_final_checkpoint", good[..10].to_vec(), "no-final-checkpoint", 10, 9),
        // Sound in itself: only an auditor who kept `since.jsonl`, the last checkpoint of the good log, can tell.
        ("truncated", good[..9].to_vec(), "truncated", 10, 9),
        ("forked", log(8, 3, &audit_key()).into_iter().take(9).chain(fork_of(&good)).collect(), "forked", 10, 9),
    ]
}

/// Another continuation of the good log after its line 8, signed by the service's own key.
fn fork_of(good: &[String]) -> Vec<String> {
    let chain = Chain::resume(Label::fixed("unit.example"), &good[8]).unwrap();
    let (entry, chain) = chain.seal(entry(99), START);
    vec![entry.line, chain.checkpoint(&audit_key(), START).0.line]
}

#[test]
fn every_bad_vector_is_refused_at_its_first_broken_entry() {
    let since = last_checkpoint(&log(7, 3, &audit_key()));
    for (name, lines, code, line, seq) in vectors() {
        let expected = if name == "good" { Ok(()) } else { Err((code, line, seq)) };
        assert_eq!(verdict(&lines, Some(&since)), expected, "{name}");
    }
}

#[test]
fn the_vectors_on_disk_are_these() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/vectors/audit"));
    let good = log(7, 3, &audit_key());
    let mut files = vec![
        ("audit.pub".to_owned(), audit_key().public_key().to_pem()),
        ("since.jsonl".to_owned(), format!("{}\n", good[10])),
    ];
    let mut faults = Vec::new();
    for (name, lines, code, line, seq) in vectors() {
        files.push((format!("{name}.jsonl"), lines.iter().flat_map(|line| [line, "\n"]).collect()));
        if name != "good" {
            faults.push(format!(
                "  {{\"file\": \"{name}.jsonl\", \"fault\": \"{code}\", \"line\": {line}, \"seq\": {seq}}}"
            ));
        }
    }
    files.push(("faults.json".to_owned(), format!("[\n{}\n]\n", faults.join(",\n"))));
    for (name, contents) in files {
        crate::permit::tests::check_vector(&folder.join(name), contents.as_bytes());
    }
}

#[test]
fn an_earlier_checkpoint_of_another_key_or_kind_is_refused() {
    let lines = log(3, 3, &other_key());
    let key = audit_key().public_key();
    let parse = |line: &str| Checkpoint::parse_line(line.as_bytes(), &key).map_err(|kind| kind.code());
    assert_eq!(parse(lines.last().unwrap()).unwrap_err(), "wrong-key");
    assert_eq!(parse(&lines[1]).unwrap_err(), "unreadable");
}

#[derive(Debug, Clone)]
enum Damage {
    Delete(usize),
    Swap(usize, usize),
    Edit(usize, usize, u8),
    Insert(usize, usize),
    Truncate(usize),
    CutBytes(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<usize>().prop_map(Damage::Delete),
        any::<(usize, usize)>().prop_map(|(a, b)| Damage::Swap(a, b)),
        any::<(usize, usize, u8)>().prop_map(|(a, b, c)| Damage::Edit(a, b, c)),
        any::<(usize, usize)>().prop_map(|(a, b)| Damage::Insert(a, b)),
        any::<usize>().prop_map(Damage::Truncate),
        any::<usize>().prop_map(Damage::CutBytes),
    ]
}

proptest! {
    #[test]
    fn any_damage_is_found_and_the_first_broken_line_is_named(entries in 1u64..12, every in 1u64..5, damage in damage()) {
        let good = log(entries, every, &audit_key());
        let since = last_checkpoint(&good);
        let mut bytes: Vec<Vec<u8>> = good.iter().map(|line| line.clone().into_bytes()).collect();
        let n = bytes.len();
        match damage {
            Damage::Delete(i) => drop(bytes.remove(i % n)),
            Damage::Swap(a, b) => bytes.swap(a % n, b % n),
            Damage::Edit(i, at, to) => {
                let line = &mut bytes[i % n];
                let at = at % line.len();
                line[at] = to;
            }
            Damage::Insert(at, of) => bytes.insert(at % (n + 1), good[of % n].clone().into_bytes()),
            Damage::Truncate(at) => bytes.truncate(at % n),
            Damage::CutBytes(at) => drop(bytes.last_mut().map(|line| line.truncate(at % line.len()))),
        }
        let file: Vec<u8> = bytes.into_iter().flat_map(|line| [line, vec![b'\n']].concat()).collect();
        let original: Vec<u8> = good.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
        let same = file.iter().zip(&original).take_while(|(a, b)| a == b).count();
        let result = verify(file.as_slice(), &audit_key().public_key(), Some(&since));
        if file == original {
            prop_assert!(result.is_ok());
        } else {
            let fault = result.unwrap_err();
            // The first line that differs. A file that is a mere beginning of the original breaks where it ends.
            let first = original[..same].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let ended = same == file.len();
            prop_assert!(
                fault.line == first || (ended && fault.line + 1 >= first && fault.line <= first),
                "{:?}: named line {}, first difference in line {}", damage, fault.line, first
            );
        }
    }
}
