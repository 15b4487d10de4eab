//! The linkage service: permits, policy, audit, runs and releases behind gRPC with mutual TLS.

pub mod audit;
pub mod authority;
pub mod config;
pub mod error;
pub mod permit;
pub mod policy;
pub mod role;
pub mod signing;
pub mod store;
