//! The network side: convert a message, authorise the caller by its role, call, record, answer.
//!
//! Messages of the protocol stop here. Every call passes `Desk::admit` first and `Desk::answer` last, so what was
//! decided stands in the audit log before the caller hears of it.

mod access;
mod audit;
mod catalogue;
mod denial;
mod desk;
mod detached;
mod permit;
mod release;
mod run;
mod submission;

use std::sync::Arc;

use linkage_proto::MAX_MESSAGE_BYTES;
use linkage_proto::v1::audit_service_server::AuditServiceServer;
use linkage_proto::v1::catalogue_service_server::CatalogueServiceServer;
use linkage_proto::v1::permit_service_server::PermitServiceServer;
use linkage_proto::v1::release_service_server::ReleaseServiceServer;
use linkage_proto::v1::run_service_server::RunServiceServer;
use linkage_proto::v1::submission_service_server::SubmissionServiceServer;
use tonic::service::Routes;

pub use access::Rpc;
pub use denial::Denial;
pub use desk::Desk;
use detached::Detached;

use crate::unit::Unit;

/// Every service of the protocol over one linkage unit.
pub fn routes(unit: &Arc<Unit>) -> Routes {
    macro_rules! serve {
        ($server:ident) => {
            Detached(
                $server::new(Desk::new(Arc::clone(unit)))
                    .max_decoding_message_size(MAX_MESSAGE_BYTES)
                    .max_encoding_message_size(MAX_MESSAGE_BYTES),
            )
        };
    }
    Routes::new(serve!(AuditServiceServer))
        .add_service(serve!(CatalogueServiceServer))
        .add_service(serve!(PermitServiceServer))
        .add_service(serve!(ReleaseServiceServer))
        .add_service(serve!(RunServiceServer))
        .add_service(serve!(SubmissionServiceServer))
}
