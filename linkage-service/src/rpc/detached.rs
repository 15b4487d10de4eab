//! Calls that end even when their caller has gone.
//!
//! A connection that breaks drops what serves it, at any point: a line of the audit log could be stored and the chain
//! not moved on, or a run started and not recorded. So every call runs in a task of its own to its end; only its answer
//! is lost.

use std::convert::Infallible;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;

/// A service whose calls cannot be dropped half-way.
#[derive(Clone)]
pub(super) struct Detached<S>(pub S);

impl<S: NamedService> NamedService for Detached<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Detached<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let work = tokio::spawn(self.0.call(request));
        // The task fails only by a panic, which is a bug; its message stays in the service's log.
        Box::pin(async {
            work.await.unwrap_or_else(|_| Ok(Status::internal("the service could not answer").into_http()))
        })
    }
}
