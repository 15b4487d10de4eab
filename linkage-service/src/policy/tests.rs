use time::macros::{date, datetime};

use super::*;

/// The ten pairs of 2024-06, from policy.md.
const TEN: [(&str, &str); 10] = [
    ("ndb", "kaigo"),
    ("ndb", "dpc"),
    ("ndb", "jisedai"),
    ("ndb", "kansensho"),
    ("kaigo", "dpc"),
    ("kaigo", "jisedai"),
    ("kaigo", "kansensho"),
    ("dpc", "jisedai"),
    ("dpc", "kansensho"),
    ("nanbyo", "shoman"),
];

/// What 令和7年政令393号 opens for jisedai from 2025-12-01.
const DECREE: [(&str, &str); 5] = [
    ("jisedai", "shoman"),
    ("jisedai", "shogai"),
    ("jisedai", "shogaiji"),
    ("jisedai", "kansensho"),
    ("jisedai", "nanbyo"),
];

const PROPOSED: [(&str, &str); 7] = [
    ("denkaru", "ndb"),
    ("denkaru", "kaigo"),
    ("denkaru", "dpc"),
    ("denkaru", "jisedai"),
    ("denkaru", "kansensho"),
    ("denkaru", "nanbyo"),
    ("denkaru", "shoman"),
];

const PROPOSED_LATER: [(&str, &str); 2] = [("denkaru", "shogai"), ("denkaru", "shogaiji")];

const CLASSES: [Class; 3] = [Class::Anonymised, Class::Pseudonymised, Class::Identified];

/// Asks about every pair of databases in every class, and compares with the whole list of what is open.
fn check_every_pair(policy: &str, day: Date, open_classes: &[Class], open: &[&[(&str, &str)]]) {
    let policy = Policy::shipped(policy).unwrap();
    let revision = policy.revision_at(day).unwrap();
    let listed: Vec<_> = open.concat();
    let mut found = 0;
    for class in CLASSES {
        for (a, _) in policy.databases() {
            for (b, _) in policy.databases() {
                let named =
                    |&(x, y): &(&str, &str)| (x, y) == (a.as_str(), b.as_str()) || (y, x) == (a.as_str(), b.as_str());
                let expected = open_classes.contains(&class) && listed.iter().any(named);
                assert_eq!(revision.is_open(a, b, class), expected, "{a}–{b} {class} on {day}");
                found += usize::from(expected && a < b);
            }
        }
    }
    assert_eq!(found, listed.len() * open_classes.len(), "every listed pair exists");
}

#[test]
fn the_law_opens_exactly_ten_pairs_in_2024_and_all_of_them_anonymised() {
    for day in [date!(2024 - 06 - 01), date!(2025 - 11 - 30)] {
        check_every_pair("law", day, &[Class::Anonymised], &[&TEN]);
    }
}

#[test]
fn the_decree_opens_five_more_pairs_of_jisedai_from_december_2025() {
    for day in [date!(2025 - 12 - 01), date!(2026 - 11 - 22)] {
        check_every_pair("law", day, &[Class::Anonymised], &[&TEN, &DECREE]);
    }
}

#[test]
fn the_proposal_adds_electronic_charts_and_pseudonymised_pairs_and_says_that_it_is_one() {
    let both = [Class::Anonymised, Class::Pseudonymised];
    check_every_pair("proposal-2024", date!(2024 - 06 - 01), &both, &[&TEN, &PROPOSED]);
    check_every_pair("proposal-2024", date!(2025 - 12 - 01), &both, &[&TEN, &DECREE, &PROPOSED, &PROPOSED_LATER]);
    let proposal = Policy::shipped("proposal-2024").unwrap();
    assert_eq!(proposal.status(), Status::Proposal);
    assert!(proposal.title().starts_with("PROPOSAL"));
    assert_eq!(Policy::shipped("law").unwrap().status(), Status::Law);
}

