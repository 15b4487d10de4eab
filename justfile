# Shortcuts. Each is one line that can be typed by hand.

# the main job
demo *ARGS:
    cargo run --bin linkage -- demo {{ARGS}}

# all tests
test:
    cargo test --workspace

# links on worker processes; a second build of DataFusion, so in a target folder of its own
cluster:
    CARGO_TARGET_DIR=target/cluster cargo test --workspace --features linkage-service/distributed --test cluster

# what CI runs
ci:
    bash .ci/run

# benchmarks of the hot parts, recorded under benches/record
bench:
    cargo bench -p linkage-benches
