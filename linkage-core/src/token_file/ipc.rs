//! Reads the Arrow IPC stream inside a token file.
//!
//! Arrow's own reader trusts lengths and offsets: a file can make it allocate at will or panic. The sender is
//! authenticated, but need not be honest, so this reader allows exactly the messages that the format needs and checks
//! every number before use.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, RecordBatch, UInt16Array};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::SchemaRef;
use arrow::ipc::{self, Message, MessageHeader, MetadataVersion};

use super::MAX_BATCH_ROWS;
use super::columns::{Column, ColumnKind};
use crate::error::TokenFileError;

const CONTINUATION: [u8; 4] = [0xff; 4];

/// The schema message of 11 columns takes about 1 KiB.
const MAX_METADATA_BYTES: usize = 64 * 1024;

/// One message: its metadata and its body.
struct Frame {
    metadata: Vec<u8>,
    body: Buffer,
}

/// Reads the schema message, which must describe exactly these columns.
pub(super) fn read_schema(input: &mut impl Read, columns: &[Column]) -> Result<(), TokenFileError> {
    let refuse = |rule: String| TokenFileError::Columns { rule };
    let Some(frame) = read_frame(input, 0)? else {
        return Err(refuse("the Arrow stream has no schema".to_owned()));
    };
    let message = parse(&frame).map_err(|rule| refuse(rule.to_owned()))?;
    let schema = message.header_as_schema().ok_or_else(|| refuse("the first message is not a schema".to_owned()))?;
    if schema.endianness() != ipc::Endianness::Little || schema.custom_metadata().is_some_and(|m| !m.is_empty()) {
        return Err(refuse("the schema is big-endian or has metadata".to_owned()));
    }
    let fields = schema.fields().ok_or_else(|| refuse("the schema has no fields".to_owned()))?;
    if fields.len() != columns.len() {
        return Err(refuse(format!("{} columns where the header asks for {}", fields.len(), columns.len())));
    }
    for (field, column) in fields.iter().zip(columns) {
        let type_matches = match column.kind {
            ColumnKind::Binary => {
                field.type_as_fixed_size_binary().is_some_and(|t| usize::try_from(t.byteWidth()) == Ok(column.width))
            }
            ColumnKind::UInt16 => field.type_as_int().is_some_and(|t| t.bitWidth() == 16 && !t.is_signed()),
        };
        let plain = field.dictionary().is_none() && field.custom_metadata().is_none_or(|m| m.is_empty());
        if field.name() != Some(&column.name) || !type_matches || field.nullable() != column.nullable || !plain {
            return Err(refuse(format!("column `{}` is missing or of another type", column.name)));
        }
    }
    Ok(())
}

/// Reads the next batch; `None` at the end of the stream. `row` is where the batch begins, for errors.
pub(super) fn read_batch(
    input: &mut impl Read,
    columns: &[Column],
    schema: &SchemaRef,
    row: u64,
) -> Result<Option<RecordBatch>, TokenFileError> {
    let refuse = |rule: &str| TokenFileError::Batch { row, rule: rule.to_owned() };
    // Values, validity bits and up to 64 bytes of padding for each.
    let row_bytes: usize = columns.iter().map(|column| column.width + 1).sum();
    let Some(frame) = read_frame(input, MAX_BATCH_ROWS * row_bytes + 128 * columns.len()).map_err(|e| match e {
        TokenFileError::Columns { rule } => TokenFileError::Batch { row, rule },
        other => other,
    })?
    else {
        return Ok(None);
    };
    let message = parse(&frame).map_err(refuse)?;
    let batch = message.header_as_record_batch().ok_or_else(|| refuse("a message is not a record batch"))?;
    if batch.compression().is_some() {
        return Err(refuse("compressed"));
    }
    let rows = usize::try_from(batch.length()).unwrap_or(0);
    if rows == 0 || rows > MAX_BATCH_ROWS {
        return Err(refuse("not 1 to 65536 rows"));
    }
    let (Some(nodes), Some(buffers)) = (batch.nodes(), batch.buffers()) else {
        return Err(refuse("no columns"));
    };
    if nodes.len() != columns.len() || buffers.len() != 2 * columns.len() {
        return Err(refuse("another number of columns than the schema"));
    }
    let mut arrays = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let node = nodes.get(index);
        if node.length() != rows as i64 {
            return Err(refuse("columns of different length"));
        }
        if !column.nullable && node.null_count() != 0 {
            return Err(refuse("a column lacks a value"));
        }
        let nulls = read_nulls(&frame.body, buffers.get(2 * index), node.null_count(), rows).map_err(refuse)?;
        let values = slice(&frame.body, buffers.get(2 * index + 1), rows * column.width).map_err(refuse)?;
        let array: ArrayRef = match column.kind {
            ColumnKind::Binary => Arc::new(
                FixedSizeBinaryArray::try_new(column.width as i32, values, nulls).map_err(TokenFileError::Arrow)?,
            ),
            ColumnKind::UInt16 => Arc::new(
                UInt16Array::try_new(ScalarBuffer::new(values, 0, rows), nulls).map_err(TokenFileError::Arrow)?,
            ),
        };
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::clone(schema), arrays).map(Some).map_err(TokenFileError::Arrow)
}

