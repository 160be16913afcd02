//! `POST /api/v1/Image/Generation/AdCreativesByKind`: a process, with one task per rendition.

use adcreative_api::error::required;
use adcreative_api::form::invalid_value;
use adcreative_api::{ApiError, Caller, Envelope, Form};
use aws_sdk_s3::primitives::ByteStream;
use axum::Json;
use axum::extract::State;
use domain::ItemId;
use domain::content_sniffing::{SNIFF_BYTES, sniff_non_visual};
use domain::image::{
    ImageSource, RENDER_KINDS, RenderProcess, RenderTask, RenditionFormat, TASK_OPEN, parse_render_kinds, upload_key,
};
use domain::item::ItemStatus;
use domain::masking::mask_url;
use domain::notification::is_valid_name;
use domain::ssrf::check_new_url;
use entry::clock;
use entry::http::parse_number;
use entry::secrets::process_url_field;

use crate::context::Context;
use crate::form_data::FormData;
use crate::form_schema::{PictureForm, UploadForm};
use crate::processes::ProcessOut;

/// Open processes of one application, at most.
const MAX_OPEN_PROCESSES: usize = 100;

/// Starts a render process: one picture in the renditions of `renderKind` (a sum of flags, or names such as `Post,Story`,
/// `Social`, `Display`). The picture is `uploadedImage` (a file of at most 4 MB), `productImageUrl` (`https`), or `itemId`
/// (an item of the application; of a video, one frame). It is cropped towards its faces (`crop=center`: towards the
/// middle). `mainHeadline` (Latin, Greek and Cyrillic; other letters: 400) is drawn over it in `color1Hex`. Transparency
/// becomes white. `format`: 0 PNG, 1 JPEG (`quality` 1 to 100). `userId`: the user that the process belongs to.
/// Each task that ends sends a `…TaskCompleted` and a `…Progress` message. Without an active channel: 404.
#[utoipa::path(post, path = "/api/v1/Image/Generation/AdCreativesByKind", tag = "Images", security(("keys" = [])),
    params(("applicationId" = String, Query)),
    request_body(content((UploadForm = "multipart/form-data"), (PictureForm = "application/x-www-form-urlencoded"), (PictureForm = "application/json"))),
    responses((status = 200, body = ProcessOut), (status = 400, body = Envelope), (status = 404, body = Envelope), (status = 409, body = Envelope)))]
pub(crate) async fn generate(
    State(context): State<Context>,
    caller: Caller,
    FormData { form, upload }: FormData,
) -> Result<Json<ProcessOut>, ApiError> {
    let channels = context.table.channels(caller.app).await.map_err(ApiError::internal)?;
    if !channels.iter().any(|it| it.active) {
        return Err(ApiError::NoActiveChannels(caller.app));
    }
    let kinds = form.text_or_number("RenderKind")?.ok_or_else(|| required("RenderKind"))?;
    let flags = parse_number::<u32>(kinds).map(|it| it.to_string()); // or names
    let kinds =
        parse_render_kinds(flags.as_deref().unwrap_or(kinds)).ok_or_else(|| invalid_value("RenderKind", kinds))?;
    let now = clock::now();
    let millis = u64::try_from(domain::millis(now)).unwrap_or_default();
    // UUIDs that grow with time (RFC 9562, version 7): the newest is listed first
    let new_id = || uuid::Builder::from_unix_timestamp_millis(millis, &clock::random_bytes()).into_uuid().to_string();
    let process = new_id();
    let source = resolve_source(&context, &caller, &form, upload.as_deref(), &process).await?;
    let user = form.text_or_number("UserId")?.unwrap_or_default();
    if !user.is_empty() && !is_valid_name(user) {
        return Err(invalid_value("UserId", user));
    }
    let headline = form.text("MainHeadline")?.map(str::to_owned);
    if headline.as_ref().is_some_and(|it| it.chars().count() > 300) {
        let reason = "The field MainHeadline must be a string with a maximum length of 300.";
        return Err(ApiError::InvalidField("MainHeadline", reason.to_owned()));
    }
    if let Some(letters) = headline.as_deref().and_then(render::missing_glyphs) {
        let reason = format!("The field MainHeadline has letters that cannot be drawn: {letters}.");
        return Err(ApiError::InvalidField("MainHeadline", reason));
    }
    let open = context.table.processes(caller.app).await.map_err(ApiError::internal)?;
    if open.iter().filter(|it| it.progress() < 100).count() >= MAX_OPEN_PROCESSES {
        return Err(ApiError::Conflict(format!(
            "Application {} has {MAX_OPEN_PROCESSES} processes under way.",
            caller.app
        )));
    }
    let task = |kind: u32| RenderTask { id: new_id(), kind, state: TASK_OPEN, error: None, size: None };
    let process = RenderProcess {
        id: process,
        app: caller.app,
        user: user.to_owned(),
        operation: "ImageGeneration".to_owned(),
        source,
        headline,
        colour: form
            .text("Color1Hex")?
            .map(|it| parse_colour(it).ok_or_else(|| invalid_value("Color1Hex", it)))
            .transpose()?,
        subject: match form.text("Crop")?.map(str::to_ascii_lowercase).as_deref() {
            None | Some("subject") => true,
            Some("center" | "centre") => false,
            Some(other) => return Err(invalid_value("Crop", other)),
        },
        format: if form.number("Format", 0, 0, 1)? == 0 { RenditionFormat::Png } else { RenditionFormat::Jpeg },
        quality: form.number("Quality", 82, 1, 100)?,
        tasks: RENDER_KINDS.iter().filter(|it| kinds & it.1 != 0).map(|it| task(it.1)).collect(),
        created_at: now,
        revision: 0,
    };
    if let Some(bytes) = upload {
        let put = context.s3.put_object().bucket(&context.results_bucket).key(upload_key(caller.app, &process.id));
        put.body(ByteStream::from(bytes)).send().await.map_err(ApiError::internal)?;
    }
    // the row is the outbox: once it is stored, the tasks are done even if this function dies
    context.table.put_process(&process).await.map_err(ApiError::internal)?;
    tracing::info!(process.id = %process.id, "process {} has {} tasks", process.id, process.tasks.len());
    Ok(Json(ProcessOut::new(&process)))
}

