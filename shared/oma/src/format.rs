//! The two formats of bodies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A format of bodies; also the value of `notificationFormat` (REST_NetAPI_Common, `NotificationFormat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = common::NotificationFormat)]
pub enum Format {
    Json,
    Xml,
}

impl Format {
    /// The media type of a body in this format (NC 6, NMS 6).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }
}
