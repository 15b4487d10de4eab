//! Which errors a record carries, for measures by type of error.

/// A set of faults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults(u32);

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident = $bit:literal, $name:literal;)+) => {
        impl Faults {
            $($(#[$doc])* pub const $fault: Self = Self(1 << $bit);)+
            const NAMES: &'static [(Self, &'static str)] = &[$((Self::$fault, $name),)+];
        }
    };
}

faults! {
    /// The reading has a typing error.
    KANA_TYPO = 0, "kana-typo";
    /// The reading is missing.
    KANA_MISSING = 1, "kana-missing";
    /// The reading is that of another name.
    KANA_OF_ANOTHER = 2, "kana-of-another";
    /// Family and given name are swapped.
    NAMES_SWAPPED = 3, "names-swapped";
    /// The kanji name has become kana, or has ● or 〓 where a character is lacking.
    JIS_FALLBACK = 4, "jis-fallback";
    /// An ordinary character stands for the registered variant.
    ORDINARY_FORM = 5, "ordinary-form";
    /// A foreign resident's reading is spelled in another way.
    FOREIGN_KANA = 6, "foreign-kana";
    /// A further given name is missing.
    GIVEN_DROPPED = 7, "given-dropped";
    /// The birth date is wrong.
    BIRTH_DATE = 8, "birth-date";
    /// The birth date is missing.
    BIRTH_DATE_MISSING = 9, "birth-date-missing";
    /// The sex is wrong.
    SEX = 10, "sex";
    /// The sex is missing.
    SEX_MISSING = 11, "sex-missing";
    /// The postal code is missing.
    POSTAL_CODE_MISSING = 12, "postal-code-missing";
    /// The insurance numbers are missing, in whole or the branch.
    INSURANCE_MISSING = 13, "insurance-missing";
    /// The insured person's number has a typing error.
    NUMBER_TYPO = 14, "number-typo";
    /// The family name is not today's.
    OLD_NAME = 15, "old-name";
    /// The place is not today's.
    OLD_PLACE = 16, "old-place";
    /// The insurance is not today's.
    OLD_INSURANCE = 17, "old-insurance";
    /// The name was cut off at the length of its field.
    CUT_OFF = 18, "cut-off";
    /// Small kana are written large.
    SMALL_KANA = 19, "small-kana";
    /// A foreign resident's name in common use (通称) stands in place of the legal one.
    ALIAS = 20, "alias-instead-of-name";
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Self) {
        self.0 |= fault.0;
    }

    /// Adds a fault that a second one of its kind takes back.
    pub(crate) fn toggle(&mut self, fault: Self) {
        self.0 ^= fault.0;
    }

    /// What can be wrong with a reading that is there.
    pub(crate) const OF_KANA: [Self; 4] =
        [Self::KANA_TYPO, Self::KANA_OF_ANOTHER, Self::FOREIGN_KANA, Self::SMALL_KANA];

    /// Adds that a value is missing, and takes out what had been wrong with it.
    pub(crate) fn stand_for(&mut self, missing: Self, finer: &[Self]) {
        finer.iter().for_each(|fault| self.0 &= !fault.0);
        self.add(missing);
    }

    /// The set without what a table lacks that has no field for it.
    pub(crate) fn without(self, absent: &[Self]) -> Self {
        absent.iter().fold(self, |rest, fault| Self(rest.0 & !fault.0))
    }

    /// What can be wrong with a name in kanji.
    pub(crate) const OF_KANJI: [Self; 2] = [Self::JIS_FALLBACK, Self::ORDINARY_FORM];
    /// What can be wrong with a postal code.
    pub(crate) const OF_POSTAL_CODE: [Self; 2] = [Self::OLD_PLACE, Self::POSTAL_CODE_MISSING];
    /// What can be wrong with insurance.
    pub(crate) const OF_INSURANCE: [Self; 3] = [Self::OLD_INSURANCE, Self::INSURANCE_MISSING, Self::NUMBER_TYPO];

    /// Whether the set has this fault.
    #[must_use]
    pub fn has(self, fault: Self) -> bool {
        self.0 & fault.0 != 0
    }

    /// The names of the faults with `+` between them; empty when there is none.
    #[must_use]
    pub fn names(self) -> String {
        let names = Self::NAMES.iter().filter(|(fault, _)| self.has(*fault)).map(|(_, name)| *name);
        names.collect::<Vec<_>>().join("+")
    }
}
