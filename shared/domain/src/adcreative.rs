//! The published AdCreative messages of image tasks (channel API, section 9): PascalCase, members in the published
//! order.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::AppId;
use crate::notification::Notification;

/// Notification type: one task has finished.
pub const TASK_COMPLETED: &str = "task.completed";
/// Notification type: the progress of all tasks of a process.
pub const TASKS_PROGRESS: &str = "tasks.progress";

/// Whether the published API defines a message for this notification type.
pub fn is_published_type(kind: &str) -> bool {
    matches!(kind, TASK_COMPLETED | TASKS_PROGRESS)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaskCompleted<'a> {
    message_type: String,
    application_id: AppId,
    user_id: &'a str,
    image_render_process_id: &'a str,
    task_id: &'a str,
    image_content_bytes: Option<String>,
    is_successful: bool,
    error_message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Progress<'a> {
    message_type: String,
    application_id: AppId,
    user_id: &'a str,
    image_render_process_id: &'a str,
    is_successful: bool,
    error_message: &'a str,
    progress: u64,
    total_task_count: u64,
    completed_task_count: u64,
    failed_task_count: u64,
}

/// Serializes a notification as its published message. `image` is the content of the rendered image, if the channel
/// includes it. A test notification has no task: it is written as the progress of a process without tasks, because
/// existing receivers know that type.
pub fn message(app: AppId, notification: &Notification, image: Option<&[u8]>) -> Vec<u8> {
    let text = |pointer: &str| notification.data.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| notification.data.get(name).and_then(Value::as_u64).unwrap_or_default();
    let operation = Some(text("/operation")).filter(|it| !it.is_empty()).unwrap_or("ImageGeneration");
    let is_successful = notification.data.get("successful").and_then(Value::as_bool).unwrap_or(true);
    let json = if notification.kind == TASK_COMPLETED {
        serde_json::to_vec(&TaskCompleted {
            message_type: format!("{operation}TaskCompleted"),
            application_id: app,
            user_id: text("/user"),
            image_render_process_id: text("/process/id"),
            task_id: text("/task/id"),
            image_content_bytes: image.map(|it| STANDARD.encode(it)),
            is_successful,
            error_message: text("/error"),
        })
    } else {
        serde_json::to_vec(&Progress {
            message_type: format!("{operation}Progress"),
            application_id: app,
            user_id: text("/user"),
            image_render_process_id: text("/process/id"),
            is_successful,
            error_message: text("/error"),
            progress: if notification.kind == TASKS_PROGRESS { number("progress") } else { 100 },
            total_task_count: number("total"),
            completed_task_count: number("completed"),
            failed_task_count: number("failed"),
        })
    };
    json.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notification::{NewNotification, NotificationId, Stream};

    fn serialized(kind: &str, data: Value, image: Option<&[u8]>) -> String {
        let id = NotificationId { stream: Stream::App, epoch: 1, sequence: 1 };
        let notification = NewNotification::new(kind, data).published(id, time::OffsetDateTime::UNIX_EPOCH);
        String::from_utf8(message("d5eabbb8-c0f6-4640-94fd-3566edad499f".parse().unwrap(), &notification, image))
            .unwrap()
    }

    /// The published sample, member by member.
    #[test]
    fn a_completed_task_is_written_as_published() {
        let data = json!({
            "operation": "ImageGeneration", "user": "2581c740-8e9d-4d63-96bc-5665bb9a646b", "successful": true, "error": "",
            "process": { "id": "51d690da-f5ea-405e-90ff-10d56b0d633f" }, "task": { "id": "9baa8e55-ddc8-4940-907f-eb5fc81e53f6" },
        });
        let prefix = r#"{"MessageType":"ImageGenerationTaskCompleted","ApplicationId":"d5eabbb8-c0f6-4640-94fd-3566edad499f","UserId":"2581c740-8e9d-4d63-96bc-5665bb9a646b","ImageRenderProcessId":"51d690da-f5ea-405e-90ff-10d56b0d633f","TaskId":"9baa8e55-ddc8-4940-907f-eb5fc81e53f6","ImageContentBytes":"#;
        let suffix = r#","IsSuccessful":true,"ErrorMessage":""}"#;
        assert_eq!(serialized(TASK_COMPLETED, data.clone(), Some(b"abc")), format!("{prefix}\"YWJj\"{suffix}"));
        assert_eq!(serialized(TASK_COMPLETED, data, None), format!("{prefix}null{suffix}"));
    }

    #[test]
    fn progress_is_written_with_its_counters() {
        let data = json!({
            "operation": "ImageUpscaling", "user": "u", "process": { "id": "p" }, "successful": false, "error": "1 of 6 failed",
            "progress": 100, "total": 6, "completed": 5, "failed": 1,
        });
        assert_eq!(
            serialized(TASKS_PROGRESS, data, None),
            r#"{"MessageType":"ImageUpscalingProgress","ApplicationId":"d5eabbb8-c0f6-4640-94fd-3566edad499f","UserId":"u","ImageRenderProcessId":"p","IsSuccessful":false,"ErrorMessage":"1 of 6 failed","Progress":100,"TotalTaskCount":6,"CompletedTaskCount":5,"FailedTaskCount":1}"#
        );
    }
}
