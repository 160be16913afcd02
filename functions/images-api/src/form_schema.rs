//! The OpenAPI schemas of the request bodies that `form_data` reads. It reads the names of fields in any case.

use serde::Serialize;
use utoipa::ToSchema;

/// A picture, and its renditions. Exactly one source is required.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PictureForm {
    /// A sum of flags, or names such as `Post,Story`, `Social`, `Display`
    #[schema(min_length = 1, example = "Post")]
    render_kind: String,
    /// The user that the process belongs to
    #[schema(max_length = 128)]
    user_id: Option<String>,
    product_image_url: Option<String>,
    /// An item of the application
    item_id: Option<String>,
    #[schema(max_length = 300, example = "Now in the cinema")]
    main_headline: Option<String>,
    #[schema(pattern = "^(#*[0-9A-Fa-f]{6})?$", example = "#FFCC00")]
    color1_hex: Option<String>,
    /// `subject` (towards the faces) or `center`
    #[schema(example = "subject")]
    crop: Option<String>,
    /// 0 PNG, 1 JPEG
    #[schema(minimum = 0, maximum = 1, example = 1)]
    format: Option<u8>,
    #[schema(minimum = 1, maximum = 100, example = 82)]
    quality: Option<u8>,
}

/// The same, with an uploaded picture.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadForm {
    /// A file of at most 4 MB
    #[schema(value_type = Option<String>, format = Binary)]
    uploaded_image: Option<Vec<u8>>,
    #[serde(flatten)]
    fields: PictureForm,
}
