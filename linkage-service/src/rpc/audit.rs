//! `AuditService`.

use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use linkage_proto::v1::audit_service_server::AuditService;
use linkage_proto::v1::{CheckpointRequest, CheckpointResponse, ExportAuditRequest, ExportAuditResponse};
use tonic::{Request, Response, Status};

use super::access::Rpc;
use super::denial::Denial;
use super::desk::Desk;

/// Lines of one message.
const LINES: u64 = 1000;

#[tonic::async_trait]
impl AuditService for Desk {
    type ExportStream = Pin<Box<dyn Stream<Item = Result<ExportAuditResponse, Status>> + Send>>;

    async fn export(&self, request: Request<ExportAuditRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let visit = self.admit(Rpc::AuditExport, &request).await?;
        let from = request.into_inner().from_entry;
        let response = self.answer(visit, Ok(())).await?;
        // An export ends with a checkpoint, which covers all of it: without one its last lines could be cut off unseen.
        let end = self.unit().journal().checkpoint().await.map_err(|error| Denial::from(error).into_status())?.seq;
        let desk = self.clone();
        let pages = stream::try_unfold(from, move |next| {
            let desk = desk.clone();
            async move {
                let limit = LINES.min((end + 1).saturating_sub(next));
                let page = desk.unit().store().audit_lines(next, limit).await;
                let page = page.map_err(|error| Denial::from(error).into_status())?;
                let Some((last, _)) = page.last() else { return Ok(None) };
                let next = last + 1;
                let lines = page.into_iter().map(|(_, line)| line).collect();
                Ok(Some((ExportAuditResponse { lines }, next)))
            }
        });
        Ok(response.map(|()| pages.boxed() as Self::ExportStream))
    }

    async fn checkpoint(&self, request: Request<CheckpointRequest>) -> Result<Response<CheckpointResponse>, Status> {
        let visit = self.admit(Rpc::AuditCheckpoint, &request).await?;
        let response = self.answer(visit, Ok(())).await?;
        // After the entry of this very call, so that the checkpoint covers it.
        let line = self.unit().journal().checkpoint().await;
        let line = line.map_err(|error| Denial::from(error).into_status())?;
        Ok(response.map(|()| CheckpointResponse { line: line.line }))
    }
}
