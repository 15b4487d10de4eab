//! Files of CLKs as clkhash and anonlink exchange them: `{"clks": [ base64, … ]}`.
//!
//! Read and written as a stream, because a file of ten million CLKs has two gigabytes.

use std::io::{self, BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::ClkhashError;

/// The longest CLK that is read, in base64 characters.
const MAX_TEXT: usize = 16 * 1024;

/// Turns the bits of every byte around: bitarray's bit 0 is a byte's highest, ours its lowest.
///
/// Its own inverse. Dice does not notice; a file that goes out as it came in does.
pub fn swap_bit_order(clk: &mut [u8]) {
    clk.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
}

/// Writes a file of CLKs.
#[derive(Debug)]
pub struct ClkJsonWriter<W: Write> {
    sink: W,
    written: u64,
}

impl<W: Write> ClkJsonWriter<W> {
    /// Starts the file.
    ///
    /// # Errors
    /// When the sink cannot be written to.
    pub fn new(mut sink: W) -> io::Result<Self> {
        sink.write_all(b"{\"clks\": [")?;
        Ok(Self { sink, written: 0 })
    }

    /// Writes one CLK in bitarray's order of bits.
    ///
    /// # Errors
    /// When the sink cannot be written to.
    pub fn write(&mut self, clk: &[u8]) -> io::Result<()> {
        let separator: &[u8] = if self.written == 0 { b"\"" } else { b", \"" };
        self.sink.write_all(separator)?;
        self.sink.write_all(STANDARD.encode(clk).as_bytes())?;
        self.written += 1;
        self.sink.write_all(b"\"")
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When the sink cannot be written to.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        self.sink.write_all(b"]}\n")?;
        self.sink.flush()?;
        Ok((self.sink, self.written))
    }
}

/// Reads a file of CLKs, one after another.
#[derive(Debug)]
pub struct ClkJsonReader<R: BufRead> {
    bytes: io::Bytes<R>,
    peeked: Option<u8>,
    read: u64,
    clk_bytes: Option<usize>,
    ended: bool,
}

impl<R: BufRead> ClkJsonReader<R> {
    /// Opens the file.
    ///
    /// # Errors
    /// [`ClkhashError`] when it does not start like a file of CLKs.
    pub fn new(source: R) -> Result<Self, ClkhashError> {
        let mut reader = Self { bytes: source.bytes(), peeked: None, read: 0, clk_bytes: None, ended: false };
        reader.expect(b'{')?;
        if reader.text()?.as_deref() != Some(b"clks") {
            return Err(refuse("the only key is \"clks\""));
        }
        reader.expect(b':')?;
        reader.expect(b'[')?;
        Ok(reader)
    }

    /// The next CLK, in bitarray's order of bits; `None` after the last. All have the length of the first.
    ///
    /// # Errors
    /// [`ClkhashError`], which names the position of the CLK.
    pub fn next_clk(&mut self) -> Result<Option<Vec<u8>>, ClkhashError> {
        if self.ended {
            return Ok(None);
        }
        match (self.peek()?, self.read) {
            (Some(b']'), _) => return self.end(),
            (Some(b','), 1..) => self.peeked = None,
            (_, 0) => {}
            _ => return Err(refuse("a comma or the end of the list is missing")),
        }
        let position = self.read + 1;
        let at = |rule| ClkhashError::Clk { position, rule };
        let text = self.text()?.ok_or_else(|| at("not a text"))?;
        let clk = STANDARD.decode(text).map_err(|_| at("not base64"))?;
        if *self.clk_bytes.get_or_insert(clk.len()) != clk.len() {
            return Err(at("its length differs from that of the first"));
        }
        self.read = position;
        Ok(Some(clk))
    }

    fn end(&mut self) -> Result<Option<Vec<u8>>, ClkhashError> {
        self.peeked = None;
        self.expect(b'}')?;
        self.ended = true;
        match self.peek()? {
            None => Ok(None),
            Some(_) => Err(refuse("something follows the end")),
        }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Result<Option<u8>, ClkhashError> {
        while self.peeked.is_none_or(|byte| byte.is_ascii_whitespace()) {
            self.peeked = self.bytes.next().transpose()?;
            if self.peeked.is_none() {
                return Ok(None);
            }
        }
        Ok(self.peeked)
    }

    fn expect(&mut self, byte: u8) -> Result<(), ClkhashError> {
        if self.peek()? != Some(byte) {
            return Err(refuse(&format!("`{}` is missing", char::from(byte))));
        }
        self.peeked = None;
        Ok(())
    }

    /// A text without escapes; `None` when something else comes next.
    fn text(&mut self) -> Result<Option<Vec<u8>>, ClkhashError> {
        if self.peek()? != Some(b'"') {
            return Ok(None);
        }
        self.peeked = None;
        let mut text = Vec::new();
        loop {
            match self.bytes.next().transpose()? {
                Some(b'"') => return Ok(Some(text)),
                Some(byte) if text.len() < MAX_TEXT && byte != b'\\' => text.push(byte),
                Some(_) => return Err(refuse("a text is far too long, or has an escape")),
                None => return Err(refuse("it ends within a text")),
            }
        }
    }
}

fn refuse(message: &str) -> ClkhashError {
    ClkhashError::ClkFile { message: message.to_owned() }
}
