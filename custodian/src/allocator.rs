//! How the allocator shall treat what is freed.

use std::hint::black_box;

/// The most that glibc learns from.
const LARGE_BYTES: usize = 31 << 20;

/// Keeps freed memory for the next batch.
///
/// glibc gives every piece above a threshold back to the system as soon as it is freed, and asks for it again page by page;
/// for buffers of a batch that is a tenth of a run. It raises the threshold to the size of a large piece that is freed. Memory
/// that is not touched costs nothing, and other allocators do not mind.
pub(crate) fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(LARGE_BYTES)));
}
