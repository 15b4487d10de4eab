//! `CatalogueService`.

use linkage_proto::v1::catalogue_service_server::CatalogueService;
use linkage_proto::v1::{CatalogueEntry, GetCatalogueRequest, GetCatalogueResponse};
use tonic::{Request, Response, Status};

use super::access::Rpc;
use super::denial::Denial;
use super::desk::Desk;
use crate::policy::shown;

#[tonic::async_trait]
impl CatalogueService for Desk {
    async fn get(&self, request: Request<GetCatalogueRequest>) -> Result<Response<GetCatalogueResponse>, Status> {
        let visit = self.admit(Rpc::CatalogueGet, &request).await?;
        let outcome = self.catalogue().await;
        self.answer(visit, outcome).await
    }
}

impl Desk {
    async fn catalogue(&self) -> Result<GetCatalogueResponse, Denial> {
        let (store, config) = (self.unit().store(), self.unit().config());
        let encoding = store.encoding().await?;
        let decided = encoding.map(|encoding| encoding.schema_digest).or(config.matching.schema_digest);
        let databases = store.holdings().await?.into_iter().map(|holding| CatalogueEntry {
            database: holding.latest.database.to_string(),
            submissions: holding.submissions,
            records: shown(holding.latest.records, config.policy.smallest_cell),
            accepted_at: holding.latest.accepted_at,
            schema_name: holding.latest.schema_name,
        });
        Ok(GetCatalogueResponse {
            schema_digest: decided.map(|digest| digest.to_string()).unwrap_or_default(),
            key_check: encoding.map(|encoding| encoding.key_check.to_string()).unwrap_or_default(),
            threshold: config.matching.threshold.clone(),
            policy: self.unit().policy().name().to_owned(),
            databases: databases.collect(),
            candidates: config.matching.candidates.to_string(),
            recall: config.matching.demand(),
        })
    }
}
