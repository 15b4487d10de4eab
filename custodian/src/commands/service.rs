//! What `submit` and `receive` have in common: the connection to the linkage service.

use std::future::Future;
use std::path::PathBuf;

use anyhow::anyhow;
use linkage_proto::client::{connect, explain};
use tonic::Status;
use tonic::transport::Channel;

/// Where the linkage service is, and who calls it.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceArgs {
    /// Address of the linkage service: https://host:port
    #[arg(long, value_name = "URL")]
    service: String,
    /// Your credential: the folder with ca.pem, cert.pem and key.pem
    #[arg(long, value_name = "DIR")]
    credential: PathBuf,
}

impl ServiceArgs {
    /// Opens a connection.
    ///
    /// # Errors
    /// When the credential cannot be used or nobody answers.
    pub(crate) async fn connect(&self) -> anyhow::Result<Channel> {
        Ok(connect(&self.service, &self.credential).await?)
    }
}

/// Runs the part of a command that talks to the service.
///
/// # Errors
/// Those of the work.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// What the service said, for a person.
pub(crate) fn refused(status: &Status) -> anyhow::Error {
    anyhow!("{}", explain(status))
}
