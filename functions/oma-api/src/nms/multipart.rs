//! The body that creates objects: `multipart/form-data` with the root fields and the attachments (NMS 6.1.5).

use axum::body::Bytes;
use axum::http::header;
use oma::{Document, Fault, RequestFormat};

use crate::answer::FaultResponse;
use crate::request::OmaRequest;

/// An attachment: its media type and its bytes.
pub(super) struct Attachment {
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

/// The document of a body, with its attachments: `multipart/form-data`, or the document alone. An empty attachment without a
/// type stands for none (NMS 6.6.5).
pub(super) async fn read(
    asked: &OmaRequest<'_>,
    root: &str,
) -> Result<(Document, Vec<Option<Attachment>>), FaultResponse> {
    if asked.body_format()? != RequestFormat::Multipart {
        return Ok((asked.document(root)?, Vec::new()));
    }
    let invalid = |_| FaultResponse::from(Fault::invalid_input("body"));
    let content_type = asked.parts.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let boundary = multer::parse_boundary(content_type.unwrap_or_default()).map_err(invalid)?;
    let body = asked.body.clone();
    let stream = futures_util::stream::once(async move { Ok::<Bytes, std::convert::Infallible>(body) });
    let mut parts = multer::Multipart::new(stream, boundary);
    let (mut document, mut attachments) = (None, Vec::new());
    while let Some(part) = parts.next_field().await.map_err(invalid)? {
        let (name, media_type) = (part.name().map(str::to_owned), part.content_type().map(ToString::to_string));
        let bytes = part.bytes().await.map_err(invalid)?;
        match name.as_deref() {
            Some("root-fields") if document.is_none() => {
                let format =
                    oma::request_format(media_type.as_deref()).map_err(|_| Fault::invalid_input("root-fields"))?;
                document = Some(match format {
                    RequestFormat::Xml => oma::read_xml(&bytes, &[root])?,
                    RequestFormat::Json => oma::read_json(&bytes, &[root])?,
                    RequestFormat::Form | RequestFormat::Multipart => {
                        return Err(Fault::invalid_input("root-fields").into());
                    }
                });
            }
            Some("attachments") if bytes.is_empty() && media_type.is_none() => attachments.push(None),
            Some("attachments") => {
                let content_type = media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
                attachments.push(Some(Attachment { content_type, bytes }));
            }
            _ => {} // nothing that is known
        }
    }
    Ok((document.ok_or_else(|| Fault::invalid_input("root-fields"))?, attachments))
}