#[test]
fn jisedai_and_kansensho_are_closed_until_the_decree() {
    let law = Policy::shipped("law").unwrap();
    let (a, b) = ("jisedai".parse().unwrap(), "kansensho".parse().unwrap());
    let open = |day| law.revision_at(day).unwrap().is_open(&a, &b, Class::Anonymised);
    assert!(!open(date!(2025 - 11 - 30)));
    assert!(open(date!(2025 - 12 - 01)));
}

#[test]
fn a_day_begins_at_midnight_in_japan() {
    let law = Policy::shipped("law").unwrap();
    assert_eq!(law.day_of(datetime!(2025-11-30 14:59:59 UTC)), date!(2025 - 11 - 30));
    assert_eq!(law.day_of(datetime!(2025-11-30 15:00:00 UTC)), date!(2025 - 12 - 01));
}

#[test]
fn nothing_is_open_before_the_first_revision() {
    assert!(Policy::shipped("law").unwrap().revision_at(date!(2024 - 05 - 31)).is_none());
}

#[test]
fn classes_are_offered_as_the_table_says() {
    use Class::{Anonymised as A, Identified as I, Pseudonymised as P};
    let table: [(&str, &[Class], &[Class]); 13] = [
        ("ndb", &[A], &[A]),
        ("kaigo", &[A], &[A]),
        ("dpc", &[A], &[A]),
        ("jisedai", &[A, P], &[A, P]),
        ("kansensho", &[A], &[A]),
        ("nanbyo", &[A], &[A]),
        ("shoman", &[A], &[A]),
        ("yobosesshu", &[], &[]),
        ("shogai", &[], &[A]),
        ("shogaiji", &[], &[A]),
        ("gan", &[A, I], &[A, I]),
        ("midnet", &[A], &[A]),
        ("kenshin", &[], &[]),
    ];
    let law = Policy::shipped("law").unwrap();
    assert_eq!(law.databases().count(), table.len());
    for (id, before, after) in table {
        let database = law.database(&id.parse().unwrap()).unwrap();
        assert_eq!(database.classes_at(date!(2025 - 11 - 30)).collect::<Vec<_>>(), before, "{id}");
        assert_eq!(database.classes_at(date!(2025 - 12 - 01)).collect::<Vec<_>>(), after, "{id}");
    }
    let needs = |id: &str, class| {
        let database = law.database(&id.parse().unwrap()).unwrap();
        database.offer(class, date!(2026 - 01 - 01)).unwrap().needs().clone()
    };
    assert_eq!(needs("jisedai", P), [Need::CertifiedUser].into());
    assert_eq!(needs("gan", I), [Need::Consent].into());
    assert!(needs("gan", A).is_empty() && needs("jisedai", A).is_empty());
}

#[test]
fn a_policy_file_that_contradicts_itself_is_refused() {
    let good = include_str!("../../policies/law.toml");
    let cases: [(&str, &str, &str); 10] = [
        ("policy/1", "policy/2", "format"),
        ("status = \"law\"", "status = \"rumour\"", "unknown variant"),
        ("[\"ndb\", \"kaigo\"],", "[\"ndb\", \"nowhere\"],", "both databases must stand in the file"),
        ("[\"ndb\", \"kaigo\"],", "[\"ndb\", \"ndb\"],", "not paired with itself"),
        ("[\"ndb\", \"kaigo\"],", "[\"dpc\", \"ndb\"],", "stands twice"),
        ("[\"ndb\", \"kaigo\"],", "[\"ndb\", \"kenshin\"],", "offer the class"),
        ("\"2024-06-01\"", "\"2026-06-01\"", "order of their dates"),
        ("\"2024-06-01\"", "\"2024-06-31\"", "not a calendar day"),
        ("id = \"kaigo\"", "id = \"ndb\"", "the database stands twice"),
        ("holder = \"-\"", "holder = \"-\"\ncolour = \"red\"", "unknown field"),
    ];
    for (from, to, expected) in cases {
        assert!(good.contains(from), "{from}");
        let error = Policy::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected), "{from} → {to}: {error}");
    }
}

#[test]
fn small_cells_are_suppressed() {
    assert_eq!(["<10", "<10", "10"], [0, 9, 10].map(|count| shown(count, 10)));
}
