//! The rates of the population, of errors and of habits, every one of them a parameter. Defaults are the figures of
//! `japan-formats.md` §5: (counted) ones were published, the others are design values, for published error rates hardly exist.

use serde::{Deserialize, Serialize};

use crate::error::DatasetError;

/// Declares a struct of rates from 0 to 1, which can also be asked for and set by name. `where` names the rates that are
/// divided by relative weights, and these: with all of them 0 there would be nothing for the rate to do.
macro_rules! rates {
    (
        $(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $rate:ident = $default:expr;)+ }
        $(where $($whole:ident: $($weight:ident)|+;)+)?
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$doc])* pub $rate: f64,)+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $($rate: $default,)+ }
            }
        }

        impl $name {
            /// All rates 0.
            #[must_use]
            pub fn none() -> Self {
                Self { $($rate: 0.0,)+ }
            }

            /// Checks that every rate is one, and that what has a rate has a weight.
            ///
            /// # Errors
            /// [`DatasetError::Rate`] names the first number outside 0 to 1, [`DatasetError::Weights`] the first rate that
            /// is divided by weights of which all are 0.
            pub fn check(&self) -> Result<(), DatasetError> {
                $(if !(0.0..=1.0).contains(&self.$rate) {
                    return Err(DatasetError::Rate { name: stringify!($rate).to_owned() });
                })+
                $($(
                    let weights = [$((stringify!($weight), self.$weight)),+];
                    if self.$whole > 0.0 && weights.iter().all(|(_, weight)| *weight == 0.0) {
                        let weights = weights.map(|(name, _)| name).join(", ");
                        return Err(DatasetError::Weights { rate: stringify!($whole).to_owned(), weights });
                    }
                )+)?
                Ok(())
            }

            /// Sets the rate of this name; false when there is none.
            pub fn set(&mut self, name: &str, rate: f64) -> bool {
                match name {
                    $(stringify!($rate) => self.$rate = rate,)+
                    _ => return false,
                }
                true
            }

            /// Names and values of all rates.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, f64)> {
                vec![$((stringify!($rate), self.$rate),)+]
            }
        }
    };
}

rates! {
    /// Who the people are, and how often what changes in their lives.
    PopulationModel {
        /// Share of foreign residents. (counted: 3.2 % in 2025)
        foreign_share = 0.032;
        /// Share of foreign residents who have a Japanese name in common use (通称) beside the legal one. How many there are is not
        /// published, so there are none unless a model says so.
        alias_share = 0.0;
        /// Share of births that are twins. (counted: about 1.1 %)
        twin_births = 0.011;
        /// Share of names with a character that has a variant form which are registered with it.
        variant_share = 0.06;
        /// The same of variants that JIS X 0208 lacks, such as 髙 and 﨑: with it 2 to 4 % of people have a name beyond that set.
        variant_share_beyond_jis = 0.3;
        /// Moves of a household to another municipality per year. (counted: 4.2 % in 2024)
        move_per_year = 0.042;
        /// Changes of employer, and thus of insurer, of a household per year. With moves within municipal insurance and
        /// the change at 75 about 11 % of insurance numbers change in a year (counted).
        job_change_per_year = 0.08;
        /// Share of marriages in which the husband's name is taken. (counted: 94.7 % in 2022)
        husbands_name = 0.947;
        /// Share of parents alone with children who took their former name back, and the children with them.
        name_taken_back = 0.6;
    }
}

rates! {
    /// What goes wrong between a person and a record.
    ErrorModel {
        /// How old a record's knowledge is, as a share of the age that its database's records have: 0 is up to date.
        staleness = 1.0;
        /// A reading has a typing error.
        kana_typo = 0.01;
        /// … of which: a voicing mark more or less (relative weight).
        typo_voicing = 0.4;
        /// … one character is another (relative weight).
        typo_character = 0.3;
        /// … a long vowel more or less (relative weight).
        typo_long_vowel = 0.2;
        /// … two characters swapped (relative weight).
        typo_swap = 0.1;
        /// A database in which the reading is optional lacks it.
        kana_missing = 0.10;
        /// The name is read in another way or misread as a whole: the reading of another name stands there.
        kana_of_another = 0.0005;
        /// Family and given name stand in each other's place.
        names_swapped = 0.0005;
        /// A facility whose system writes small kana large. (that they exist is counted, how many is not)
        small_kana_large = 0.3;
        /// A facility of limited characters that meets one that it cannot write gives the name up; else it writes the
        /// ordinary form. (counted as a rule)
        jis_fallback = 1.0;
        /// … of which: writes ● for the character, instead of the whole name in kana.
        jis_mark = 0.4;
        /// A clerk writes the ordinary form of a character where the register has a variant.
        ordinary_form = 0.4;
        /// A foreign resident's reading is spelled in a way of the facility's own.
        foreign_kana_varies = 0.4;
        /// A foreign resident's reading is missing.
        foreign_kana_missing = 0.2;
        /// Only the first of several given names is written.
        foreign_given_dropped = 0.2;
        /// A foreign resident's given name stands before the family name.
        foreign_order = 0.1;
        /// A foreign resident's name in common use, where there is one, stands in place of the legal one.
        alias_instead_of_name = 0.4;
        /// A birth date is wrong.
        birth_date_error = 0.003;
        /// … of which: the day (relative weight).
        date_day = 0.5;
        /// … the month (relative weight).
        date_month = 0.2;
        /// … the year by one (relative weight).
        date_year = 0.2;
        /// … the era (relative weight).
        date_era = 0.05;
        /// … the first of January (relative weight).
        date_first_of_january = 0.05;
        /// The birth date is missing.
        birth_date_missing = 0.0;
        /// The sex is wrong.
        sex_error = 0.001;
        /// The sex is missing.
        sex_missing = 0.0;
        /// The postal code is missing.
        postal_code_missing = 0.03;
        /// The insurance numbers are missing.
        insurance_missing = 0.05;
        /// The branch number alone is missing.
        branch_missing = 0.10;
        /// A digit of the insured person's number is wrong, or two are swapped.
        number_typo = 0.002;
    }
    where
        kana_typo: typo_voicing | typo_character | typo_long_vowel | typo_swap;
        birth_date_error: date_day | date_month | date_year | date_era | date_first_of_january;
}

