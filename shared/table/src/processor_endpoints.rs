//! Customers' endpoints that run processors.

use domain::AppId;
use domain::processor::ProcessorKind;
use domain::processor_endpoint::ProcessorEndpoint;

use crate::codec::Attributes;
use crate::error::TableError;
use crate::keys::Row;
use crate::table::Table;

impl Table {
    /// Where an application's jobs of a processor go, if it has registered an endpoint.
    pub async fn processor_endpoint(
        &self,
        app: AppId,
        processor: ProcessorKind,
    ) -> Result<Option<ProcessorEndpoint>, TableError> {
        self.get(&Row::ProcessorEndpoint(app, processor)).await
    }

    /// Stores where an application's jobs of a processor go.
    pub async fn put_processor_endpoint(
        &self,
        app: AppId,
        processor: ProcessorKind,
        endpoint: &ProcessorEndpoint,
    ) -> Result<(), TableError> {
        self.put(&Row::ProcessorEndpoint(app, processor), endpoint, Attributes::new()).await
    }

    /// Removes an endpoint. `false` if there was none.
    pub async fn delete_processor_endpoint(&self, app: AppId, processor: ProcessorKind) -> Result<bool, TableError> {
        self.delete(&Row::ProcessorEndpoint(app, processor)).await
    }
}
