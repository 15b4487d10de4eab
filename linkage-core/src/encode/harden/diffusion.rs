//! Diffusion (Armknecht, Heng, Schnell, PoPETs 2023): every output bit is the exclusive or of some keyed input bits.

use zeroize::Zeroize;

use crate::encode::hash::KeyedHash;

/// Tells the draw of an output bit's inputs from other messages.
const TAG_OUTPUT_BIT: u8 = 0x50;

/// The matrix over GF(2), by columns: for each input bit the output bits that it enters.
///
/// So a filter with few bits set costs few columns, each of them a run of words.
pub(super) struct Diffusion {
    columns: Vec<u64>,
    words: usize,
}

impl Diffusion {
    /// Draws `inputs` different input bits for each of `bits` output bits.
    pub(super) fn new(hash: &KeyedHash, bits: usize, inputs: usize) -> Self {
        let words = bits / 64;
        let mut columns = vec![0; bits * words];
        for output in 0..bits {
            for input in draw(hash, output as u32, bits, inputs) {
                columns[input * words + output / 64] |= 1 << (output % 64);
            }
        }
        Self { columns, words }
    }

    pub(super) fn apply(&self, filter: &[u64]) -> Vec<u64> {
        let mut out = vec![0; self.words];
        for (index, word) in filter.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                let input = index * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let column = &self.columns[input * self.words..][..self.words];
                out.iter_mut().zip(column).for_each(|(word, more)| *word ^= more);
            }
        }
        out
    }
}

impl Drop for Diffusion {
    fn drop(&mut self) {
        self.columns.zeroize();
    }
}

/// The inputs of one output bit: positions drawn as those of q-grams are, without those that were drawn before.
fn draw(hash: &KeyedHash, output: u32, bits: usize, inputs: usize) -> Vec<usize> {
    let [a, b, c, d] = output.to_le_bytes();
    let message = [TAG_OUTPUT_BIT, a, b, c, d];
    let mut stream = hash.stream(&message);
    let limit = 65536 - 65536 % bits;
    let mut found = Vec::with_capacity(inputs);
    let mut block = [0; 64];
    loop {
        stream.fill(&mut block);
        for pair in block.as_chunks::<2>().0 {
            let value = usize::from(u16::from_le_bytes(*pair));
            if value < limit && !found.contains(&(value % bits)) {
                found.push(value % bits);
                if found.len() == inputs {
                    return found;
                }
            }
        }
    }
}
