use super::*;

#[test]
fn a_work_folder_gives_back_every_finding_that_was_put_into_it() {
    let mut findings = Findings::new(2);
    (findings.rows, findings.opted_out, findings.superseded) = (900, 3, 4);
    findings.present = vec![5, 6];
    for (index, why) in SetAside::ALL.into_iter().enumerate() {
        assert_eq!(why as usize, index, "each variant is listed once, in its order");
        (0..=index as u64).for_each(|row| findings.set_aside(why, row));
    }
    for (index, effect) in Effect::ALL.into_iter().enumerate() {
        assert_eq!(effect as usize, index, "each variant is listed once, in its order");
        for rule in Rule::ALL {
            (0..200).for_each(|row| findings.break_rule(1, *rule, effect, row));
        }
    }
    for note in NameNote::ALL {
        findings.note_name(note, note as u64);
    }
    let state = findings.state();
    let text = state.to_string();
    let back = Findings::from_state(&serde_json::from_str(&text).unwrap(), 2).unwrap();
    assert_eq!(back.state(), state);
    assert_eq!((back.set_aside.len(), back.broken.len()), (SetAside::ALL.len(), Rule::ALL.len() * Effect::ALL.len()));
    assert_eq!(back.names.len(), NameNote::ALL.len());
    assert!(Findings::from_state(&state, 3).is_none(), "of another schema");
}
