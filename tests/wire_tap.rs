//! A proxy between a client and the linkage service that ends TLS on both sides and records every byte in between.
//!
//! It can do that only because the test holds both the service's own key and the client's credential: the bytes that an
//! eavesdropper would see are encrypted, and searching those would prove nothing.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A running proxy; dropping it ends it.
pub struct WireTap {
    pub port: u16,
    recorded: Arc<Mutex<Vec<u8>>>,
    _runtime: tokio::runtime::Runtime,
}

impl WireTap {
    /// Listens on a free port of loopback and passes everything on to `upstream_port`, with the credential's identity.
    pub fn start(upstream_port: u16, server_certificate: &Path, server_key: &Path, credential: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(server_config(server_certificate, server_key)));
        let connector = TlsConnector::from(Arc::new(client_config(credential)));
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let tape = Arc::clone(&recorded);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, connector, tape) = (acceptor.clone(), connector.clone(), Arc::clone(&tape));
                tokio::spawn(async move {
                    let client = acceptor.accept(socket).await.unwrap();
                    let upstream = TcpStream::connect(("127.0.0.1", upstream_port)).await.unwrap();
                    let name = ServerName::try_from("localhost").unwrap();
                    let upstream = connector.connect(name, upstream).await.unwrap();
                    let (client_out, client_in) = tokio::io::split(client);
                    let (upstream_out, upstream_in) = tokio::io::split(upstream);
                    tokio::join!(copy(client_out, upstream_in, &tape), copy(upstream_out, client_in, &tape));
                });
            }
        });
        Self { port, recorded, _runtime: runtime }
    }

    /// Every byte that went either way so far.
    pub fn recorded(&self) -> Vec<u8> {
        self.recorded.lock().unwrap().clone()
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, tape: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut buffer).await
        && read > 0
    {
        tape.lock().unwrap().extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).unwrap().map(Result::unwrap).collect()
}

fn server_config(certificate: &Path, key: &Path) -> ServerConfig {
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(certificates(certificate), key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn client_config(credential: &Path) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&credential.join("ca.pem")) {
        roots.add(certificate).unwrap();
    }
    let key = PrivateKeyDer::from_pem_file(credential.join("key.pem")).unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&credential.join("cert.pem")), key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
