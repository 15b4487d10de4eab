//! Step 12: dates, western and by era, as YYYYMMDD.

use super::{Outcome, Rule, text};

/// The years that a living person's dates and the records about them fall into.
const YEARS: std::ops::RangeInclusive<u32> = 1850..=2199;

/// For how many years after its end people write dates in an era: forms are printed ahead, and a program learns of a new era
/// late. A year beyond that is no such date but a typing error, such as 1990121, which is no 明治99.
const OVERRUN_YEARS: u32 = 2;

pub(super) fn normalise(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    let parsed = match compact_western(raw.as_bytes()) {
        Some(written) => Ok(Some(written)),
        None => {
            text::for_each(raw, |c| out.push(c.to_ascii_uppercase()));
            let parsed = parse(out.trim_matches(text::is_space));
            out.clear();
            parsed
        }
    };
    let Some(written) = parsed? else { return Ok(Outcome::Missing) };
    let Some(date) = written.date()? else { return Ok(Outcome::Missing) };
    let flag = written.era.is_some_and(|era| !era.contains(date));
    for (number, width) in [(date.year, 1000), (date.month, 10), (date.day, 10)] {
        let mut unit = width;
        while unit > 0 {
            out.push(char::from(b'0' + (number / unit % 10) as u8));
            unit /= 10;
        }
    }
    Ok(if flag { Outcome::Flagged(Rule::OutOfEra) } else { Outcome::Value })
}

/// A day of the Gregorian calendar; ordered as time is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Day {
    year: u32,
    month: u32,
    day: u32,
}

const fn day(year: u32, month: u32, day: u32) -> Day {
    Day { year, month, day }
}

/// An era: its first and last day. On 1912-07-30 and 1926-12-25 two eras share a day.
struct Era {
    /// The western year before the era's first.
    base: u32,
    first: Day,
    last: Day,
    letter: char,
    names: [&'static str; 2],
}

static ERAS: [Era; 5] = [
    Era { base: 1867, first: day(1868, 1, 25), last: day(1912, 7, 30), letter: 'M', names: ["明治", "明"] },
    Era { base: 1911, first: day(1912, 7, 30), last: day(1926, 12, 25), letter: 'T', names: ["大正", "大"] },
    Era { base: 1925, first: day(1926, 12, 25), last: day(1989, 1, 7), letter: 'S', names: ["昭和", "昭"] },
    Era { base: 1988, first: day(1989, 1, 8), last: day(2019, 4, 30), letter: 'H', names: ["平成", "平"] },
    Era { base: 2018, first: day(2019, 5, 1), last: day(2199, 12, 31), letter: 'R', names: ["令和", "令"] },
];

impl Era {
    /// Whether a date may be written in this era without remark.
    ///
    /// In 1912 and 1926 either era's year names the same western year, so the border inside the year is no fault.
    fn contains(&self, date: Day) -> bool {
        (self.first..=self.last).contains(&date) || (matches!(date.year, 1912 | 1926) && self.touches(date.year))
    }

