//! The progress of render processes, and their pictures.

use std::time::Duration;

use adcreative_api::caller::{invalid_value, required};
use adcreative_api::{ApiError, Caller, Envelope};
use aws_sdk_s3::presigning::PresigningConfig;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::image::{RenderProcess, RenderTask, RenditionFormat, result_key};
use domain::rfc3339;
use entry::http::parse_number;
use serde::Serialize;
use utoipa::ToSchema;

use crate::context::Context;

/// Bytes of a picture in a response, at most. Lambda returns 6 MB, in which a picture is base64; a larger one is answered
/// with a presigned URL.
const MAX_RESPONSE_BYTES: u64 = 4_000_000;
const PRESIGNED_URL_TTL: Duration = Duration::from_secs(300);

/// A render process.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessOut {
    image_render_process_id: String,
    application_id: String,
    user_id: String,
    /// 0 to 100; complete when it is 100 and every task has `renderState` 5
    progress: u64,
    created_at: String,
    tasks: Vec<TaskOut>,
}

/// A rendition.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskOut {
    task_id: String,
    render_kind: u32,
    render_kind_name: &'static str,
    width: u32,
    height: u32,
    /// 1 open, 5 ended
    render_state: u8,
    is_successful: bool,
    error_message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl ProcessOut {
    pub(crate) fn new(process: &RenderProcess) -> Self {
        let task = |task: &RenderTask| {
            let (render_kind_name, width, height) = task.rendition();
            TaskOut {
                task_id: task.id.clone(),
                render_kind: task.kind,
                render_kind_name,
                width,
                height,
                render_state: task.state,
                is_successful: task.size.is_some(),
                error_message: task.error.clone().unwrap_or_default(),
                size: task.size,
            }
        };
        Self {
            image_render_process_id: process.id.clone(),
            application_id: process.app.to_string(),
            user_id: process.user.clone(),
            progress: process.progress(),
            created_at: rfc3339(process.created_at),
            tasks: process.tasks.iter().map(task).collect(),
        }
    }
}

/// The processes of a user, newest first. With `imageRenderProcessId`: that process alone.
#[utoipa::path(get, path = "/api/v1/Image/Generation/CheckUserProgress", tag = "Images", security(("keys" = [])),
    params(("applicationId" = String, Query), ("userId" = Option<String>, Query), ("imageRenderProcessId" = Option<String>, Query)),
    responses((status = 200, body = Vec<ProcessOut>), (status = 404, body = Envelope)))]
pub(crate) async fn check_user_progress(
    State(context): State<Context>,
    caller: Caller,
) -> Result<Json<Vec<ProcessOut>>, ApiError> {
    if let Some(id) = caller.parameter("imageRenderProcessId") {
        return Ok(Json(vec![ProcessOut::new(&find_process(&context, &caller, id).await?)]));
    }
    let user = caller.parameter("userId").ok_or_else(|| required("userId"))?;
    let all = context.table.processes(caller.app).await.map_err(ApiError::internal)?;
    Ok(Json(all.iter().filter(|it| it.user == user).map(ProcessOut::new).collect()))
}

/// The application's processes of the last 30 days, newest first, at most 200.
#[utoipa::path(get, path = "/api/v1/Image/Generation/CheckApplicationAllProgresses", tag = "Images", security(("keys" = [])),
    params(("applicationId" = String, Query)), responses((status = 200, body = Vec<ProcessOut>)))]
pub(crate) async fn check_application_progress(
    State(context): State<Context>,
    caller: Caller,
) -> Result<Json<Vec<ProcessOut>>, ApiError> {
    let all = context.table.processes(caller.app).await.map_err(ApiError::internal)?;
    Ok(Json(all.iter().map(ProcessOut::new).collect()))
}

