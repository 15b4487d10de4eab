//! The linkage service: permits, policy, audit, runs and releases behind gRPC with mutual TLS.

pub mod audit;
pub mod authority;
pub mod cli;
#[cfg(feature = "distributed")]
pub mod cluster;
pub mod config;
pub mod error;
pub mod journal;
pub mod permit;
pub mod policy;
pub mod release;
pub mod role;
pub mod rpc;
pub mod run;
pub mod server;
pub mod signing;
pub mod store;
pub mod submission;
pub mod unit;
