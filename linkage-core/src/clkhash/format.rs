//! clkhash's column formats: what a value must look like, and the one spelling in which it is hashed.

use std::borrow::Cow;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

/// What a value must look like.
#[derive(Debug)]
pub(super) enum Format {
    /// Text of a length and case.
    Text { case: Case, min: usize, max: usize },
    /// Text that a regular expression matches as a whole.
    Pattern(Regex),
    /// An integer in decimal digits.
    Integer { min: Option<i128>, max: Option<i128> },
    /// A date.
    Date(DateFormat),
    /// One of these texts.
    Choice(Vec<String>),
}

/// Which letters a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Case {
    Upper,
    Lower,
    #[default]
    Mixed,
}

/// How a text becomes bytes before it is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TextEncoding {
    Ascii,
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// With a byte order mark before every text, as Python writes it.
    #[serde(rename = "utf-16")]
    Utf16,
    /// With a byte order mark before every text, as Python writes it.
    #[serde(rename = "utf-32")]
    Utf32,
}

/// A date format of Python's strptime, as a regular expression.
#[derive(Debug)]
pub(super) struct DateFormat {
    regex: Regex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "type", rename_all = "lowercase")]
enum Document {
    #[serde(rename_all = "camelCase")]
    String {
        #[serde(default)]
        encoding: TextEncoding,
        case: Option<Case>,
        min_length: Option<usize>,
        max_length: Option<usize>,
        pattern: Option<String>,
        #[serde(rename = "description")]
        _description: Option<String>,
    },
    Integer {
        minimum: Option<i64>,
        maximum: Option<i64>,
        #[serde(rename = "description")]
        _description: Option<String>,
    },
    Date {
        format: String,
        #[serde(rename = "description")]
        _description: Option<String>,
    },
    Enum {
        values: Vec<String>,
        #[serde(rename = "description")]
        _description: Option<String>,
    },
}

impl Format {
    pub(super) fn parse(document: Value) -> Result<(Self, TextEncoding), String> {
        let document = serde_json::from_value(document).map_err(|e| format!("format: {e}"))?;
        let format = match document {
            Document::String { encoding, case, min_length, max_length, pattern, .. } => {
                let Some(pattern) = pattern else {
                    let (min, max) = (min_length.unwrap_or(0), max_length.unwrap_or(usize::MAX));
                    return Ok((Self::Text { case: case.unwrap_or_default(), min, max }, encoding));
                };
                if case.is_some() || min_length.is_some() || max_length.is_some() {
                    return Err("`pattern` goes with neither `case` nor `minLength` nor `maxLength`".to_owned());
                }
                let whole = Regex::new(&format!("^(?:{pattern})$"));
                let unsupported = "`pattern` is no regular expression that this program knows\n\
                                   hint: look-around and back-references of Python's are not supported";
                return Ok((Self::Pattern(whole.map_err(|_| unsupported.to_owned())?), encoding));
            }
            Document::Integer { minimum, maximum, .. } => {
                Self::Integer { min: minimum.map(i128::from), max: maximum.map(i128::from) }
            }
            Document::Date { format, .. } => Self::Date(DateFormat::parse(&format)?),
            Document::Enum { values, .. } => Self::Choice(values),
        };
        Ok((format, TextEncoding::default()))
    }

