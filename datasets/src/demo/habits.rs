//! How the five databases of the demo write things down.

use crate::date::Date;
use crate::insurance::Insurance;
use crate::notation::{full_width, half_width, hiragana, large};
use crate::observe::{Observation, View};
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
pub(super) struct Habits {
    pub(super) name: &'static str,
    pub(super) encoding: Encoding,
    /// Share of people in the database by age: under 15, to 39, to 64, to 74, 75 and over.
    pub(super) coverage: [f64; 5],
    /// A record was last brought up to date between 0 and this many years ago.
    pub(super) years_old: f64,
    pub(super) record_id: RecordId,
    kana: Kana,
    kana_is_optional: bool,
    kanji: Kanji,
    date: fn(Date) -> String,
    sex: [&'static str; 2],
    postal_code: fn(&str) -> String,
    /// Share of records with insurance numbers at all.
    insured: f64,
    digits: fn(&str) -> String,
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

enum Kana {
    /// Half-width, small characters written large, as insurers' systems do.
    HalfWidthLarge,
    FullWidth,
    HalfWidth,
    Hiragana,
    /// Full width with stray spaces, as vendors' exports do.
    Spaced,
}

enum Kanji {
    /// Only JIS X 0208; other names become kana or ●.
    Limited,
    /// As registered.
    Registered,
    Spaced,
    None,
}

/// The five databases of the demo.
pub(super) const DATABASES: [Habits; 5] = [
    Habits {
        name: "ndb",
        encoding: Encoding::Cp932,
        coverage: [0.92, 0.78, 0.86, 0.95, 0.98],
        years_old: 1.0,
        record_id: RecordId { prefix: "", multiplier: 618_033_989, offset: 141_421_357 },
        kana: Kana::HalfWidthLarge,
        kana_is_optional: true,
        kanji: Kanji::Limited,
        date: |date| {
            let (letter, _, year) = date.era();
            full_width(&format!("{letter}{year:02}.{:02}.{:02}", date.month, date.day))
        },
        sex: ["１", "２"],
        postal_code: full_width,
        insured: 1.0,
        digits: full_width,
    },
    Habits {
        name: "dpc",
        encoding: Encoding::Utf8,
        coverage: [0.12, 0.10, 0.18, 0.34, 0.50],
        years_old: 2.0,
        record_id: RecordId { prefix: "0", multiplier: 707_106_781, offset: 271_828_183 },
        kana: Kana::FullWidth,
        kana_is_optional: false,
        kanji: Kanji::Limited,
        date: |date| format!("{:04}{:02}{:02}", date.year, date.month, date.day),
        sex: ["1", "2"],
        postal_code: str::to_owned,
        insured: 0.95,
        digits: str::to_owned,
    },
    Habits {
        name: "kaigo",
        encoding: Encoding::Cp932,
        coverage: [0.0, 0.0, 0.012, 0.09, 0.42],
        years_old: 3.0,
        record_id: RecordId { prefix: "H", multiplier: 414_213_563, offset: 577_215_665 },
        kana: Kana::HalfWidth,
        kana_is_optional: false,
        kanji: Kanji::None,
        date: |date| {
            let (_, era, year) = date.era();
            let year = if year == 1 { "元".to_owned() } else { year.to_string() };
            format!("{era}{year}年{}月{}日", date.month, date.day)
        },
        sex: ["男", "女"],
        postal_code: str::to_owned,
        // Nursing care has insurers and numbers of its own.
        insured: 0.0,
        digits: str::to_owned,
    },
    Habits {
        name: "denkaru",
        encoding: Encoding::Utf8,
        coverage: [0.25, 0.20, 0.28, 0.40, 0.45],
        years_old: 6.0,
        record_id: RecordId { prefix: "", multiplier: 732_050_807, offset: 161_803_399 },
        kana: Kana::Hiragana,
        kana_is_optional: false,
        kanji: Kanji::Registered,
        date: |date| format!("{:04}-{:02}-{:02}", date.year, date.month, date.day),
        sex: ["M", "F"],
        postal_code: |code| code.split_at_checked(3).map_or_else(String::new, |(area, town)| format!("{area}-{town}")),
        insured: 0.9,
        digits: str::to_owned,
    },
    Habits {
        name: "jisedai",
        encoding: Encoding::Utf8,
        coverage: [0.15, 0.14, 0.20, 0.30, 0.32],
        years_old: 4.0,
        record_id: RecordId { prefix: "JS-", multiplier: 236_067_977, offset: 693_147_181 },
        kana: Kana::Spaced,
        kana_is_optional: true,
        kanji: Kanji::Spaced,
        date: |date| format!("{}/{}/{}", date.year, date.month, date.day),
        sex: ["男性", "女性"],
        postal_code: |code| {
            code.split_at_checked(3).map_or_else(String::new, |(area, town)| format!("〒{area}-{town}"))
        },
        insured: 0.7,
        digits: full_width,
    },
];

impl Habits {
    /// Whether a person of this age is in the database.
    pub(super) fn covers(&self, random: &mut Random, age: u16) -> bool {
        let band = match age {
            0..15 => 0,
            15..40 => 1,
            40..65 => 2,
            65..75 => 3,
            _ => 4,
        };
        random.chance(self.coverage[band])
    }

    /// How this database looks at people.
    pub(super) fn view<'a>(&self, errors: &'a ErrorModel) -> View<'a> {
        View {
            errors,
            kana_is_optional: self.kana_is_optional,
            limited_characters: matches!(self.kanji, Kanji::Limited),
            large_kana: false,
        }
    }

