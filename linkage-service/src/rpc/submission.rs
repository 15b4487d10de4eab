//! `SubmissionService`.

use linkage_proto::v1::submission_service_server::SubmissionService;
use linkage_proto::v1::upload_request::Part;
use linkage_proto::v1::{BeginRequest, BeginResponse, Receipt, UploadRequest, UploadResponse, UploadStart};
use time::OffsetDateTime;
use tonic::{Request, Response, Status, Streaming};

use super::access::Rpc;
use super::denial::Denial;
use super::desk::{Desk, Visit};
use crate::audit::{Label, Outcome};
use crate::error::SubmissionError;
use crate::role::Role;
use crate::store::{Encoding, Submission};
use crate::submission::{Announcement, Progress, Upload, begin};

#[tonic::async_trait]
impl SubmissionService for Desk {
    async fn begin(&self, request: Request<BeginRequest>) -> Result<Response<BeginResponse>, Status> {
        let mut visit = self.admit(Rpc::SubmissionBegin, &request).await?;
        let message = request.into_inner();
        let outcome = self.begin_submission(&mut visit, &message).await;
        self.answer(visit, outcome).await
    }

    async fn upload(&self, request: Request<Streaming<UploadRequest>>) -> Result<Response<UploadResponse>, Status> {
        let mut visit = self.admit(Rpc::SubmissionUpload, &request).await?;
        let outcome = self.receive(&mut visit, request.into_inner()).await;
        self.answer(visit, outcome).await
    }
}

impl Desk {
    async fn begin_submission(&self, visit: &mut Visit, message: &BeginRequest) -> Result<BeginResponse, Denial> {
        let announcement = announcement(visit, &message.file_blake3, message.file_bytes)?;
        match begin(self.unit(), &announcement).await? {
            Progress::Received(received_bytes) => Ok(BeginResponse { received_bytes, receipt: None }),
            Progress::Accepted(submission) => {
                let receipt = Some(self.receipt(&submission).await?);
                Ok(BeginResponse { received_bytes: submission.file_bytes, receipt })
            }
        }
    }

    async fn receive(&self, visit: &mut Visit, mut parts: Streaming<UploadRequest>) -> Result<UploadResponse, Denial> {
        let first = parts.message().await.map_err(broken_off)?.and_then(|message| message.part);
        let Some(Part::Start(UploadStart { file_blake3, file_bytes, offset })) = first else {
            return Err(SubmissionError::Malformed.into());
        };
        let announcement = announcement(visit, &file_blake3, file_bytes)?;
        let mut upload = Upload::open(self.unit().clone(), announcement, offset).await?;
        let broken = loop {
            match parts.message().await {
                Ok(None) => break None,
                Ok(Some(UploadRequest { part: Some(Part::Chunk(chunk)) })) => upload.write(&chunk).await?,
                Ok(Some(_)) => return Err(SubmissionError::Malformed.into()),
                Err(status) => break Some(status),
            }
        };
        // What has arrived is kept either way, so that the next upload goes on from there.
        let entry = |submission: &Submission| {
            visit.note("records", submission.records);
            visit.entry(Outcome::Allowed)
        };
        let progress = upload.finish(OffsetDateTime::now_utc(), entry).await?;
        match (progress, broken) {
            (Progress::Accepted(submission), _) => {
                visit.mark_recorded();
                let receipt = Some(self.receipt(&submission).await?);
                Ok(UploadResponse { received_bytes: submission.file_bytes, receipt })
            }
            (Progress::Received(_), Some(status)) => Err(broken_off(status)),
            (Progress::Received(received_bytes), None) => Ok(UploadResponse { received_bytes, receipt: None }),
        }
    }

    async fn receipt(&self, submission: &Submission) -> Result<Receipt, Denial> {
        let encoding = self.unit().store().encoding().await?;
        let Some(Encoding { schema_digest, key_check }) = encoding else {
            return Err(Denial::internal(&"a submission without an encoding"));
        };
        Ok(Receipt {
            file_blake3: submission.file_blake3.to_vec(),
            file_bytes: submission.file_bytes,
            database: submission.database.to_string(),
            records: submission.records,
            schema_digest: schema_digest.to_string(),
            key_check: key_check.to_string(),
            accepted_at: submission.accepted_at.clone(),
        })
    }
}

fn announcement(visit: &mut Visit, file_blake3: &[u8], file_bytes: u64) -> Result<Announcement, Denial> {
    let Role::Custodian(database) = visit.role().clone() else {
        return Err(Denial::internal(&"a submission was admitted that is no custodian's"));
    };
    visit.concerns("database", &database);
    let file_blake3: [u8; 32] = file_blake3.try_into().map_err(|_| SubmissionError::Malformed)?;
    visit.note("file", Label::hex(&file_blake3));
    Ok(Announcement { database, file_blake3, file_bytes })
}

fn broken_off(status: Status) -> Denial {
    Denial::new(
        "broken-off",
        status.code(),
        "the upload was broken off\nhint: submit again; it goes on where it stopped",
    )
}
