//! Results in an asset's metadata, and entries in its history (sections 3.11 and 3.14.6).

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Iconik, IconikError};

impl Iconik {
    /// Writes fields of a metadata view for one version, each with one value. Other fields stay.
    ///
    /// The path of a version is documented for reading only: if it cannot be written, the path of the asset is used.
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

    /// Adds an entry to an asset's history; `operation` is one of Iconik's, such as `FACE_RECOGNITION`.
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
