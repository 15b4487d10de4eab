//! The linkage service: permits, policy, audit, runs and releases behind gRPC with mutual TLS.

pub mod audit;
pub mod authority;
pub mod config;
pub mod error;
pub mod journal;
pub mod permit;
pub mod policy;
#[cfg(feature = "run")]
pub mod release;
pub mod role;
#[cfg(feature = "run")]
pub mod run;
pub mod signing;
pub mod store;
#[cfg(feature = "run")]
pub mod submission;
#[cfg(feature = "run")]
pub mod unit;
