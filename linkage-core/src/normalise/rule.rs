//! The rules that a raw value can break.

use std::fmt;

/// A rule that a raw value breaks. Its texts describe the rule and never contain the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Longer than [`super::MAX_VALUE_BYTES`].
    TooLong,
    /// Bytes that the declared encoding does not allow. Found before normalisation: in a name each becomes a wildcard and the
    /// others stay in use, other kinds of values are missing.
    UndecodableBytes,
    /// Only characters that cannot be read: ●, 〓, 外字.
    Unreadable,
    /// Something other than kana in a kana column.
    NotKana,
    /// No kanji at all in a kanji column: kana or alphabet stands in for the name.
    NoKanji,
    /// Letters of another script in a Latin column.
    NotLatin,
    /// Not a date of the calendar in any accepted form.
    NotADate,
    /// A date of which the month or the day is not given.
    PartialDate,
    /// A date outside of 1850 to 2199.
    YearOutOfRange,
    /// A sex code that is neither known nor a known "unknown".
    UnknownSex,
    /// Not 3 to 7 digits.
    NotAPostalCode,
    /// Characters other than digits in a number.
    NotDigits,
    /// Not 4 to 8 digits.
    NotAnInsurerNumber,
    /// Not the symbol or number of an insured person: it contains signs other than letters and digits.
    NotASymbol,
    /// Not 1 or 2 digits.
    NotABranch,
    /// Not the 9 or 10 digits of a facility in one of the 47 prefectures.
    NotAFacilityCode,
    /// A date in an era that had not begun or was over; converted by its year all the same. Only warns.
    OutOfEra,
    /// An insurer number whose check digit does not fit. Only warns: valid numbers with a wrong digit are in use.
    CheckDigit,
}

impl Rule {
    /// Every rule, in the order of declaration.
    pub const ALL: &[Self] = &[
        Self::TooLong,
        Self::UndecodableBytes,
        Self::Unreadable,
        Self::NotKana,
        Self::NoKanji,
        Self::NotLatin,
        Self::NotADate,
        Self::PartialDate,
        Self::YearOutOfRange,
        Self::UnknownSex,
        Self::NotAPostalCode,
        Self::NotDigits,
        Self::NotAnInsurerNumber,
        Self::NotASymbol,
        Self::NotABranch,
        Self::NotAFacilityCode,
        Self::OutOfEra,
        Self::CheckDigit,
    ];

    /// The stable name of the rule, in kebab-case, for reports and vectors.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::UndecodableBytes => "undecodable-bytes",
            Self::Unreadable => "unreadable",
            Self::NotKana => "not-kana",
            Self::NoKanji => "no-kanji",
            Self::NotLatin => "not-latin",
            Self::NotADate => "not-a-date",
            Self::PartialDate => "partial-date",
            Self::YearOutOfRange => "year-out-of-range",
            Self::UnknownSex => "unknown-sex",
            Self::NotAPostalCode => "not-a-postal-code",
            Self::NotDigits => "not-digits",
            Self::NotAnInsurerNumber => "not-an-insurer-number",
            Self::NotASymbol => "not-a-symbol",
            Self::NotABranch => "not-a-branch",
            Self::NotAFacilityCode => "not-a-facility-code",
            Self::OutOfEra => "out-of-era",
            Self::CheckDigit => "check-digit",
        }
    }

    /// The rule in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::TooLong => "longer than 1024 bytes",
            Self::UndecodableBytes => "bytes that the declared encoding does not allow",
            Self::Unreadable => "nothing but characters that cannot be read (●, 〓, 外字)",
            Self::NotKana => "not written in kana",
            Self::NoKanji => "no kanji (the kana column carries such a name)",
            Self::NotLatin => "not written in Latin letters",
            Self::NotADate => "not a calendar date",
            Self::PartialDate => "a date without month or day",
            Self::YearOutOfRange => "a date before 1850 or after 2199",
            Self::UnknownSex => "not a known sex code",
            Self::NotAPostalCode => "not a postal code of 3 to 7 digits",
            Self::NotDigits => "signs other than digits",
            Self::NotAnInsurerNumber => "not an insurer number of 4 to 8 digits",
            Self::NotASymbol => "signs other than letters and digits",
            Self::NotABranch => "not a branch number of 1 or 2 digits",
            Self::NotAFacilityCode => "not a facility code of 9 or 10 digits that begin with a prefecture",
            Self::OutOfEra => "a date outside its era, converted by its year",
            Self::CheckDigit => "the check digit does not fit; the number is used as it is",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}
