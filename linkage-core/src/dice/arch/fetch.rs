//! Asking the processor for memory before it is needed.

/// Bytes of a line of the caches.
const LINE: usize = 64;

/// Has the processor fetch the items into its caches, without waiting for them. It changes no result.
#[inline]
pub fn prefetch<T: Copy>(items: &[T]) {
    let step = (LINE / size_of::<T>().max(1)).max(1);
    // The last item may lie on a further line.
    for item in items.iter().step_by(step).chain(items.last()) {
        fetch(item);
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn fetch<T: Copy>(item: &T) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 processor has the instruction; it reads nothing for the program, and the address is that of a
    // reference.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast()) }
}

/// Elsewhere the item is read, so that it is waited for beside others.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn fetch<T: Copy>(item: &T) {
    std::hint::black_box(*item);
}