    /// The row, without its record id, in the order of [`COLUMNS`].
    pub(super) fn write(&self, random: &mut Random, seen: &Observation) -> [String; 11] {
        let kana = |kana: &str| if kana.is_empty() { String::new() } else { self.kana.write(kana) };
        let kanji = |kanji: &Option<String>| kanji.as_deref().map_or_else(String::new, |kanji| self.kanji.write(kanji));
        let insurance = seen.insurance.as_ref().filter(|_| random.chance(self.insured));
        let card = |value: fn(&Insurance) -> &String| {
            insurance.map_or_else(String::new, |insurance| (self.digits)(value(insurance)))
        };
        [
            kana(&seen.family.kana),
            kana(&seen.given.kana),
            kanji(&seen.family.kanji),
            kanji(&seen.given.kanji),
            seen.birth.map_or_else(String::new, self.date),
            seen.sex.map_or_else(String::new, |sex| self.sex[sex as usize].to_owned()),
            (self.postal_code)(&seen.postal_code),
            card(|insurance| &insurance.insurer_number),
            card(|insurance| &insurance.symbol),
            card(|insurance| &insurance.number),
            card(|insurance| &insurance.branch),
        ]
    }
}

impl Kana {
    fn write(&self, kana: &str) -> String {
        match self {
            Self::FullWidth => kana.to_owned(),
            Self::HalfWidth => kana.chars().map(half_width).collect(),
            Self::HalfWidthLarge => kana.chars().map(large).map(half_width).collect(),
            Self::Hiragana => kana.chars().map(hiragana).collect(),
            Self::Spaced => format!("{kana}　"),
        }
    }
}

impl Kanji {
    fn write(&self, kanji: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::Registered | Self::Limited => kanji.to_owned(),
            Self::Spaced => format!(" {kanji}　"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_habit_writes_as_its_systems_do() {
        let shown = |kana: Kana| kana.write("ショウジ パッド");
        assert_eq!(shown(Kana::HalfWidthLarge), "ｼﾖｳｼﾞ ﾊﾟﾂﾄﾞ");
        assert_eq!(shown(Kana::HalfWidth), "ｼｮｳｼﾞ ﾊﾟｯﾄﾞ");
        assert_eq!(shown(Kana::Hiragana), "しょうじ ぱっど");
        let date = Date::new(1989, 3, 4);
        assert_eq!(
            DATABASES.map(|d| (d.date)(date)).join(" "),
            "Ｈ０１．０３．０４ 19890304 平成元年3月4日 1989-03-04 1989/3/4"
        );
        assert_eq!(
            DATABASES.map(|d| (d.postal_code)("1000001")).join(" "),
            "１０００００１ 1000001 1000001 100-0001 〒100-0001"
        );
        assert_eq!(DATABASES.map(|d| (d.postal_code)("")).join(""), "");
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
