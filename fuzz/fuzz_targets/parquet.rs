#![no_main]

// The decoder panics on some damaged files, and the reader makes an error of it: only a panic that comes through is a crash.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |data: &[u8]| linkage_fuzz::parquet(data));
