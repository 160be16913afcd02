//! What becomes of an announced version of an asset: it waits, is skipped, fails, or is taken for processing.
//!
//! How an asset manager makes proxies is known where it is spoken to; it arrives here as [`Media`].

use crate::bucket::Processors;
use crate::item::Problem;
use crate::media_type::{self, VisualContent};
use crate::scanning::{Eligibility, MAX_OBJECT_BYTES, eligibility};

/// How often a command is queued again for media that is not there yet, before its item fails: about 75 minutes with
/// the default first wait of 15 seconds, which doubles up to 15 minutes.
pub const MAX_ATTEMPTS: u32 = 10;

/// The original of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original<'a> {
    pub media_type: &'a str,
    /// What the type and the name say about visual content.
    pub visual: VisualContent,
}

/// The bytes that an asset manager offers of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// They can be fetched now. `proxy` is the media type of a proxy; `None` means the original.
    Ready { size: u64, proxy: Option<String> },
    /// There is no usable file yet; proxies of these types may still be made.
    Pending { expected_proxies: &'static [&'static str] },
    /// There is neither a file nor a proxy yet.
    NotUploaded,
    /// They are kept where they cannot be fetched, and why.
    Unavailable { reason: &'static str },
}

/// What to do with a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngestPlan {
    /// The command comes again later.
    Wait,
    /// An item that is recorded and not processed.
    Skip { reason: String },
    /// An item that is recorded as failed: its media never came.
    Fail { error: Problem },
    /// An item to process, of so many bytes.
    Take { size: u64 },
}

/// Decides about a version that has no item yet. `types` are the media types that the application asks for: the type of
/// the original or that of its proxy must be among them. `attempt` counts how often the command has waited.
pub fn plan(
    processors: &Processors,
    types: &[String],
    original: Original<'_>,
    media: &Media,
    attempt: u32,
) -> IngestPlan {
    let refusal = |media_type: &str, visual| match eligibility(processors, types, media_type, visual) {
        Eligibility::No(reason) => Some(reason),
        Eligibility::Yes | Eligibility::Unknown => None,
    };
    let accepts = |proxy: &str| refusal(proxy, media_type::classify_type(proxy)).is_none();
    let accepted_by_proxy = match media {
        Media::Unavailable { reason } => return IngestPlan::Skip { reason: (*reason).to_owned() },
        Media::NotUploaded => return wait(attempt),
        Media::Ready { proxy, .. } => proxy.as_deref().is_some_and(accepts),
        Media::Pending { expected_proxies } => expected_proxies.iter().any(|it| accepts(it)),
    };
    if !accepted_by_proxy && let Some(reason) = refusal(original.media_type, original.visual) {
        return IngestPlan::Skip { reason };
    }
    match media {
        Media::Ready { size, .. } if *size > MAX_OBJECT_BYTES => {
            IngestPlan::Skip { reason: "the media is too large".to_owned() }
        }
        Media::Ready { size, .. } => IngestPlan::Take { size: *size },
        _ => wait(attempt),
    }
}

fn wait(attempt: u32) -> IngestPlan {
    if attempt < MAX_ATTEMPTS {
        return IngestPlan::Wait;
    }
    let error = Problem::new("no_media", "the asset has no closed file or proxy that can be fetched");
    IngestPlan::Fail { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::ProcessorKind;

    #[track_caller]
    fn check(types: &[&str], original: &str, media: Media, attempt: u32, want: &str) {
        let types: Vec<String> = types.iter().map(|it| (*it).to_owned()).collect();
        let original = Original { media_type: original, visual: media_type::classify_type(original) };
        let got = match plan(&ProcessorKind::FacialRecognition.into(), &types, original, &media, attempt) {
            IngestPlan::Wait => "wait".to_owned(),
            IngestPlan::Skip { reason } => reason,
            IngestPlan::Fail { error } => error.code,
            IngestPlan::Take { size } => format!("take {size}"),
        };
        assert_eq!(got, want, "{types:?} {original:?} {media:?} {attempt}");
    }

    fn ready(size: u64, proxy: Option<&str>) -> Media {
        Media::Ready { size, proxy: proxy.map(str::to_owned) }
    }

    #[test]
    fn a_type_is_accepted_by_the_original_or_by_its_proxy() {
        let unwanted = "application/mxf is not wanted: it is not among the types that are asked for";
        check(&["application/mxf"], "application/mxf", ready(7, None), 0, "take 7");
        check(&["video/mp4"], "application/mxf", ready(7, Some("video/mp4")), 0, "take 7");
        check(&["video/mp4"], "application/mxf", ready(7, None), 0, unwanted);
        check(&["video/mp4"], "application/mxf", Media::Pending { expected_proxies: &["video/mp4"] }, 0, "wait");
        check(&["video/mp4"], "application/mxf", Media::Pending { expected_proxies: &[] }, 0, unwanted);
        check(&[], "text/plain", ready(7, None), 0, "text/plain is not wanted: the processor looks at pictures");
        check(&[], "text/plain", ready(7, Some("video/mp4")), 0, "take 7");
    }

    #[test]
    fn media_that_never_comes_fails_and_media_that_cannot_be_fetched_is_skipped() {
        for media in [Media::NotUploaded, Media::Pending { expected_proxies: &[] }] {
            check(&[], "video/mp4", media.clone(), MAX_ATTEMPTS - 1, "wait");
            check(&[], "video/mp4", media, MAX_ATTEMPTS, "no_media");
        }
        check(&["image/png"], "video/mp4", Media::NotUploaded, 0, "wait");
        check(&[], "video/mp4", Media::Unavailable { reason: "the asset is archived" }, 0, "the asset is archived");
        check(&[], "video/mp4", ready(MAX_OBJECT_BYTES, None), 0, &format!("take {MAX_OBJECT_BYTES}"));
        check(&[], "video/mp4", ready(MAX_OBJECT_BYTES + 1, None), 0, "the media is too large");
    }
}
