//! Room for what is found, asked for before it is taken.

use super::lsh::Stopped;

/// Entries for which room is made at first.
const FIRST: usize = 64;

/// Makes room for so many more entries, after asking for it: `grant` says whether so many more may be held.
pub(super) fn make_room<T>(found: &mut Vec<T>, more: usize, grant: impl Fn(usize) -> bool) -> Result<(), Stopped> {
    let (needed, had) = (found.len() + more, found.capacity());
    if needed > had {
        let room = needed.max(had + had / 2).max(FIRST);
        if !grant(room - had) {
            return Err(Stopped);
        }
        found.reserve_exact(room - found.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_is_held_was_asked_for_and_nothing_is_taken_that_was_refused() {
        let asked = Cell::new(0);
        let most = |most: usize| {
            let asked = &asked;
            move |more| {
                asked.set(asked.get() + more);
                asked.get() <= most
            }
        };
        let mut found = Vec::new();
        for at in 0..1000_u32 {
            make_room(&mut found, 1, most(1500)).unwrap();
            found.push(at);
        }
        assert!(found.capacity() == asked.get() && asked.get() < 1500);
        let had = found.capacity();
        assert_eq!(make_room(&mut found, 5000, most(1500)), Err(Stopped));
        assert_eq!(found.capacity(), had);
    }
}
