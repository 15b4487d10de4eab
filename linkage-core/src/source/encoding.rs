//! Step 1 of normalisation: bytes to text by the declared encoding.

use std::fmt;
use std::str::FromStr;

use crate::error::SourceError;

/// How the text of a file is encoded. Declared by a person, never guessed: CP932 bytes are often valid UTF-8 by accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    Utf8,
    /// CP932 (Windows-31J, "Shift_JIS" with the NEC and IBM rows).
    Cp932,
}

/// A decoded value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The text, with U+FFFD in place of what could not be decoded.
    pub text: &'a str,
    /// Whether anything could not be decoded.
    pub damaged: bool,
}

impl Encoding {
    /// Decodes one value, into `scratch` where the bytes are not text already.
    pub fn decode<'a>(self, bytes: &'a [u8], scratch: &'a mut String) -> Decoded<'a> {
        if let (Self::Utf8, Ok(text)) = (self, std::str::from_utf8(bytes)) {
            return Decoded { text, damaged: false };
        }
        if bytes.is_ascii()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Decoded { text, damaged: false };
        }
        let encoding = match self {
            Self::Utf8 => encoding_rs::UTF_8,
            Self::Cp932 => encoding_rs::SHIFT_JIS,
        };
        let mut decoder = encoding.new_decoder_without_bom_handling();
        scratch.clear();
        scratch.reserve(decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(0));
        let (_, _, damaged) = decoder.decode_to_string(bytes, scratch, true);
        Decoded { text: scratch, damaged }
    }

    /// The bytes of a text; what the encoding does not have becomes a reference that no file contains.
    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Cp932 => encoding_rs::SHIFT_JIS.encode(text).0.into_owned(),
        }
    }
}

impl FromStr for Encoding {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        match text.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Ok(Self::Utf8),
            "cp932" | "shift_jis" | "shift-jis" | "sjis" | "windows-31j" => Ok(Self::Cp932),
            _ => Err(SourceError::Encoding),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "utf-8",
            Self::Cp932 => "cp932",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cp932_has_the_rows_of_ibm_and_nec_and_maps_gaiji_to_private_use() {
        for (bytes, text) in [
            (&b"\x8d\xb2\x93\xa1"[..], "佐藤"),
            (b"\xfb\xfc", "髙"),
            (b"\xfa\xb1", "﨑"),
            (b"\x87\x40", "①"),
            (b"\xf0\x40", "\u{E000}"),
            (b"\xb6\xde", "ｶﾞ"),
            (b"\x81\x60", "～"),
            (b"ASCII \\", "ASCII \\"),
        ] {
            let decoded = Encoding::Cp932.decode(bytes, &mut String::new()).text.to_owned();
            assert_eq!(decoded, text);
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_marked_and_reported() {
        for (encoding, bytes) in
            [(Encoding::Utf8, &b"sa\xfft"[..]), (Encoding::Cp932, b"\x8d\xb2\xff"), (Encoding::Cp932, b"\x93")]
        {
            let mut scratch = String::new();
            let decoded = encoding.decode(bytes, &mut scratch);
            assert!(decoded.damaged);
            assert!(decoded.text.contains('\u{FFFD}'));
        }
    }

    #[test]
    fn a_replacement_character_in_the_source_is_not_damage() {
        assert!(!Encoding::Utf8.decode("サ\u{FFFD}ウ".as_bytes(), &mut String::new()).damaged);
    }
}
