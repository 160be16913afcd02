//! Results written back as metadata, and the line in an asset's history (sections 3.11 and 3.14.6).

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Iconik, IconikError};

impl Iconik {
    /// Writes fields of a view for one version; each field has one value. Fields that others wrote stay.
    ///
    /// The path of a version is documented for reading alone: where it cannot be written, the asset's own is used.
    pub async fn put_metadata(
        &self,
        asset: Uuid,
        version: Uuid,
        view: Uuid,
        fields: &[(&str, Value)],
    ) -> Result<(), IconikError> {
        let values: serde_json::Map<String, Value> = fields
            .iter()
            .map(|(name, value)| {
                ((*name).to_owned(), json!({ "field_values": [{ "value": value }], "mode": "overwrite" }))
            })
            .collect();
        let body = json!({ "metadata_values": values, "version_id": version });
        let of_version = format!("/API/metadata/v1/assets/{asset}/versions/{version}/views/{view}/");
        match self.put(&of_version, &body).await {
            Ok(_) => Ok(()),
            Err(IconikError::NotFound | IconikError::Response { status: 405, .. }) => {
                self.put(&format!("/API/metadata/v1/assets/{asset}/views/{view}/"), &body).await.map(drop)
            }
            Err(error) => Err(error),
        }
    }

    /// Leaves a line in an asset's history; `operation` is one of Iconik's, such as `FACE_RECOGNITION`.
    pub async fn put_history(
        &self,
        asset: Uuid,
        operation: &str,
        text: &str,
        job: Option<Uuid>,
    ) -> Result<(), IconikError> {
        let body = json!({ "operation_type": operation, "operation_description": text, "job_id": job });
        self.post(&format!("/API/assets/v1/assets/{asset}/history/"), &body).await.map(drop)
    }
}
