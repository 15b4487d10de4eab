//! Workers: other machines of the linkage unit that do parts of its runs.
//!
//! A worker serves with a certificate of the unit's authority and answers nobody but the unit itself, whose certificate
//! (`urn:linkage:unit`) is made anew each time the service starts and is never written down. A worker holds no key of its
//! own to anything but its connection: the rows that it compares lie sealed in a folder that both see, and their key
//! comes with the plan.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use linkage_core::dice::Kernel;
use linkage_plan::cluster::{Cluster, ClusterOptions, Connect, worker_service};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};
use tonic::{Request, Status};

use crate::authority::{Authority, read, read_private};
use crate::config;
use crate::error::SetupError;
use crate::role::{Caller, Role};
use crate::server::{HANDSHAKE, write_ready};

/// How often an idle connection is tried, and how long the other end may take to answer.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Connects to workers as the linkage unit.
pub struct UnitConnect {
    tls: ClientTlsConfig,
}

impl UnitConnect {
    /// A new certificate of the unit in `folder` for itself, in memory alone.
    ///
    /// # Errors
    /// When the authority cannot be opened.
    pub fn new(folder: &Path, now: OffsetDateTime) -> Result<Self, SetupError> {
        let authority = Authority::open(folder)?;
        let identity = authority.issue_client(&Role::Unit, "linkage unit", now)?;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(authority.certificate_pem()))
            .identity(Identity::from_pem(identity.certificate_pem, identity.key_pem));
        Ok(Self { tls })
    }
}

impl Connect for UnitConnect {
    fn connect(&self, worker: &url::Url) -> BoxFuture<'static, Result<Channel, Box<dyn Error + Send + Sync>>> {
        let (worker, tls) = (worker.to_string(), self.tls.clone());
        async move {
            let endpoint = Endpoint::from_shared(worker)?
                .tls_config(tls)?
                .connect_timeout(KEEPALIVE)
                .http2_keep_alive_interval(KEEPALIVE)
                .keep_alive_timeout(KEEPALIVE)
                .keep_alive_while_idle(true);
            Ok(endpoint.connect().await?)
        }
        .boxed()
    }
}

/// The cluster of a linkage unit, as configured. Makes the shared folder when there are workers.
///
/// # Errors
/// When a worker's URL is none, the folder cannot be made, or the authority not opened.
pub fn open(unit: &Path, config: &config::Cluster, now: OffsetDateTime) -> Result<Cluster, SetupError> {
    let options =
        ClusterOptions { unit_rows: config.unit_rows, attempts: config.attempts, ..ClusterOptions::default() };
    let objects: Arc<dyn ObjectStore> = if config.workers.is_empty() {
        Arc::new(object_store::memory::InMemory::new())
    } else {
        let folder = unit.join(&config.objects);
        let failed = |source| SetupError::File { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        shared(&folder)?
    };
    Ok(Cluster::new(&config.workers, UnitConnect::new(unit, now)?, objects, options)?)
}

/// What a worker is told.
#[derive(Clone, Debug)]
pub struct NewWorker {
    /// Its credential folder.
    pub credential: PathBuf,
    /// The folder in which the linkage unit shares rows.
    pub objects: PathBuf,
    /// The address to listen on.
    pub listen: String,
    /// Most memory to use.
    pub memory_bytes: usize,
    /// A file that gets the address that is really listened on.
    pub ready_file: Option<PathBuf>,
}

/// Serves as a worker until `stop` is ready. What it is doing then is done elsewhere.
///
/// # Errors
/// When the credential or the folder cannot be read, the address is taken, or the server fails.
pub async fn serve_worker(worker: &NewWorker, stop: impl Future<Output = ()> + Send) -> Result<(), SetupError> {
    let kernel = Kernel::detect()?;
    let file = |name: &str| read(&worker.credential.join(name));
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(file("cert.pem")?, read_private(&worker.credential.join("key.pem"))?))
        .timeout(HANDSHAKE)
        .client_ca_root(Certificate::from_pem(file("ca.pem")?))
        .client_auth_optional(false);
    let service = worker_service(worker.memory_bytes, shared(&worker.objects)?)?;
    let service = InterceptedService::new(service, only_the_unit);
    let taken = |source| SetupError::Listen { address: worker.listen.clone(), source };
    let listener = TcpListener::bind(&worker.listen).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    let server = Server::builder()
        .tls_config(tls)?
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    if let Some(path) = &worker.ready_file {
        write_ready(path, &address.to_string())?;
    }
    tracing::info!(%address, kernel = kernel.name(), "working");
    tokio::select! {
        served = server => Ok(served?),
        () = stop => Ok(()),
    }
}

/// Refuses every caller but the linkage unit itself.
fn only_the_unit(request: Request<()>) -> Result<Request<()>, Status> {
    let certificates = request.peer_certs();
    let leaf = certificates.as_ref().and_then(|chain| chain.first());
    let role = leaf.and_then(|leaf| Caller::from_certificate(leaf).ok()).map(|caller| caller.role);
    match role {
        Some(Role::Unit) => Ok(request),
        _ => Err(Status::permission_denied("a worker answers its linkage unit alone")),
    }
}

fn shared(folder: &Path) -> Result<Arc<dyn ObjectStore>, SetupError> {
    let failed = |source| SetupError::File { path: folder.to_owned(), source };
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| failed(std::io::Error::other(error)))?;
    Ok(Arc::new(store))
}
