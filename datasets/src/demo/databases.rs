//! The five databases of the demo, and how they write things down.

use crate::extract::band;
use crate::habits::{CERTIFIED_OPERATOR, Habits, era_in_kanji};
use crate::notation::{full_width, half_width, hiragana, large};
use crate::observe::View;
use crate::output::Encoding;
use crate::random::Random;
use crate::rates::ErrorModel;

/// The columns of every extract, in the words of the linkage schema `person-ja`.
pub(super) const COLUMNS: [&str; 12] = [
    "record_id",
    "family_kana",
    "given_kana",
    "family_kanji",
    "given_kanji",
    "birth_date",
    "sex",
    "postal_code",
    "insurer_number",
    "insured_symbol",
    "insured_number",
    "insured_branch",
];

/// A database: whom it holds, how old its knowledge is, and its habits.
pub(super) struct Database {
    pub(super) name: &'static str,
    pub(super) encoding: Encoding,
    /// Share of people in the database by age: under 15, to 39, to 64, to 74, 75 and over.
    pub(super) coverage: [f64; 5],
    /// A record was last brought up to date between 0 and this many years ago.
    pub(super) years_old: f64,
    pub(super) record_id: RecordId,
    kana_is_optional: bool,
    /// Only JIS X 0208; other names become kana or ●.
    limited_characters: bool,
    /// Share of records with insurance at all. `extract` has it as a rate; the demo is one fixed example.
    pub(super) insured: f64,
    pub(super) habits: Habits,
}

/// Record ids look like chart numbers: a prefix and a number in which nothing of the person's number can be seen.
pub(super) struct RecordId {
    prefix: &'static str,
    multiplier: u64,
    offset: u64,
}

impl RecordId {
    /// Numbers below 10⁹ give different ids: the multipliers share no factor with 10⁹.
    pub(super) fn of(&self, person: u64) -> String {
        let number = (u128::from(person) * u128::from(self.multiplier) + u128::from(self.offset)) % 1_000_000_000;
        let beyond = person / 1_000_000_000;
        if beyond == 0 { format!("{}{number:09}", self.prefix) } else { format!("{}{number:09}{beyond}", self.prefix) }
    }
}