/// The finished picture of a task: as it was rendered, or converted to `format` (0 PNG, 1 JPEG), or with a quarter of its
/// width and height (`lowResolution=true`). A picture of more than 4 MB is answered with a redirect (302) to a URL that is
/// valid for five minutes. PDF (2) is not supported.
#[utoipa::path(get, path = "/api/v1/Image/Generation/Download", tag = "Images", security(("keys" = [])),
    params(("applicationId" = String, Query), ("imageRenderProcessId" = String, Query), ("taskId" = String, Query),
        ("lowResolution" = Option<bool>, Query), ("format" = Option<u8>, Query)),
    responses((status = 200, content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"))), (status = 302), (status = 404, body = Envelope)))]
pub(crate) async fn download(State(context): State<Context>, caller: Caller) -> Result<Response, ApiError> {
    let id = caller.parameter("imageRenderProcessId").ok_or_else(|| required("imageRenderProcessId"))?;
    let task = caller.parameter("taskId").ok_or_else(|| required("taskId"))?;
    let process = find_process(&context, &caller, id).await?;
    let missing = || ApiError::NotFound(format!("Task {} has no picture.", task.chars().take(64).collect::<String>()));
    process.tasks.iter().find(|it| it.id == task && it.size.is_some()).ok_or_else(missing)?;
    let format = match caller.parameter("format") {
        None => process.format,
        Some(text) => match parse_number::<u8>(text) {
            Ok(0) => RenditionFormat::Png,
            Ok(1) => RenditionFormat::Jpeg,
            Ok(2) => {
                return Err(ApiError::InvalidField(
                    "format",
                    "PDF is not made; ask for 0 (PNG) or 1 (JPEG).".to_owned(),
                ));
            }
            _ => return Err(invalid_value("format", text)),
        },
    };
    let low_resolution = caller.parameter("lowResolution").is_some_and(|it| it.eq_ignore_ascii_case("true"));
    let object_key = result_key(caller.app, id, task);
    let size = process.tasks.iter().find(|it| it.id == task).and_then(|it| it.size).unwrap_or_default();
    let is_stored_form = !low_resolution && format == process.format;
    if is_stored_form && size > MAX_RESPONSE_BYTES {
        return redirect_to_presigned_url(&context, &object_key).await;
    }
    let picture = match context.s3.get_object().bucket(&context.results_bucket).key(&object_key).send().await {
        Ok(object) => object.body.collect().await.map_err(ApiError::internal)?.into_bytes(),
        Err(error) if error.as_service_error().is_some_and(|it| it.is_no_such_key()) => return Err(missing()),
        Err(error) => return Err(ApiError::internal(error)),
    };
    if is_stored_form {
        return Ok(([(header::CONTENT_TYPE, format.media_type())], picture).into_response());
    }
    let bytes = render::convert(&picture, format, low_resolution).map_err(ApiError::internal)?;
    if bytes.len() as u64 > MAX_RESPONSE_BYTES {
        // a PNG is larger than the JPEG that it is converted from
        let converted = format!(
            "{object_key}.{}{}",
            format.media_type().rsplit('/').next().unwrap_or_default(),
            u8::from(low_resolution)
        );
        let put =
            context.s3.put_object().bucket(&context.results_bucket).key(&converted).content_type(format.media_type());
        put.body(bytes.into()).send().await.map_err(ApiError::internal)?;
        return redirect_to_presigned_url(&context, &converted).await;
    }
    Ok(([(header::CONTENT_TYPE, format.media_type())], bytes).into_response())
}

/// A redirect to a presigned URL, for a picture that is too large for a response.
async fn redirect_to_presigned_url(context: &Context, key: &str) -> Result<Response, ApiError> {
    let config = PresigningConfig::expires_in(PRESIGNED_URL_TTL).map_err(ApiError::internal)?;
    let get = context.s3.get_object().bucket(&context.results_bucket).key(key);
    let presigned = get.presigned(config).await.map_err(ApiError::internal)?;
    Ok((StatusCode::FOUND, [(header::LOCATION, presigned.uri().to_owned())]).into_response())
}

/// # Errors
/// `NotFound`, with at most 64 characters of the id in its message.
async fn find_process(context: &Context, caller: &Caller, id: &str) -> Result<RenderProcess, ApiError> {
    let excerpt: String = id.chars().take(64).collect();
    let found = match id {
        _ if id == excerpt => context.table.process(caller.app, id).await.map_err(ApiError::internal)?,
        _ => None, // our ids are UUIDs, which are shorter
    };
    found.ok_or_else(|| ApiError::NotFound(format!("Process {excerpt} not found for Application {}.", caller.app)))
}
