//! The wire protocol of the linkage service.
//!
//! The messages are written in `linkage/v1/*.proto` and compiled at build time. They stop at the service's `rpc` module
//! and at the client commands, which convert them by hand: nothing behind them knows of protocol buffers.

#[cfg(feature = "client")]
pub mod client;

pub use prost::bytes::Bytes;

/// Version 1 of the protocol.
#[allow(missing_docs, unused_qualifications, clippy::all)]
pub mod v1 {
    tonic::include_proto!("linkage.v1");
}

/// The compiled descriptors of every `.proto` file, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("linkage.v1");

/// Largest chunk of a token file in one message.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Largest message that either side accepts.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// The response header in which the service puts the code of a refusal.
pub const REFUSAL_KEY: &str = "linkage-refusal";
