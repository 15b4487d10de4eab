# Shortcuts. Each is one line that can be typed by hand.

# the main job
demo *ARGS:
    cargo run --bin linkage -- demo {{ARGS}}

# all tests
test:
    cargo test --workspace

# what CI runs
ci:
    bash .ci/run

# benchmarks of the hot parts, recorded under benches/record
bench:
    cargo bench -p linkage-benches
