//! Which workers there are, and which of them answer.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{ChannelResolver, GetWorkerInfoRequest, WorkerChannel, WorkerResolver};
use futures::future::BoxFuture;
use tonic::transport::Channel;
use url::Url;

use super::VERSION;
use super::session::Resolver;

/// How long a worker may take to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to workers. Who implements it decides on TLS, and on which worker to believe.
pub trait Connect: Send + Sync + 'static {
    /// A new connection to a worker.
    ///
    /// It should notice by itself when the other end is gone without a word, as by HTTP/2 keep-alive.
    fn connect(&self, worker: &Url) -> BoxFuture<'static, Result<Channel, Box<dyn Error + Send + Sync>>>;
}

/// The workers of one linkage unit.
pub(super) struct Workers {
    urls: Vec<Url>,
    connect: Box<dyn Connect>,
    channels: Mutex<HashMap<Url, Channel>>,
    live: Mutex<BTreeSet<Url>>,
}

impl Workers {
    pub(super) fn new(urls: Vec<Url>, connect: Box<dyn Connect>) -> Self {
        Self { urls, connect, channels: Mutex::default(), live: Mutex::default() }
    }

    /// All workers, whether they answer or not.
    pub(super) fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// Whether the worker of this number answered when it was last asked.
    pub(super) fn is_live(&self, worker: usize) -> bool {
        self.urls.get(worker).is_some_and(|url| lock(&self.live).contains(url))
    }

    /// Asks a worker whether it is there and runs this version; from then on it counts as live, or no longer does.
    ///
    /// # Errors
    /// When it does not answer, or is of another version: plans of one are not read by another.
    pub(super) async fn probe(&self, url: &Url) -> Result<(), String> {
        let asked = async {
            let mut client = self.client(url).await.map_err(|error| error.strip_backtrace())?;
            let info =
                client.get_worker_info(GetWorkerInfoRequest {}).await.map_err(|error| error.strip_backtrace())?;
            if info.version == VERSION {
                Ok(())
            } else {
                Err(format!("it runs version {}, and this is {VERSION}", info.version))
            }
        };
        let answer = tokio::time::timeout(PROBE_TIMEOUT, asked).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", PROBE_TIMEOUT.as_secs())));
        match &answer {
            Ok(()) => drop(lock(&self.live).insert(url.clone())),
            Err(_) => {
                lock(&self.live).remove(url);
                lock(&self.channels).remove(url);
            }
        }
        answer
    }

    /// Asks all workers at once, and returns what is wrong with those that cannot be used.
    pub(super) async fn probe_all(&self) -> Vec<(Url, String)> {
        let asked = self.urls.iter().map(|url| async { (url.clone(), self.probe(url).await) });
        let answers = futures::future::join_all(asked).await;
        answers.into_iter().filter_map(|(url, answer)| Some((url, answer.err()?))).collect()
    }

    async fn client(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let known = lock(&self.channels).get(url).cloned();
        let channel = match known {
            Some(channel) => channel,
            None => {
                let connected = self.connect.connect(url).await;
                let channel = connected.map_err(|error| exec_datafusion_err!("{url} cannot be reached: {error}"))?;
                lock(&self.channels).insert(url.clone(), channel.clone());
                channel
            }
        };
        Ok(create_worker_client(BoxCloneSyncChannel::new(channel)))
    }
}

impl WorkerResolver for Resolver {
    fn get_urls(&self) -> Result<Vec<Url>, DataFusionError> {
        Ok(lock(&self.0.live).iter().cloned().collect())
    }
}

#[async_trait]
impl ChannelResolver for Resolver {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>, DataFusionError> {
        self.0.client(url).await
    }
}

/// Nothing panics while a lock is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
