//! The connection to a linkage service, and the calls that are one question and one answer.

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use linkage_proto::client::{connect, explain};
use linkage_proto::v1::audit_service_client::AuditServiceClient;
use linkage_proto::v1::permit_service_client::PermitServiceClient;
use linkage_proto::v1::{
    ExportAuditRequest, ListPermitsRequest, PermitSummary, RevokePermitRequest, SubmitPermitRequest,
};
use tonic::Status;
use tonic::transport::Channel;

/// Where the linkage service is, and who calls it.
#[derive(Debug, clap::Args)]
pub struct ServiceArgs {
    /// Address of the linkage service: https://host:port
    #[arg(long, value_name = "URL")]
    service: String,
    /// Your credential: the folder with ca.pem, cert.pem and key.pem
    #[arg(long, value_name = "DIR")]
    credential: PathBuf,
}

impl ServiceArgs {
    /// Opens a connection.
    pub async fn connect(&self) -> anyhow::Result<Channel> {
        Ok(connect(&self.service, &self.credential).await?)
    }
}

/// Runs the part of a command that talks to the service.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// What the service said, for a person.
pub fn refused(status: Status) -> anyhow::Error {
    anyhow!("{}", explain(&status))
}

/// Sends a signed permit and says what the service made of it.
pub fn submit_permit(service: &ServiceArgs, document: Vec<u8>) -> anyhow::Result<()> {
    let answer = block_on(async {
        let mut client = PermitServiceClient::new(service.connect().await?);
        Ok(client.submit(SubmitPermitRequest { document }).await.map_err(refused)?.into_inner())
    })?;
    let permit = answer.permit.context("the service accepted the permit without saying which")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", permit_line(&permit))?;
    for change in answer.changes {
        writeln!(out, "  changed: {change}")?;
    }
    Ok(())
}

/// Sends a signed revocation.
pub fn revoke_permit(service: &ServiceArgs, document: Vec<u8>) -> anyhow::Result<()> {
    let answer = block_on(async {
        let mut client = PermitServiceClient::new(service.connect().await?);
        Ok(client.revoke(RevokePermitRequest { document }).await.map_err(refused)?.into_inner())
    })?;
    Ok(writeln!(std::io::stdout(), "{}: revoked", answer.permit_id)?)
}

/// Lists the permits that the caller may see.
pub fn list_permits(service: &ServiceArgs) -> anyhow::Result<()> {
    let answer = block_on(async {
        let mut client = PermitServiceClient::new(service.connect().await?);
        Ok(client.list(ListPermitsRequest {}).await.map_err(refused)?.into_inner())
    })?;
    let mut out = std::io::stdout().lock();
    for permit in &answer.permits {
        writeln!(out, "{}", permit_line(permit))?;
    }
    Ok(())
}

/// Fetches the whole audit log into a new file, which is there only when it is whole.
pub fn export_audit(service: &ServiceArgs, output: &Path) -> anyhow::Result<()> {
    let mut file = NewFile::create(output)?;
    block_on(async {
        let mut client = AuditServiceClient::new(service.connect().await?);
        let mut pages = client.export(ExportAuditRequest { from_entry: 0 }).await.map_err(refused)?.into_inner();
        while let Some(page) = pages.message().await.map_err(refused)? {
            for line in page.lines {
                writeln!(file, "{line}").with_context(|| output.display().to_string())?;
            }
        }
        Ok(())
    })?;
    file.finish()
}

/// A file that gets its name when it is whole, and never replaces another.
pub struct NewFile {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file; only its owner can read it.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        if path.try_exists().with_context(|| path.display().to_string())? {
            anyhow::bail!("{}: there is a file of this name\nhint: nothing is overwritten", path.display());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder)
            .map_err(|error| anyhow!("{}: {error}\nhint: is the folder there, and writable?", path.display()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Gives the file its name.
    pub fn finish(self) -> anyhow::Result<()> {
        self.file.as_file().sync_all().with_context(|| self.path.display().to_string())?;
        self.file
            .persist_noclobber(&self.path)
            .map_err(|error| error.error)
            .with_context(|| self.path.display().to_string())?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn permit_line(permit: &PermitSummary) -> String {
    format!(
        "{} version {}: {}, project {}, {} {} data, {} to {}",
        permit.permit_id,
        permit.version,
        permit.state,
        permit.project,
        permit.databases.join(" + "),
        permit.class,
        permit.valid_from,
        permit.valid_until,
    )
}
