//! What a file begins like, for a hint where it is not what it was said to be.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::ValueEnum;

use crate::inputs::Format;

/// How much of a file tells.
const START_BYTES: u64 = 512;

/// The format of which a file begins as no file of another format does; `None` where nothing is sure, for stdin and for what
/// cannot be read.
pub(crate) fn format_of(path: &Path) -> Option<Format> {
    // What is no file, a pipe for instance, would lose what is read of it.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut start = Vec::new();
    File::open(path).ok()?.take(START_BYTES).read_to_end(&mut start).ok()?;
    format_of_start(&start)
}

/// The same of the first bytes.
pub(crate) fn format_of_start(start: &[u8]) -> Option<Format> {
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    let begins = |with: &[&[u8]]| with.iter().any(|with| text.starts_with(with));
    if begins(&[b"IR,", b"\"IR\","]) {
        Some(Format::Uke)
    } else if begins(&[b"MSH|"]) {
        Some(Format::Ssmix2)
    } else if begins(&[b"<"]) {
        Some(Format::Kenshin)
    } else if begins(&[b"{"]) {
        Some(Format::Fhir)
    } else {
        #[cfg(feature = "parquet")]
        if begins(&[b"PAR1"]) {
            return Some(Format::Parquet);
        }
        None
    }
}

/// What to try instead, when a file begins like one of another format than `said`.
pub(crate) fn hint(path: &Path, said: Format) -> Option<String> {
    let found = format_of(path).filter(|found| *found != said)?;
    Some(format!("hint: it begins like a file of `--format {}`", name(found)))
}

/// An error about a file, with that hint in place of its own where there is one.
pub(crate) fn better_hint(path: &Path, said: Format, error: &str) -> String {
    match hint(path, said) {
        Some(hint) => format!("{}\n{hint}", error.lines().next().unwrap_or_default()),
        None => error.to_owned(),
    }
}

/// A format as `--format` has it.
pub(crate) fn name(format: Format) -> String {
    format.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_as_no_other_format_does_is_told() {
        for (start, expected) in [
            (&b"IR,1,13,1,1234567,,x"[..], Some(Format::Uke)),
            (b"\"IR\",\"1\"", Some(Format::Uke)),
            (b"\xEF\xBB\xBF<?xml version", Some(Format::Kenshin)),
            (b"\n {\"resourceType\"", Some(Format::Fhir)),
            (b"MSH|^~\\&|", Some(Format::Ssmix2)),
            (b"IR\tcount", None),
            (b"id,name", None),
            (b"", None),
        ] {
            assert_eq!(format_of_start(start), expected, "{}", String::from_utf8_lossy(start));
        }
    }
}
