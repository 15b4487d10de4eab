//! How the bits of a CLK are shared out among the fields.

use super::canonical::Canonical;
use super::check::broken;
use super::document;
use crate::clk::ClkLength;
use crate::error::SchemaError;

/// More segments than the presence mask has bits cannot be told apart.
const MAX_SEGMENTS: u64 = 16;

/// How the bits of a CLK are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// One filter for the whole record: every field draws from all bits.
    Composite,
    /// A filter of its own for each group of fields, side by side in one CLK.
    Segmented {
        /// How many filters, 2 to 16.
        segments: usize,
        /// Bits of each filter, a multiple of 64.
        segment_bits: usize,
    },
}

impl Layout {
    /// How many filters a CLK has: 1 when it is composite.
    pub fn segments(self) -> usize {
        match self {
            Self::Composite => 1,
            Self::Segmented { segments, .. } => segments,
        }
    }

    /// Checks the layout; gives it and the length of the whole CLK.
    pub(super) fn check(document: &document::Layout) -> Result<(Self, ClkLength), SchemaError> {
        let document::Layout { kind, bits, segments, segment_bits } = *document;
        let (layout, bits) = match kind {
            document::LayoutKind::Composite => {
                if segments.is_some() || segment_bits.is_some() {
                    let hint = "write \"kind\": \"segmented\", or leave them out";
                    return Err(broken("layout", "`segments` and `segment_bits` in a composite layout", hint));
                }
                (Self::Composite, bits.unwrap_or(1024))
            }
            document::LayoutKind::Segmented => {
                if bits.is_some() {
                    let hint = "give `segments` and `segment_bits`: the CLK is as long as all of them";
                    return Err(broken("layout", "`bits` in a segmented layout", hint));
                }
                let (segments, segment_bits) = (segments.unwrap_or(8), segment_bits.unwrap_or(128));
                if !(2..=MAX_SEGMENTS).contains(&segments) {
                    let rule = format!("{segments} segments are not 2 to {MAX_SEGMENTS}");
                    return Err(broken("layout", rule, "the presence mask has 16 bits; 8 is the default"));
                }
                if segment_bits == 0 || segment_bits % 64 != 0 || segment_bits > 4096 {
                    let rule = format!("segments of {segment_bits} bits are not a multiple of 64");
                    return Err(broken("layout", rule, "128 is the default"));
                }
                let layout = Self::Segmented { segments: segments as usize, segment_bits: segment_bits as usize };
                (layout, segments * segment_bits)
            }
        };
        let length = usize::try_from(bits).ok().and_then(ClkLength::new);
        let length = length.ok_or_else(|| {
            broken(
                "layout",
                format!("{bits} bits are not a multiple of 64 from 64 to 4096"),
                "1024 is the default and right for most linkages",
            )
        })?;
        Ok((layout, length))
    }

    /// The canonical form; a composite layout needs the length of the CLK beside it.
    pub(super) fn canonical(self, length: ClkLength) -> Canonical {
        Canonical::Object(match self {
            Self::Composite => {
                vec![("kind", Canonical::text("composite")), ("bits", Canonical::Integer(length.bits() as u64))]
            }
            Self::Segmented { segments, segment_bits } => vec![
                ("kind", Canonical::text("segmented")),
                ("segments", Canonical::Integer(segments as u64)),
                ("segment_bits", Canonical::Integer(segment_bits as u64)),
            ],
        })
    }
}
