use std::collections::BTreeSet;

use super::*;
use crate::refs::SiteKey;

fn files(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_folder_keeps_whatever_is_not_of_a_killed_process_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (run, capital) = (format!("{}.run", "0a".repeat(16)), format!("{}.run", "0A".repeat(16)));
    let theirs = ["marathon.run", "0123.run", capital.as_str(), "notes.new", "manifest.run"];
    let ours = [run.as_str(), NEW_MANIFEST];
    theirs.iter().chain(&ours).for_each(|name| fs::write(folder.path().join(name), "something").unwrap());
    let refs = SiteKey::generate().refs(&"ndb".parse().unwrap());
    let (work, runs, begun) = WorkFolder::open(folder.path(), [1; 32], &refs, 3).unwrap();
    assert!(runs.is_empty() && begun.is_none());
    let kept: BTreeSet<String> = theirs.map(str::to_owned).into();
    let with_lock: BTreeSet<String> = kept.iter().cloned().chain([LOCK.to_owned()]).collect();
    assert_eq!(files(folder.path()), with_lock);
    work.remove().unwrap();
    assert_eq!(files(folder.path()), kept);
}

#[test]
fn a_lock_file_with_something_in_it_is_another_programs() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(LOCK), "pid 7").unwrap();
    let refs = SiteKey::generate().refs(&"ndb".parse().unwrap());
    let error = WorkFolder::open(folder.path(), [1; 32], &refs, 3).err().unwrap().to_string();
    assert!(error.contains("hint: "), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join(LOCK)).unwrap(), "pid 7");
}
