//! How the service says no.

use linkage_proto::REFUSAL_KEY;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::error::{DecisionError, ReleaseError, RoleError, RunError, StoreError, SubmissionError};
use crate::permit::Refusal;

/// A call that is not answered: refused by a rule, or failed through no fault of the caller.
#[derive(Debug)]
pub struct Denial {
    code: &'static str,
    status: Code,
    message: String,
}

impl Denial {
    /// A refusal with a code that never changes.
    pub fn new(code: &'static str, status: Code, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }

    /// The service itself is at fault. The details go to its own log; the caller learns nothing of them.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a call failed");
        Self::new(
            "internal",
            Code::Internal,
            "the service could not answer\nhint: its operator finds the reason in its log",
        )
    }

    /// A message that does not have its form.
    pub fn malformed(what: &'static str) -> Self {
        Self::new("malformed", Code::InvalidArgument, what)
    }

    /// The code, for programs and the audit log.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What the caller gets.
    pub fn into_status(self) -> Status {
        let mut status = Status::new(self.status, self.message);
        status.metadata_mut().insert(REFUSAL_KEY, MetadataValue::from_static(self.code));
        status
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code(), Code::PermissionDenied, refusal.to_string())
    }
}

impl From<DecisionError> for Denial {
    fn from(error: DecisionError) -> Self {
        match error {
            DecisionError::Refusal(refusal) => refusal.into(),
            DecisionError::NoCommittee => Self::new("no-committee", Code::FailedPrecondition, error.to_string()),
            DecisionError::Store(error) => error.into(),
        }
    }
}

impl From<RoleError> for Denial {
    fn from(error: RoleError) -> Self {
        Self::new("no-role", Code::Unauthenticated, error.to_string())
    }
}

impl From<StoreError> for Denial {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<SubmissionError> for Denial {
    fn from(error: SubmissionError) -> Self {
        match error.code() {
            Some(code @ ("wrong-offset" | "upload-under-way")) => Self::new(code, Code::Aborted, error.to_string()),
            Some(code) => Self::new(code, Code::InvalidArgument, error.to_string()),
            None => Self::internal(&error),
        }
    }
}

impl From<RunError> for Denial {
    fn from(error: RunError) -> Self {
        match error.code() {
            Some(code @ "no-run") => Self::new(code, Code::NotFound, error.to_string()),
            Some(code) => Self::new(code, Code::FailedPrecondition, error.to_string()),
            None => Self::internal(&error),
        }
    }
}

impl From<ReleaseError> for Denial {
    fn from(error: ReleaseError) -> Self {
        match error.code() {
            Some(code) => Self::new(code, Code::NotFound, error.to_string()),
            None => Self::internal(&error),
        }
    }
}
