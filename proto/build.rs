//! Compiles the protocol with protox, so that nobody needs a `protoc` on the machine.

use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 6] = [
    "linkage/v1/audit.proto",
    "linkage/v1/catalogue.proto",
    "linkage/v1/permit.proto",
    "linkage/v1/release.proto",
    "linkage/v1/run.proto",
    "linkage/v1/submission.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("linkage.v1.bin"), prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure().bytes(".linkage.v1.UploadRequest.chunk").compile_fds(descriptors)?;
    Ok(())
}
