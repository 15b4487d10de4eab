//! Listening: mutual TLS, every service of the protocol, health, and a graceful end.

use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use linkage_core::dice::Kernel;
use linkage_proto::FILE_DESCRIPTOR_SET;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::audit::{Actor, Entry, Label, Outcome};
use crate::authority::{read, read_private};
use crate::error::SetupError;
use crate::rpc;
use crate::unit::Unit;

/// How long a caller may take to show its certificate.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long calls under way may take to end after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves the linkage unit in `folder` until `stop` is ready.
///
/// `ready_file`, if given, gets the address that is really listened on, once it is.
///
/// # Errors
/// When the unit cannot be opened, the address is taken, or the server fails.
pub async fn serve(
    folder: &Path,
    listen: Option<&str>,
    ready_file: Option<&Path>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), SetupError> {
    let kernel = Kernel::detect()?;
    let unit = Arc::new(Unit::open(folder).await?);
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(read(&folder.join("server.pem"))?, read_private(&folder.join("server.key"))?))
        .timeout(HANDSHAKE)
        .client_ca_root(Certificate::from_pem(read(&folder.join("ca.pem"))?))
        // A caller without a certificate of this unit's authority does not get past the handshake.
        .client_auth_optional(false);
    let address = listen.unwrap_or(&unit.config().server.listen);
    let taken = |source| SetupError::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;

    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let reflection = unit.config().server.reflection.then(|| {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .build_v1()
    });
    let reflection = reflection.transpose().map_err(|_| SetupError::Reflection)?;
    let routes = rpc::routes(&unit).add_service(health_service);
    let routes = match reflection {
        Some(reflection) => routes.add_service(reflection),
        None => routes,
    };
    record(&unit, "service.start").await?;
    if let Some(path) = ready_file {
        write_ready(path, &address.to_string())?;
    }
    tracing::info!(%address, policy = unit.policy().name(), kernel = kernel.name(), "serving");

    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let ending = Arc::clone(&unit);
    let server = Server::builder()
        .tls_config(tls)?
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .max_concurrent_streams(64)
        .add_routes(routes)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move {
            stop.await;
            tracing::info!("stopping");
            health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
            // Runs first, so that those who watch them hear of their end.
            ending.runs().shut_down().await;
            // The receiver is gone only when the server has ended already.
            let _ = stopping.send(());
        });
    let grace = async {
        // An error means that the server has ended by itself; then there is nothing to wait for.
        if stopped.await.is_ok() {
            tokio::time::sleep(GRACE).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    let served = tokio::select! {
        served = server => served,
        () = grace => {
            tracing::warn!("connections were cut that did not end in time");
            Ok(())
        }
    };
    record(&unit, "service.stop").await?;
    unit.journal().checkpoint().await?;
    unit.close().await;
    Ok(served?)
}

/// Ready on Ctrl-C or SIGTERM.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn signals() -> Result<impl Future<Output = ()> + Send + 'static, std::io::Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

async fn record(unit: &Unit, action: &'static str) -> Result<(), SetupError> {
    let entry = Entry::new(Actor::service(), Label::fixed(action), Label::fixed("service"), Outcome::Allowed);
    Ok(unit.journal().record(entry).await?)
}

/// In one step, because whoever waits for the file reads it at once.
pub(crate) fn write_ready(path: &Path, address: &str) -> Result<(), SetupError> {
    let failed = |source| SetupError::File { path: path.to_owned(), source };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    writeln!(file, "{address}").map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