rates! {
    /// How often facilities have which habit of their format, and records a second document. That each is met in real files
    /// is known, how often is not: all are design values. None makes a value another one.
    HabitModel {
        /// A facility of receipts or DPC fills insurer numbers of six digits up by zeros instead of spaces.
        insurer_zeros = 0.5;
        /// A person in receipts has one of the month before as well.
        earlier_receipt = 0.4;
        /// A hospital's FHIR is of an old generation: the code of the name as a string, and the URI with a typing error.
        old_systems = 0.2;
        /// A hospital (FHIR, SS-MIX2) writes symbols and numbers of insurance in full width.
        wide_numbers = 0.3;
        /// A hospital (FHIR, SS-MIX2) has names as a whole only.
        whole_names = 0.15;
        /// A storage (SS-MIX2) has further given names in a place of their own.
        middle_names = 0.5;
        /// A storage (SS-MIX2) has a caret too few before the codes of a name.
        caret_missing = 0.2;
        /// A person in a storage (SS-MIX2) has a prescription of a later day than the master data.
        prescribed = 0.4;
    }
}

rates! {
    /// How often a value of a user's table is damaged, by kind of damage. All are design values.
    CorruptModel {
        /// A key beside the right one, one key too many or too few, or two in the wrong order; in letters and digits.
        keyboard = 0.02;
        /// A character taken for one that looks alike, as by optical character recognition.
        ocr = 0.005;
        /// Another spelling of the same sound.
        phonetic = 0.02;
        /// A typing error in kana.
        kana = 0.01;
        /// … of which: a voicing mark more or less (relative weight).
        typo_voicing = 0.4;
        /// … one character is another (relative weight).
        typo_character = 0.3;
        /// … a long vowel more or less (relative weight).
        typo_long_vowel = 0.2;
        /// … two characters swapped (relative weight).
        typo_swap = 0.1;
        /// Two columns swapped.
        swap = 0.002;
        /// A wrong date.
        date = 0.003;
        /// … of which: day and month swapped, where that is another date (share).
        date_swap = 0.15;
        /// … of the others: the day (relative weight).
        date_day = 0.5;
        /// … the month (relative weight).
        date_month = 0.2;
        /// … the year by one (relative weight).
        date_year = 0.2;
        /// … the era (relative weight).
        date_era = 0.05;
        /// … the first of January (relative weight).
        date_first_of_january = 0.05;
        /// The other sex.
        sex = 0.001;
        /// The value is missing.
        missing = 0.02;
        /// The row is left out, so that the files do not hold the same people.
        left_out = 0.0;
    }
    where
        kana: typo_voicing | typo_character | typo_long_vowel | typo_swap;
        date: date_swap | date_day | date_month | date_year | date_era | date_first_of_january;
}

/// What the mistakes are made up of, in both models under the same names.
macro_rules! mixes {
    ($($model:ident)+) => {$(
        impl $model {
            /// Typing errors of kana: voicing, character, long vowel, order.
            pub(crate) fn typos(&self) -> [f64; 4] {
                [self.typo_voicing, self.typo_character, self.typo_long_vowel, self.typo_swap]
            }

            /// Wrong dates: day, month, year, era, first of January.
            pub(crate) fn dates(&self) -> [f64; 5] {
                [self.date_day, self.date_month, self.date_year, self.date_era, self.date_first_of_january]
            }
        }
    )+};
}

mixes!(ErrorModel CorruptModel);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_no_rate_is_refused_by_name() {
        let mut model = ErrorModel::default();
        assert!(model.check().is_ok() && model.set("kana_typo", 1.5) && !model.set("typo", 0.1));
        assert!(matches!(model.check(), Err(DatasetError::Rate { name }) if name == "kana_typo"));
        assert!(ErrorModel { sex_error: f64::NAN, ..ErrorModel::default() }.check().is_err());
        assert!(PopulationModel::none().check().is_ok());
    }

    #[test]
    fn a_rate_without_anything_to_do_is_refused_with_the_names_of_its_weights() {
        let refused = |check: Result<(), DatasetError>, name: &str, weight: &str| match check {
            Err(DatasetError::Weights { rate, weights }) => {
                rate == name && weights.split(", ").any(|one| one == weight)
            }
            _ => false,
        };
        for (rate, weight) in [("kana_typo", "typo_swap"), ("birth_date_error", "date_era")] {
            let mut model = ErrorModel::none();
            assert!(model.check().is_ok() && model.set(rate, 0.1));
            assert!(refused(model.check(), rate, weight), "{rate}");
            assert!(model.set(weight, 0.1) && model.check().is_ok());
        }
        for (rate, weight) in [("kana", "typo_voicing"), ("date", "date_swap")] {
            let mut model = CorruptModel::none();
            assert!(model.check().is_ok() && model.set(rate, 0.1));
            assert!(refused(model.check(), rate, weight), "{rate}");
            assert!(model.set(weight, 0.1) && model.check().is_ok());
        }
    }
}
