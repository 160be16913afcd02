//! The parts of a multipart payload (NMS 5.3.2, `PayloadPartInfo`): those of the first level.

use axum::body::Bytes;
use domain::message_store::{PayloadPart, Stored};
use oma::PayloadPartInfo;

/// Parts that are told apart; whoever sends more gets the whole payload only.
const MAX_PARTS: usize = 50;
/// The most bytes of what is said of a part.
const MAX_HEADER_BYTES: usize = 200;

/// The parts of a payload, each with its bytes; none if it is no multipart payload (RFC 2046, section 5.1), or cannot be read as one.
pub(super) async fn read(content_type: &str, bytes: Bytes) -> Vec<(PayloadPart, Bytes)> {
    split(content_type, bytes).await.unwrap_or_default()
}

async fn split(content_type: &str, bytes: Bytes) -> Option<Vec<(PayloadPart, Bytes)>> {
    let parameters = content_type.split_once('/').filter(|it| it.0.trim().eq_ignore_ascii_case("multipart"))?.1;
    // the crate reads the parameter of `multipart/form-data` alone
    let boundary = multer::parse_boundary(format!("multipart/form-data;{}", parameters.split_once(';')?.1)).ok()?;
    let stream = futures_util::stream::once(async move { Ok::<Bytes, std::convert::Infallible>(bytes) });
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut all = Vec::new();
    while let Some(part) = parts.next_field().await.ok()? {
        let header = |name: &str| {
            let text = part.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
            text.filter(|it| it.len() <= MAX_HEADER_BYTES)
        };
        // RFC 2046, section 5.1: a part without a type is plain text
        let content_type = header("content-type").unwrap_or_else(|| "text/plain".to_owned());
        let (content_id, content_location) = (header("content-id"), header("content-location"));
        let bytes = part.bytes().await.ok()?;
        all.push((PayloadPart { content_type, content_id, content_location, size: bytes.len() as u64 }, bytes));
        if all.len() > MAX_PARTS {
            return None;
        }
    }
    Some(all)
}

/// The parts of an object's payload, by the object's URL.
pub(super) fn shown(thing: &Stored, object_url: &str) -> Vec<PayloadPartInfo> {
    let parts = thing.payload.iter().flat_map(|it| &it.parts);
    let shown = |(part, number): (&PayloadPart, usize)| PayloadPartInfo {
        content_type: part.content_type.clone(),
        content_id: part.content_id.clone(),
        content_location: part.content_location.clone(),
        size: Some(part.size),
        href: format!("{object_url}/payloadParts/p{number}"),
    };
    parts.zip(1..).map(shown).collect()
}