/// Reads the frame of one message; `None` at the end-of-stream mark.
fn read_frame(input: &mut impl Read, max_body: usize) -> Result<Option<Frame>, TokenFileError> {
    let refuse = |rule: &str| TokenFileError::Columns { rule: rule.to_owned() };
    let mut word = [0; 4];
    input.read_exact(&mut word).map_err(TokenFileError::from_read)?;
    if word != CONTINUATION {
        return Err(refuse("an Arrow message does not begin with its mark"));
    }
    input.read_exact(&mut word).map_err(TokenFileError::from_read)?;
    let length = u32::from_le_bytes(word) as usize;
    if length == 0 {
        return Ok(None);
    }
    if length > MAX_METADATA_BYTES {
        return Err(refuse("the metadata of an Arrow message is too long"));
    }
    let mut metadata = vec![0; length];
    input.read_exact(&mut metadata).map_err(TokenFileError::from_read)?;
    let frame = Frame { metadata, body: Buffer::from(Vec::<u8>::new()) };
    let body = parse(&frame).map_err(refuse)?.bodyLength();
    let body = usize::try_from(body).ok().filter(|body| *body <= max_body);
    let body = body.ok_or_else(|| refuse("the body of an Arrow message is too long"))?;
    // Arrow aligns this buffer, so that every column of it is aligned too.
    let mut buffer = MutableBuffer::from_len_zeroed(body);
    input.read_exact(&mut buffer).map_err(TokenFileError::from_read)?;
    Ok(Some(Frame { body: buffer.into(), ..frame }))
}

/// The message in a frame, verified by the flatbuffers library.
fn parse(frame: &Frame) -> Result<Message<'_>, &'static str> {
    let message = ipc::root_as_message(&frame.metadata).map_err(|_| "not an Arrow message")?;
    if message.version() != MetadataVersion::V5 || message.header_type() == MessageHeader::NONE {
        return Err("not an Arrow message of version 5");
    }
    Ok(message)
}

/// The bytes that a buffer of the message points at: `least` bytes of the body or a little more, which is cut off.
fn slice(body: &Buffer, buffer: &ipc::Buffer, least: usize) -> Result<Buffer, &'static str> {
    const OUTSIDE: &str = "a column lies outside of its message";
    let offset = usize::try_from(buffer.offset()).map_err(|_| OUTSIDE)?;
    let length = usize::try_from(buffer.length()).map_err(|_| OUTSIDE)?;
    let end = offset.checked_add(length).ok_or(OUTSIDE)?;
    if !offset.is_multiple_of(8) {
        return Err("a column is not aligned");
    }
    if end > body.len() || length < least {
        return Err(OUTSIDE);
    }
    Ok(body.slice_with_length(offset, least))
}

fn read_nulls(
    body: &Buffer,
    buffer: &ipc::Buffer,
    null_count: i64,
    rows: usize,
) -> Result<Option<NullBuffer>, &'static str> {
    if null_count == 0 {
        return Ok(None);
    }
    let bits = slice(body, buffer, rows.div_ceil(8))?;
    let nulls = NullBuffer::new(BooleanBuffer::new(bits, 0, rows));
    if i64::try_from(nulls.null_count()) != Ok(null_count) {
        return Err("a column's missing values are miscounted");
    }
    Ok(Some(nulls))
}
