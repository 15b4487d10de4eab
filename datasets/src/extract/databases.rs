//! The databases: whom each holds, how old its knowledge is, and how its facilities look at people.
//!
//! Shares of people and ages of records are design values, chosen after the size of each database (receipts of nearly
//! everybody; nursing care from 65; about a million people with a designated disease, 0.1 million children).

use super::{Database, Write, checkup, dpc, fhir, kaigo, ssmix2, tables, uke};
use crate::faults::Faults;
use crate::observe::View;
use crate::output::Encoding::{Cp932, Iso2022Jp, Utf8};
use crate::place::Place;
use crate::random::Random;
use crate::rates::ErrorModel;

pub(super) const DATABASES: [Database; 10] = [
    Database {
        name: "ndb",
        form_of: "ndb",
        files: &[("ndb.uke", Cp932)],
        read_with: "--format uke ndb.uke",
        coverage: [0.92, 0.78, 0.86, 0.95, 0.98],
        record_years: 1.0,
        kana_is_optional: true,
        limited_characters: true,
        large_kana: true,
        insured: None,
        lacks: &[&Faults::OF_POSTAL_CODE],
        frame: |_, _| {},
        write: Write::Files(uke::write),
    },
    Database {
        name: "dpc",
        form_of: "dpc",
        files: &[("dpc.ff1.txt", Cp932), ("dpc.uke", Cp932)],
        read_with: "--format dpc dpc.ff1.txt --names dpc.uke",
        coverage: [0.12, 0.10, 0.18, 0.34, 0.50],
        record_years: 2.0,
        kana_is_optional: true,
        limited_characters: true,
        large_kana: false,
        insured: None,
        lacks: &[],
        frame: dpc::frame,
        write: Write::Files(dpc::write),
    },
    Database {
        name: "kaigo",
        form_of: "kaigo",
        files: &[("kaigo.ledger.csv", Cp932), ("kaigo.claims.csv", Cp932)],
        read_with: "--format kaigo kaigo.claims.csv --names kaigo.ledger.csv",
        coverage: [0.0, 0.0, 0.012, 0.09, 0.42],
        record_years: 3.0,
        kana_is_optional: false,
        limited_characters: true,
        large_kana: true,
        insured: None,
        lacks: &[&Faults::OF_KANJI, &Faults::OF_POSTAL_CODE, &Faults::OF_INSURANCE],
        frame: kaigo::frame,
        write: Write::Numbered(kaigo::write),
    },
    Database {
        name: "denkaru",
        form_of: "denkaru",
        files: &[("denkaru.ndjson", Utf8)],
        read_with: "--format fhir denkaru.ndjson",
        coverage: [0.25, 0.20, 0.28, 0.40, 0.45],
        record_years: 6.0,
        kana_is_optional: false,
        limited_characters: false,
        large_kana: false,
        insured: None,
        lacks: &[],
        frame: |_, _| {},
        write: Write::Files(fhir::write),
    },
    Database {
        name: "jisedai",
        form_of: "jisedai",
        files: &[("jisedai.csv", Utf8)],
        read_with: tables::JISEDAI.read_with,
        coverage: [0.15, 0.14, 0.20, 0.30, 0.32],
        record_years: 4.0,
        kana_is_optional: true,
        limited_characters: false,
        large_kana: false,
        insured: Some(0.7),
        lacks: &[],
        frame: |out, end| tables::JISEDAI.frame(out, end),
        write: Write::Files(|records, out| tables::JISEDAI.write(records, out)),
    },
    Database {
        name: "kenshin",
        form_of: "kenshin",
        files: &[("kenshin.xml", Utf8)],
        read_with: "--format kenshin kenshin.xml",
        coverage: [0.0, 0.0, 0.40, 0.45, 0.25],
        record_years: 1.0,
        kana_is_optional: false,
        limited_characters: false,
        large_kana: true,
        insured: None,
        lacks: &[&Faults::OF_KANJI],
        frame: checkup::frame,
        write: Write::Files(checkup::write),
    },
    Database {
        name: "kansensho",
        form_of: "kansensho",
        files: &[("kansensho.csv", Utf8)],
        read_with: tables::KANSENSHO.read_with,
        coverage: [0.010, 0.006, 0.006, 0.008, 0.012],
        record_years: 3.0,
        kana_is_optional: true,
        limited_characters: false,
        large_kana: false,
        insured: None,
        lacks: &[&Faults::OF_INSURANCE],
        frame: |out, end| tables::KANSENSHO.frame(out, end),
        write: Write::Files(|records, out| tables::KANSENSHO.write(records, out)),
    },
    Database {
        name: "nanbyo",
        form_of: "nanbyo",
        files: &[("nanbyo.csv", Cp932)],
        read_with: tables::NANBYO.read_with,
        coverage: [0.001, 0.005, 0.008, 0.014, 0.012],
        record_years: 1.0,
        kana_is_optional: false,
        limited_characters: true,
        large_kana: false,
        insured: Some(0.95),
        lacks: &[],
        frame: |out, end| tables::NANBYO.frame(out, end),
        write: Write::Files(|records, out| tables::NANBYO.write(records, out)),
    },
    Database {
        name: "shoman",
        form_of: "shoman",
        files: &[("shoman.csv", Cp932)],
        read_with: tables::SHOMAN.read_with,
        coverage: [0.0075, 0.0004, 0.0, 0.0, 0.0],
        record_years: 1.0,
        kana_is_optional: false,
        limited_characters: true,
        large_kana: false,
        insured: Some(0.9),
        lacks: &[],
        frame: |out, end| tables::SHOMAN.frame(out, end),
        write: Write::Files(|records, out| tables::SHOMAN.write(records, out)),
    },
    // Hospitals that keep their records in a standardised storage instead. It has JIS X 0208 only.
    Database {
        name: "ssmix2",
        form_of: "denkaru",
        files: &[("ssmix2", Iso2022Jp)],
        read_with: "--format ssmix2 ssmix2",
        coverage: [0.25, 0.20, 0.28, 0.40, 0.45],
        record_years: 6.0,
        kana_is_optional: false,
        limited_characters: true,
        large_kana: false,
        insured: None,
        lacks: &[],
        frame: |_, _| {},
        write: Write::Tree(ssmix2::write),
    },
];

