//! CSV extracts: the certified operator's (次世代医療基盤法), and the notifications and opinions of 感染症, 難病 and 小慢, of which
//! no layout of a file is public. Their columns are those of the forms, under Japanese names, each with its own habits.

use super::Record;
use crate::habits::{CERTIFIED_OPERATOR, Habits, era_in_kanji};
use crate::notation::{full_width, hiragana};

/// A CSV file and its habits.
pub(super) struct CsvTable {
    /// How ids begin.
    prefix: &'static str,
    /// The names of id, names in kana and in kanji, birth date, sex, postal code and, if there are any, insurance.
    header: &'static [&'static str],
    pub(super) read_with: &'static str,
    habits: Habits,
}

pub(super) const JISEDAI: CsvTable = CsvTable {
    prefix: "JS-",
    header: &[
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
    ],
    read_with: "--id-column record_id jisedai.csv",
    habits: CERTIFIED_OPERATOR,
};

pub(super) const KANSENSHO: CsvTable = CsvTable {
    prefix: "K",
    header: &["届出番号", "姓カナ", "名カナ", "姓", "名", "生年月日", "性別", "郵便番号"],
    read_with: "--id-column 届出番号 --map family_kana=姓カナ --map given_kana=名カナ --map family_kanji=姓 \
        --map given_kanji=名 --map birth_date=生年月日 --map sex=性別 --map postal_code=郵便番号 --map insurer_number= \
        --map insured_symbol= --map insured_number= --map insured_branch= kansensho.csv",
    // Typed at a health centre, in a hurry.
    habits: Habits {
        kana: |kana| kana.chars().map(hiragana).collect(),
        kanji: str::to_owned,
        date: |date| format!("{}年{}月{}日", date.year, date.month, date.day),
        sex: ["男", "女"],
        postal_code: |area, town| format!("{area}-{town}"),
        digits: str::to_owned,
    },
};

pub(super) const NANBYO: CsvTable = CsvTable {
    prefix: "5",
    header: &[
        "受給者番号",
        "姓カナ",
        "名カナ",
        "姓",
        "名",
        "生年月日",
        "性別",
        "郵便番号",
        "保険者番号",
        "記号",
        "番号",
        "枝番",
    ],
    read_with: "--encoding cp932 --id-column 受給者番号 --map family_kana=姓カナ --map given_kana=名カナ \
        --map family_kanji=姓 --map given_kanji=名 --map birth_date=生年月日 --map sex=性別 --map postal_code=郵便番号 \
        --map insurer_number=保険者番号 --map insured_symbol=記号 --map insured_number=番号 --map insured_branch=枝番 nanbyo.csv",
    habits: Habits {
        kana: str::to_owned,
        kanji: str::to_owned,
        date: era_in_kanji,
        sex: ["1", "2"],
        postal_code: |area, town| full_width(&format!("{area}-{town}")),
        digits: full_width,
    },
};

pub(super) const SHOMAN: CsvTable = CsvTable {
    prefix: "7",
    read_with: "--encoding cp932 --id-column 受給者番号 --map family_kana=姓カナ --map given_kana=名カナ \
        --map family_kanji=姓 --map given_kanji=名 --map birth_date=生年月日 --map sex=性別 --map postal_code=郵便番号 \
        --map insurer_number=保険者番号 --map insured_symbol=記号 --map insured_number=番号 --map insured_branch=枝番 shoman.csv",
    habits: Habits {
        date: |date| {
            let (letter, _, year) = date.era();
            format!("{letter}{year:02}.{:02}.{:02}", date.month, date.day)
        },
        postal_code: |area, town| format!("{area}{town}"),
        digits: str::to_owned,
        ..NANBYO.habits
    },
    ..NANBYO
};

impl CsvTable {
    /// The header.
    pub(super) fn frame(&self, out: &mut [String], end: bool) {
        if !end {
            out[0].push_str(&self.header.join(","));
            out[0].push_str("\r\n");
        }
    }

    pub(super) fn write(&self, records: &mut [Record<'_>], out: &mut [String]) {
        for record in records {
            record.id = format!("{}{:09}", self.prefix, record.chart);
            let values = self.habits.write(&mut record.random, record.plan.insured, &mut record.seen);
            let cells = std::iter::once(record.id.as_str()).chain(values.iter().map(String::as_str));
            // A table without columns for insurance ends before them.
            let cells: Vec<&str> = cells.take(self.header.len()).collect();
            // No cell can hold a comma, a quote or a line end, so none needs quoting.
            out[0].push_str(&cells.join(","));
            out[0].push_str("\r\n");
        }
    }
}