    fn touches(&self, year: u32) -> bool {
        (self.first.year..=self.last.year).contains(&year)
    }
}

/// The three numbers as written, not yet checked.
struct Written {
    era: Option<&'static Era>,
    year: u32,
    month: u32,
    day: u32,
}

impl Written {
    /// The day that is meant; `None` when every part says "unknown".
    fn date(&self) -> Result<Option<Day>, Rule> {
        let unknown = |part: u32| part == 0 || part == 99;
        let western = self.era.map_or(self.year, |era| era.base + self.year);
        if unknown(self.month) && unknown(self.day) && matches!(self.year, 0 | 9999) {
            return Ok(None);
        }
        if unknown(self.month) || unknown(self.day) {
            return Err(Rule::PartialDate);
        }
        if self.era.is_some_and(|era| western > era.last.year + OVERRUN_YEARS) {
            return Err(Rule::NotADate);
        }
        if self.year == 0 || self.month > 12 || self.day > days_of(western, self.month) {
            return Err(Rule::NotADate);
        }
        if !YEARS.contains(&western) {
            return Err(Rule::YearOutOfRange);
        }
        Ok(Some(day(western, self.month, self.day)))
    }
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// YYYYMMDD in plain digits: nearly every date of a clean source.
fn compact_western(raw: &[u8]) -> Option<Written> {
    if raw.len() != 8 {
        return None;
    }
    number(raw).map(split_compact).map(|(year, month, day)| Written { era: None, year, month, day })
}

fn split_compact(number: u32) -> (u32, u32, u32) {
    (number / 10_000, number / 100 % 100, number % 100)
}

fn number(digits: &[u8]) -> Option<u32> {
    (1..=8).contains(&digits.len()).then_some(())?;
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
}

/// Reads a folded text: `None` when it is blank.
fn parse(text: &str) -> Result<Option<Written>, Rule> {
    if text.is_empty() || text.chars().all(|c| text::is_space(c) || matches!(c, '-' | '/' | '.')) || text == "不明" {
        return Ok(None);
    }
    let (era, rest) = split_era(text);
    let mut parts = Parts { rest: rest.trim_start_matches(text::is_space) };
    let first = match (era, parts.rest.strip_prefix('元')) {
        (Some(_), Some(rest)) => {
            parts.rest = rest;
            "1"
        }
        _ => parts.digits(),
    };
    let value = number(first.as_bytes()).ok_or(Rule::NotADate)?;
    if parts.rest.is_empty() || is_time_of_day(parts.rest) {
        return one_number(era, first.len(), value).map(Some);
    }
    let month = parts.next('年');
    let day = month.and_then(|_| parts.next('月'));
    let (month, day) = match (month, day) {
        (Some(month), Some(day)) => (month, day),
        (Some(_), None) | (None, _) if parts.rest.is_empty() => return Err(Rule::PartialDate),
        _ => return Err(Rule::NotADate),
    };
    let plausible = if era.is_some() { first.len() <= 2 } else { first.len() == 4 };
    if !plausible || !parts.only_a_time_follows() {
        return Err(Rule::NotADate);
    }
    Ok(Some(Written { era, year: value, month, day }))
}

/// One run of digits: what it means depends on its length.
fn one_number(era: Option<&'static Era>, digits: usize, value: u32) -> Result<Written, Rule> {
    let (year, month, day) = split_compact(value);
    match (era, digits) {
        (None, 8) | (Some(_), 6) => Ok(Written { era, year, month, day }),
        // GYYMMDD, the numbering of eras in claims: 1 Meiji … 5 Reiwa. All zeros or nines is "unknown".
        (None, 7) if value == 0 || value == 9_999_999 => Ok(Written { era: None, year: 0, month: 0, day: 0 }),
        (None, 7) => match value / 1_000_000 {
            code @ 1..=5 => Ok(Written { era: Some(&ERAS[code as usize - 1]), year: year % 100, month, day }),
            _ => Err(Rule::NotADate),
        },
        (None, 4 | 6) | (Some(_), 1 | 2 | 4) => Err(Rule::PartialDate),
        _ => Err(Rule::NotADate),
    }
}

fn split_era(text: &str) -> (Option<&'static Era>, &str) {
    for era in &ERAS {
        for name in era.names {
            if let Some(rest) = text.strip_prefix(name) {
                return (Some(era), rest);
            }
        }
        if let Some(rest) = text.strip_prefix(era.letter) {
            return (Some(era), rest.strip_prefix('.').unwrap_or(rest));
        }
    }
    (None, text)
}

/// What is left of a text while its numbers are taken off the front.
struct Parts<'a> {
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn digits(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits
    }

    /// The number after a separator: `-`, `/`, `.` or the counter that belongs there, with spaces around it.
    fn next(&mut self, counter: char) -> Option<u32> {
        let rest = self.rest.trim_start_matches(text::is_space);
        let separator = rest.chars().next().filter(|&c| matches!(c, '-' | '/' | '.') || c == counter)?;
        self.rest = rest[separator.len_utf8()..].trim_start_matches(text::is_space);
        let digits = self.digits();
        (digits.len() <= 2).then(|| number(digits.as_bytes())).flatten()
    }

    /// Whether nothing follows but the day's counter and perhaps a time of day.
    fn only_a_time_follows(&self) -> bool {
        let rest = self.rest.trim_start_matches(text::is_space);
        let after = rest.strip_prefix('日').unwrap_or(rest);
        let time = after.trim_start_matches(text::is_space);
        let time = time.strip_prefix('T').unwrap_or(time);
        time.is_empty() || is_time_of_day(after) || (self.rest.starts_with(['T', ' ']) && is_clock(time))
    }
}

/// Whether a text is a time of day after `T` or a space, which says nothing about the day.
fn is_time_of_day(text: &str) -> bool {
    let time = text.trim_start_matches(text::is_space);
    text.starts_with(['T', ' ']) && is_clock(time.strip_prefix('T').unwrap_or(time))
}

fn is_clock(text: &str) -> bool {
    text.contains(':') && text.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | '+' | '-' | 'Z'))
}