/// Bands of age by which databases differ, and by which quality is told apart.
pub(super) const BANDS: [&str; 5] = ["0-14", "15-39", "40-64", "65-74", "75+"];

/// The band of an age.
pub(crate) fn band(age: u16) -> usize {
    match age {
        0..15 => 0,
        15..40 => 1,
        40..65 => 2,
        65..75 => 3,
        _ => 4,
    }
}

/// Where a person is known: a hospital, or an office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Facility {
    /// Of Japan, from 1 to 47.
    pub(super) prefecture: u8,
    /// Seven digits.
    pub(super) number: u32,
}

impl Facility {
    /// One of the four in the area where a person lives.
    pub(super) fn of(place: &Place, random: &mut Random, database: &str) -> Self {
        let area: u32 = place.postal_code.get(..3).and_then(|area| area.parse().ok()).unwrap_or(0);
        let prefecture = place.prefecture;
        let kind = database.len() as u32 % 10;
        Self { prefecture, number: 1_000_000 + kind * 100_000 + area * 10 + random.between(1, 4) }
    }

    /// Prefecture, points table and facility: the ten digits of receipts and of FHIR.
    pub(super) fn ten_digits(self) -> String {
        format!("{:02}1{:07}", self.prefecture, self.number)
    }

    /// Prefecture and facility: the nine digits of DPC.
    pub(super) fn nine_digits(self) -> String {
        format!("{:02}{:07}", self.prefecture, self.number)
    }

    /// A habit of this facility, that it has at this rate.
    pub(super) fn has(self, habit: &str, rate: f64, seed: u64) -> bool {
        Random::new(seed, habit, u64::from(self.prefecture) << 32 | u64::from(self.number)).chance(rate)
    }

    /// How the facility looks at people.
    pub(super) fn view<'a>(self, database: &Database, errors: &'a ErrorModel, seed: u64) -> View<'a> {
        View {
            errors,
            kana_is_optional: database.kana_is_optional,
            limited_characters: database.limited_characters,
            large_kana: database.large_kana && self.has("small kana", errors.small_kana_large, seed),
        }
    }
}

/// The number by which a database counts a person: nine digits, in which nothing of the person's number can be seen.
pub(super) fn chart(database: &str, person: u64) -> u64 {
    // Odd and no multiple of 5, so that two people below 10⁹ never have the same.
    const MULTIPLIERS: [u64; 5] = [618_033_989, 707_106_781, 414_213_563, 732_050_807, 236_067_977];
    let at = DATABASES.iter().position(|known| known.name == database).unwrap_or(0) as u64;
    let multiplier = MULTIPLIERS[at as usize % MULTIPLIERS.len()];
    (person % 1_000_000_000 * multiplier + at * 123_456_789 + 141_421_357) % 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_write_small_kana_large_as_often_as_the_model_says() {
        let ndb = &DATABASES[0];
        for rate in [0.0, 0.3, 1.0] {
            let errors = ErrorModel { small_kana_large: rate, ..ErrorModel::none() };
            let facilities = (0..4000).map(|number| Facility { prefecture: 13, number: 1_000_000 + number });
            let large = facilities.filter(|facility| facility.view(ndb, &errors, 1).large_kana).count();
            assert!((large as f64 / 4000.0 - rate).abs() < 0.03, "{rate}: {large}");
        }
        let errors = ErrorModel { small_kana_large: 1.0, ..ErrorModel::none() };
        assert!(!Facility { prefecture: 13, number: 1 }.view(&DATABASES[3], &errors, 1).large_kana, "denkaru");
    }

    #[test]
    fn charts_differ_between_people() {
        for database in &DATABASES {
            let charts: std::collections::HashSet<u64> = (0..20_000).map(|n| chart(database.name, n)).collect();
            assert_eq!(charts.len(), 20_000);
        }
    }
}
