//! How a database writes the values of a table down.

use crate::date::Date;
use crate::insurance::Insurance;
use crate::notation::full_width;
use crate::observe::Observation;
use crate::random::Random;

/// The notation habits of a table.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    pub(crate) kana: fn(&str) -> String,
    pub(crate) kanji: fn(&str) -> String,
    pub(crate) date: fn(Date) -> String,
    /// Of a man and of a woman.
    pub(crate) sex: [&'static str; 2],
    /// Of the area's three digits and the town's four.
    pub(crate) postal_code: fn(&str, &str) -> String,
    /// Of insurance: insurer, symbol, number and branch.
    pub(crate) digits: fn(&str) -> String,
}

/// The certified operator (次世代医療基盤法), which has what vendors export: stray spaces and all.
pub(crate) const CERTIFIED_OPERATOR: Habits = Habits {
    kana: |kana| format!("{kana}　"),
    kanji: |kanji| format!(" {kanji}　"),
    date: |date| format!("{}/{}/{}", date.year, date.month, date.day),
    sex: ["男性", "女性"],
    postal_code: |area, town| format!("〒{area}-{town}"),
    digits: full_width,
};

impl Habits {
    /// Names in kana and in kanji, birth date, sex, postal code and insurance; a value that is not known is empty. What is
    /// left out for good is no longer seen: insurance, but for this share of the records that have any.
    pub(crate) fn write(&self, random: &mut Random, insured: f64, seen: &mut Observation) -> [String; 11] {
        if seen.insurance.is_some() && !random.chance(insured) {
            seen.lose_insurance();
        }
        let written = |text: &str, write: fn(&str) -> String| match text {
            "" => String::new(),
            text => write(text),
        };
        let kanji = |name: &Option<String>| written(name.as_deref().unwrap_or_default(), self.kanji);
        let postal_code = seen.postal_code.split_at_checked(3).map(|(area, town)| (self.postal_code)(area, town));
        let insurance = seen.insurance.as_ref();
        let card = |value: fn(&Insurance) -> &String| insurance.map_or_else(String::new, |it| (self.digits)(value(it)));
        [
            written(&seen.family.kana, self.kana),
            written(&seen.given.kana, self.kana),
            kanji(&seen.family.kanji),
            kanji(&seen.given.kanji),
            seen.birth.map_or_else(String::new, self.date),
            seen.sex.map_or_else(String::new, |sex| self.sex[sex as usize].to_owned()),
            postal_code.unwrap_or_default(),
            card(|insurance| &insurance.insurer_number),
            card(|insurance| &insurance.symbol),
            card(|insurance| &insurance.number),
            card(|insurance| &insurance.branch),
        ]
    }
}

/// The era by its name, with 元 for the first year.
pub(crate) fn era_in_kanji(date: Date) -> String {
    let (_, era, year) = date.era();
    let year = if year == 1 { "元".to_owned() } else { year.to_string() };
    format!("{era}{year}年{}月{}日", date.month, date.day)
}