    /// The spelling in which a value is hashed, or the rule that it breaks.
    pub(super) fn canonical<'v>(&self, value: &'v str) -> Result<Cow<'v, str>, &'static str> {
        match self {
            Self::Text { case, min, max } => {
                let length = value.chars().count();
                match case {
                    _ if length < *min => Err("too-short"),
                    _ if length > *max => Err("too-long"),
                    Case::Upper if value.to_uppercase() != value => Err("not-upper-case"),
                    Case::Lower if value.to_lowercase() != value => Err("not-lower-case"),
                    _ => Ok(value.into()),
                }
            }
            Self::Pattern(regex) if !regex.is_match(value) => Err("not-of-the-pattern"),
            Self::Pattern(_) => Ok(value.into()),
            Self::Integer { min, max } => {
                let text = integer_text(value).ok_or("not-an-integer")?;
                // What is beyond 128 bits is beyond every limit that a schema can state.
                let number = text.parse().unwrap_or(if text.starts_with('-') { i128::MIN } else { i128::MAX });
                match () {
                    () if min.is_some_and(|min| number < min) => Err("too-small"),
                    () if max.is_some_and(|max| number > max) => Err("too-large"),
                    () => Ok(text.into()),
                }
            }
            Self::Date(format) => format.canonical(value).map(Cow::from).ok_or("not-a-date"),
            Self::Choice(values) if !values.iter().any(|known| known == value) => Err("not-one-of-the-values"),
            Self::Choice(_) => Ok(value.into()),
        }
    }
}

/// The decimal text of an integer that Python's `int` would read: sign, underscores between digits, spaces around.
pub(super) fn integer_text(value: &str) -> Option<String> {
    let value = value.trim();
    let (negative, digits) = match value.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, value.strip_prefix('+').unwrap_or(value)),
    };
    let groups = digits.split('_');
    if !groups.clone().all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let digits: String = groups.collect();
    let digits = digits.trim_start_matches('0');
    Some(match (digits, negative) {
        ("", _) => "0".to_owned(),
        (digits, true) => format!("-{digits}"),
        (digits, false) => digits.to_owned(),
    })
}

impl DateFormat {
    /// The directives that name a day, as Python's `_strptime` spells them; others are refused.
    fn parse(format: &str) -> Result<Self, String> {
        let mut pattern = String::from("(?i)^");
        let mut seen = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c.is_whitespace() {
                pattern.push_str(r"\s+");
                continue;
            }
            if c != '%' {
                pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                continue;
            }
            let directive = chars.next().unwrap_or('%');
            if seen.contains(directive) && directive != '%' {
                return Err(format!("date format: %{directive} occurs twice"));
            }
            seen.push(directive);
            pattern.push_str(match directive {
                // Digits are ASCII ones, as in integers: `\d` would be any script's, which are not read below.
                'd' => r"(?P<d>3[0-1]|[1-2][0-9]|0[1-9]|[1-9]| [1-9])",
                'm' => r"(?P<m>1[0-2]|0[1-9]|[1-9])",
                'Y' => r"(?P<Y>[0-9]{4})",
                'y' => r"(?P<y>[0-9]{2})",
                'b' => r"(?P<b>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
                'B' => r"(?P<b>january|february|march|april|may|june|july|august|september|october|november|december)",
                '%' => "%",
                other => {
                    return Err(format!("date format: %{other} is not supported\nhint: %Y %y %m %b %B %d are"));
                }
            });
        }
        if seen.contains('y') && seen.contains('Y') {
            return Err("date format: %y beside %Y".to_owned());
        }
        let regex = Regex::new(&pattern).map_err(|_| "date format: a directive occurs twice".to_owned())?;
        Ok(Self { regex })
    }

    /// The date as Python's `%Y%m%d` writes it on Linux, where years are not padded.
    fn canonical(&self, value: &str) -> Option<String> {
        const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        let found = self.regex.captures(value).filter(|found| found[0].len() == value.len())?;
        let number = |name| found.name(name).and_then(|text| text.as_str().trim().parse::<u32>().ok());
        let year = match (number("Y"), number("y")) {
            (Some(year), _) => year,
            (None, Some(year)) => year + if year <= 68 { 2000 } else { 1900 },
            (None, None) => 1900,
        };
        let month = match found.name("b") {
            // A match that ignores case takes ſ for s; that is none of the names.
            Some(name) => {
                let name = name.as_str().to_ascii_lowercase();
                1 + MONTHS.iter().position(|month| name.starts_with(month))? as u32
            }
            None => number("m").unwrap_or(1),
        };
        let day = number("d").unwrap_or(1);
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = [31, 28 + u32::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
        (year > 0 && day <= days).then(|| format!("{year}{month:02}{day:02}"))
    }
}