/// The five databases of the demo.
pub(super) const DATABASES: [Database; 5] = [
    Database {
        name: "ndb",
        encoding: Encoding::Cp932,
        coverage: [0.92, 0.78, 0.86, 0.95, 0.98],
        years_old: 1.0,
        record_id: RecordId { prefix: "", multiplier: 618_033_989, offset: 141_421_357 },
        kana_is_optional: true,
        limited_characters: true,
        insured: 1.0,
        habits: Habits {
            // Small characters written large, as insurers' systems do.
            kana: |kana| kana.chars().map(large).map(half_width).collect(),
            kanji: str::to_owned,
            date: |date| {
                let (letter, _, year) = date.era();
                full_width(&format!("{letter}{year:02}.{:02}.{:02}", date.month, date.day))
            },
            sex: ["１", "２"],
            postal_code: |area, town| full_width(&format!("{area}{town}")),
            digits: full_width,
        },
    },
    Database {
        name: "dpc",
        encoding: Encoding::Utf8,
        coverage: [0.12, 0.10, 0.18, 0.34, 0.50],
        years_old: 2.0,
        record_id: RecordId { prefix: "0", multiplier: 707_106_781, offset: 271_828_183 },
        kana_is_optional: false,
        limited_characters: true,
        insured: 0.95,
        habits: Habits {
            kana: str::to_owned,
            kanji: str::to_owned,
            date: |date| format!("{:04}{:02}{:02}", date.year, date.month, date.day),
            sex: ["1", "2"],
            postal_code: |area, town| format!("{area}{town}"),
            digits: str::to_owned,
        },
    },
    Database {
        name: "kaigo",
        encoding: Encoding::Cp932,
        coverage: [0.0, 0.0, 0.012, 0.09, 0.42],
        years_old: 3.0,
        record_id: RecordId { prefix: "H", multiplier: 414_213_563, offset: 577_215_665 },
        kana_is_optional: false,
        limited_characters: false,
        // Nursing care has insurers and numbers of its own.
        insured: 0.0,
        habits: Habits {
            kana: |kana| kana.chars().map(half_width).collect(),
            kanji: |_| String::new(),
            date: era_in_kanji,
            sex: ["男", "女"],
            postal_code: |area, town| format!("{area}{town}"),
            digits: str::to_owned,
        },
    },
    Database {
        name: "denkaru",
        encoding: Encoding::Utf8,
        coverage: [0.25, 0.20, 0.28, 0.40, 0.45],
        years_old: 6.0,
        record_id: RecordId { prefix: "", multiplier: 732_050_807, offset: 161_803_399 },
        kana_is_optional: false,
        limited_characters: false,
        insured: 0.9,
        habits: Habits {
            kana: |kana| kana.chars().map(hiragana).collect(),
            kanji: str::to_owned,
            date: |date| format!("{:04}-{:02}-{:02}", date.year, date.month, date.day),
            sex: ["M", "F"],
            postal_code: |area, town| format!("{area}-{town}"),
            digits: str::to_owned,
        },
    },
    Database {
        name: "jisedai",
        encoding: Encoding::Utf8,
        coverage: [0.15, 0.14, 0.20, 0.30, 0.32],
        years_old: 4.0,
        record_id: RecordId { prefix: "JS-", multiplier: 236_067_977, offset: 693_147_181 },
        kana_is_optional: true,
        limited_characters: false,
        insured: 0.7,
        habits: CERTIFIED_OPERATOR,
    },
];

impl Database {
    /// Whether a person of this age is in the database.
    pub(super) fn covers(&self, random: &mut Random, age: u16) -> bool {
        random.chance(self.coverage[band(age)])
    }

    /// How this database looks at people.
    pub(super) fn view<'a>(&self, errors: &'a ErrorModel) -> View<'a> {
        View {
            errors,
            kana_is_optional: self.kana_is_optional,
            limited_characters: self.limited_characters,
            large_kana: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date::Date;

    #[test]
    fn every_habit_writes_as_its_systems_do() {
        let shown = DATABASES.map(|database| (database.habits.kana)("ショウジ パッド"));
        let expected = ["ｼﾖｳｼﾞ ﾊﾟﾂﾄﾞ", "ショウジ パッド", "ｼｮｳｼﾞ ﾊﾟｯﾄﾞ", "しょうじ ぱっど", "ショウジ パッド　"];
        assert_eq!(shown, expected);
        assert_eq!(DATABASES.map(|database| (database.habits.kanji)("山")), ["山", "山", "", "山", " 山　"]);
        let date = Date::new(1989, 3, 4);
        assert_eq!(
            DATABASES.map(|database| (database.habits.date)(date)).join(" "),
            "Ｈ０１．０３．０４ 19890304 平成元年3月4日 1989-03-04 1989/3/4"
        );
        assert_eq!(
            DATABASES.map(|database| (database.habits.postal_code)("100", "0001")).join(" "),
            "１０００００１ 1000001 1000001 100-0001 〒100-0001"
        );
    }

    #[test]
    fn record_ids_differ_between_people_and_databases() {
        let mut seen = std::collections::HashSet::new();
        for person in 0..20_000 {
            for database in &DATABASES {
                assert!(seen.insert((database.name, database.record_id.of(person))));
            }
            let ids: std::collections::HashSet<String> = DATABASES.iter().map(|d| d.record_id.of(person)).collect();
            assert_eq!(ids.len(), DATABASES.len());
        }
        assert!(DATABASES.iter().all(|d| d.record_id.multiplier % 2 == 1 && d.record_id.multiplier % 5 != 0));
    }
}
