# Shortcuts. Each is one line that can be typed by hand.

# the main job
demo *ARGS:
    cargo run --bin linkage -- demo {{ARGS}}

# all tests
test:
    cargo test --workspace

# links on worker processes, the unit tests of what they are given, and clippy of all that; a second build of DataFusion, so in a target folder of its own
cluster:
    CARGO_TARGET_DIR=target/cluster cargo test --workspace --features linkage-service/distributed --test cluster
    CARGO_TARGET_DIR=target/cluster cargo test --workspace --features linkage-service/distributed --lib -- codec:: cluster::
    CARGO_TARGET_DIR=target/cluster cargo clippy --workspace --all-targets --features linkage-service/distributed -- -D warnings

# the kernel for 64-bit Arm, under an emulator; needs `rustup target add aarch64-unknown-linux-gnu` and Debian's gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user
neon:
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu" cargo test --target aarch64-unknown-linux-gnu -p linkage-core --lib dice

# what CI runs
ci:
    bash .ci/run

# benchmarks of the hot parts, recorded under benches/record
bench:
    cargo bench -p linkage-benches

# time and memory against the number of records, all pairs and bands, and five databases of two million: hours; rows go to FILE
scale FILE:
    cargo run -p linkage-benches --example lsh_scale -- curve 0.85 1 100000 200000 500000 1000000 2000000 --record {{FILE}}
    cargo run -p linkage-benches --example lsh_scale -- curve 0.85 0.99 100000 1000000 2000000 5000000 10000000 --record {{FILE}}
    cargo run -p linkage-benches --example lsh_scale -- databases 5 2000000 0.85 0.99 --record {{FILE}}
    cargo run -p linkage-benches --example lsh_scale -- certificates 20 100000 0.85 0.99 --record {{FILE}}
