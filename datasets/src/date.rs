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

impl std::fmt::Display for Date {
    /// `YYYY-MM-DD`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { year, month, day } = self;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
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
        // Before the birth the age is 0.
        later.year.saturating_sub(self.year).saturating_sub(u16::from(!had_birthday))
    }

    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let shape = (year.len(), month.len(), day.len()) == (4, 2, 2) && parts.next().is_none();
        let digits = [year, month, day].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()));
        let date = Self::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        (shape && digits && date.is_valid()).then_some(date)
    }

    /// The date this many days earlier (Hinnant's algorithm for civil dates).
    #[must_use]
    pub fn days_before(self, days: u32) -> Self {
        Self::from_day_number(self.day_number() - i64::from(days))
    }

    /// The same day this many years later; 28 February for 29 February.
    #[must_use]
    pub(crate) fn years_later(self, years: u16) -> Self {
        let year = self.year + years;
        Self { year, day: self.day.min(days_in_month(year, self.month)), ..self }
    }

    /// Days since 1 March of the year 0.
    pub(crate) fn day_number(self) -> i64 {
        let (year, month) = (i64::from(self.year) - i64::from(self.month <= 2), i64::from(self.month));
        let (era, year_of_era) = (year / 400, year % 400);
        let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
    }

    fn from_day_number(days: i64) -> Self {
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self {
            year: (era * 400 + year_of_era + i64::from(month <= 2)) as u16,
            month: month as u8,
            day: (day_of_year - (153 * shifted + 2) / 5 + 1) as u8,
        }
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
    fn days_can_be_counted_back_over_leap_years() {
        let mut date = Date::new(2026, 4, 1);
        for days in 0..20_000 {
            assert_eq!(Date::new(2026, 4, 1).days_before(days), date);
            assert!(date.is_valid());
            date = match (date.month, date.day) {
                (1, 1) => Date::new(date.year - 1, 12, 31),
                (month, 1) => Date::new(date.year, month - 1, days_in_month(date.year, month - 1)),
                (month, day) => Date::new(date.year, month, day - 1),
            };
        }
        assert_eq!(Date::new(1948, 2, 29).years_later(75), Date::new(2023, 2, 28));
    }

    #[test]
    fn dates_are_read_in_one_form_only() {
        assert_eq!(Date::parse("2024-02-29"), Some(Date::new(2024, 2, 29)));
        for text in ["2023-02-29", "2024-2-29", "20240229", "2024-02-29-1", "", "+024-02-09"] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ages_count_full_years() {
        assert_eq!(Date::new(2000, 4, 1).age_on(Date::new(2026, 4, 1)), 26);
        assert_eq!(Date::new(2000, 4, 2).age_on(Date::new(2026, 4, 1)), 25);
    }
}
