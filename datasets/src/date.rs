//! Calendar dates, as far as birth dates need them.

/// A Gregorian date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Year, for example 1954.
    pub year: u16,
    /// Month from 1 to 12.
    pub month: u8,
    /// Day of the month, from 1.
    pub day: u8,
}

impl Date {
    /// A date; the caller answers for its being one.
    pub(crate) const fn new(year: u16, month: u8, day: u8) -> Self {
        Self { year, month, day }
    }

    /// Whether the calendar has this date.
    #[must_use]
    pub fn is_valid(self) -> bool {
        (1..=12).contains(&self.month) && (1..=days_in_month(self.year, self.month)).contains(&self.day)
    }

    /// Full years from this date to `later`.
    #[must_use]
    pub fn age_on(self, later: Date) -> u16 {
        let had_birthday = (later.month, later.day) >= (self.month, self.day);
        (later.year - self.year) - u16::from(!had_birthday)
    }

    /// The Japanese era in which the date lies: its letter, its name, and the year within it.
    pub(crate) fn era(self) -> (char, &'static str, u16) {
        const ERAS: [(Date, u16, char, &str); 5] = [
            (Date::new(2019, 5, 1), 2018, 'R', "令和"),
            (Date::new(1989, 1, 8), 1988, 'H', "平成"),
            (Date::new(1926, 12, 25), 1925, 'S', "昭和"),
            (Date::new(1912, 7, 30), 1911, 'T', "大正"),
            (Date::new(1868, 1, 25), 1867, 'M', "明治"),
        ];
        let (_, base, letter, name) = ERAS.into_iter().find(|era| self >= era.0).unwrap_or(ERAS[4]);
        (letter, name, self.year - base)
    }
}

/// Number of days of a month.
pub(crate) fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras_change_on_their_days() {
        let cases = [
            ((1989, 1, 7), ('S', 64)),
            ((1989, 1, 8), ('H', 1)),
            ((2019, 4, 30), ('H', 31)),
            ((2019, 5, 1), ('R', 1)),
            ((1926, 12, 24), ('T', 15)),
            ((1926, 12, 25), ('S', 1)),
            ((1912, 7, 29), ('M', 45)),
        ];
        for ((year, month, day), expected) in cases {
            let (letter, _, n) = Date::new(year, month, day).era();
            assert_eq!((letter, n), expected);
        }
    }

    #[test]
    fn ages_count_full_years() {
        assert_eq!(Date::new(2000, 4, 1).age_on(Date::new(2026, 4, 1)), 26);
        assert_eq!(Date::new(2000, 4, 2).age_on(Date::new(2026, 4, 1)), 25);
    }
}