/// The picture's source: exactly one, checked without fetching it.
async fn resolve_source(
    context: &Context,
    caller: &Caller,
    form: &Form,
    upload: Option<&[u8]>,
    process: &str,
) -> Result<ImageSource, ApiError> {
    let (url, item) = (form.text("ProductImageUrl")?, form.text("ItemId")?);
    match (upload, url, item) {
        // unknown bytes are left to the decoders of `render-image`
        (Some(bytes), None, None) => match sniff_non_visual(&bytes[..bytes.len().min(SNIFF_BYTES)]) {
            None if !bytes.is_empty() && !infer::is_video(bytes) => Ok(ImageSource::Upload),
            _ => Err(ApiError::InvalidField("UploadedImage", "The UploadedImage is no picture.".to_owned())),
        },
        (None, Some(url), None) => {
            let refused = |reason| {
                ApiError::InvalidField("ProductImageUrl", format!("The ProductImageUrl is refused: {reason}."))
            };
            let whole = check_new_url(url, &context.allowed_networks).map_err(refused)?.to_string();
            let url = mask_url(&whole);
            if url == whole {
                return Ok(ImageSource::Url { url, sealed: None });
            }
            let sealed = context.secrets.seal(caller.app, &process_url_field(process), whole.as_bytes()).await;
            Ok(ImageSource::Url { url, sealed: Some(sealed.map_err(ApiError::internal)?) })
        }
        (None, None, Some(text)) => {
            let id: ItemId = text.parse().map_err(|_| invalid_value("ItemId", text))?;
            let found = context.table.item(id).await.map_err(ApiError::internal)?;
            let own = found.filter(|it| it.app == caller.app && it.status != ItemStatus::Skipped);
            own.map(|it| ImageSource::Item { item: it.id })
                .ok_or_else(|| ApiError::NotFound(format!("Item {id} not found for Application {}.", caller.app)))
        }
        (None, None, None) => {
            let reason = "One of UploadedImage, ProductImageUrl and ItemId is required.";
            Err(ApiError::InvalidField("UploadedImage", reason.to_owned()))
        }
        _ => {
            let reason = "Send one of UploadedImage, ProductImageUrl and ItemId, not several.";
            Err(ApiError::InvalidField("UploadedImage", reason.to_owned()))
        }
    }
}

/// `#RRGGBB` or `RRGGBB`.
fn parse_colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.trim_start_matches('#');
    if !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
        return None;
    }
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 6)?;
    let [_, red, green, blue] = number.to_be_bytes();
    Some([red, green, blue])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_six_digits() {
        assert_eq!((parse_colour("#FFD600"), parse_colour("10a0ff")), (Some([255, 214, 0]), Some([16, 160, 255])));
        for bad in ["", "#fff", "red", "#12345g", "+12345"] {
            assert_eq!(parse_colour(bad), None, "{bad}");
        }
    }
}
