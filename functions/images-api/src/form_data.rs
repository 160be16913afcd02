//! The body of a request: fields and a picture as `multipart/form-data`, or fields alone as JSON or URL-encoded.

use std::collections::BTreeMap;

use adcreative_api::{ApiError, Form};
use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header;

/// Parts of a body, at most.
const MAX_PARTS: usize = 40;
/// Bytes of a field, at most.
const MAX_FIELD_BYTES: usize = 4_096;

/// The fields, by their names in lower case, and the uploaded picture.
pub(crate) struct FormData {
    pub(crate) form: Form,
    pub(crate) upload: Option<Bytes>,
}

impl<S: Send + Sync> FromRequest<S> for FormData {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type =
            request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
            return Ok(Self { form: Form::from_request(request, state).await?, upload: None });
        }
        let invalid = |reason: String| ApiError::InvalidField("", reason);
        let mut parts = Multipart::from_request(request, state).await.map_err(|it| invalid(it.body_text()))?;
        let (mut fields, mut upload, mut count) = (BTreeMap::new(), None, 0);
        while let Some(part) = parts.next_field().await.map_err(|it| invalid(it.body_text()))? {
            count += 1;
            if count > MAX_PARTS {
                return Err(invalid(format!("The body has more than {MAX_PARTS} parts.")));
            }
            let name = part.name().unwrap_or_default().to_ascii_lowercase();
            let is_file = part.file_name().is_some();
            let bytes = part.bytes().await.map_err(|error| match error.status().as_u16() {
                413 => ApiError::TooLarge,
                _ => invalid(error.body_text()),
            })?;
            if is_file {
                if name != "uploadedimage" {
                    return Err(invalid("The picture is the field uploadedImage.".to_owned()));
                }
                upload = Some(bytes);
            } else if bytes.len() > MAX_FIELD_BYTES {
                return Err(invalid(format!("A field has more than {MAX_FIELD_BYTES} bytes.")));
            } else {
                let text =
                    String::from_utf8(bytes.to_vec()).map_err(|_| invalid("A field is not UTF-8.".to_owned()))?;
                fields.entry(name).or_insert(text);
            }
        }
        Ok(Self { form: Form::from_fields(fields), upload })
    }
}
