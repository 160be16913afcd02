//! Image tasks. A render process has one task per rendition (channel API, sections 9 and 10).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::bucket::SealedSecret;
use crate::notification::NewNotification;
use crate::{AppId, ItemId, adcreative};

/// State of a finished task, as a number of the published enumeration.
pub const TASK_ENDED: u8 = 5;
/// State of a task that is waiting or running.
pub const TASK_OPEN: u8 = 1;

/// The renditions (channel API, section 10): name, flag, width and height in pixels. The published page names the
/// formats only; the sizes are the usual ones of each format.
pub const RENDER_KINDS: [(&str, u32, u32, u32); 15] = [
    ("Post", 1, 1080, 1080),
    ("Story", 2, 1080, 1920),
    ("Landscape", 4, 1200, 628),
    ("Vertical", 8, 960, 1200),
    ("PinSize", 16, 1000, 1500),
    ("MediumBanner", 32, 300, 250),
    ("LeaderBoard", 64, 728, 90),
    ("WideSkyScraper", 128, 160, 600),
    ("HalfPage", 256, 300, 600),
    ("LargeLeaderboard", 512, 970, 90),
    ("FullHD", 1024, 1920, 1080),
    ("Portrait", 2048, 1080, 1350),
    ("Widescreen", 4096, 2560, 1440),
    ("VideoPortrait", 8192, 1080, 1920),
    ("VideoLandscape", 16384, 1920, 1080),
];
/// Names for sets of renditions, with their flags.
const RENDER_KIND_SETS: [(&str, u32); 2] = [("Social", 31), ("Display", 992)];

/// Parses `RenderKind`: a sum of flags, or names separated by commas. `None` if it is empty or names an unknown
/// rendition.
pub fn parse_render_kinds(text: &str) -> Option<u32> {
    let flags = match text.trim().parse::<u32>() {
        Ok(number) => number,
        Err(_) => text.split(',').map(str::trim).try_fold(0, |sum, name| {
            let one = RENDER_KINDS
                .iter()
                .map(|it| (it.0, it.1))
                .chain(RENDER_KIND_SETS)
                .find(|it| it.0.eq_ignore_ascii_case(name))?;
            Some(sum | one.1)
        })?,
    };
    let known = RENDER_KINDS.iter().fold(0, |all, it| all | it.1);
    (flags != 0 && flags & !known == 0).then_some(flags)
}

/// The object key of a finished rendition in the results bucket.
pub fn result_key(app: AppId, process: &str, task: &str) -> String {
    format!("images/{app}/{process}/{task}")
}

/// The object key of an uploaded image. It is kept until its tasks are finished.
pub fn upload_key(app: AppId, process: &str) -> String {
    result_key(app, process, "upload")
}

/// The source image of a render process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum ImageSource {
    Upload,
    /// `url` has its secrets masked ([`crate::masking::mask_url`]). `sealed` is the full URL, encrypted, if its query
    /// holds secrets, as a presigned URL does.
    Url {
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sealed: Option<SealedSecret>,
    },
    Item {
        item: ItemId,
    },
}

/// The file format of renditions; the numbers are the published ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenditionFormat {
    Png,
    Jpeg,
}

impl RenditionFormat {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }
}

/// A render process: the request and the state of its tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenderProcess {
    pub id: String,
    pub app: AppId,
    pub user: String,
    /// Prefix of its message types: `ImageGeneration`.
    pub operation: String,
    pub source: ImageSource,
    /// Text drawn over the image, if any.
    pub headline: Option<String>,
    /// Colour of the headline, RGB.
    pub colour: Option<[u8; 3]>,
    /// Whether the crop follows detected faces; otherwise it is centred.
    pub subject: bool,
    pub format: RenditionFormat,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
    pub tasks: Vec<RenderTask>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Version for optimistic locking.
    pub revision: u32,
}

/// A task: one rendition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenderTask {
    pub id: String,
    /// Flag in [`RENDER_KINDS`].
    pub kind: u32,
    /// [`TASK_OPEN`] or [`TASK_ENDED`].
    pub state: u8,
    pub error: Option<String>,
    /// Size of the finished rendition in bytes.
    pub size: Option<u64>,
}

impl RenderTask {
    /// Name, width and height of the rendition.
    pub fn rendition(&self) -> (&'static str, u32, u32) {
        let kind = RENDER_KINDS.iter().find(|it| it.1 == self.kind);
        kind.map_or(("Unset", 0, 0), |it| (it.0, it.2, it.3))
    }
}

impl RenderProcess {
    /// Percentage of finished tasks.
    pub fn progress(&self) -> u64 {
        let ended = self.tasks.iter().filter(|it| it.state == TASK_ENDED).count();
        if self.tasks.is_empty() { 100 } else { (ended * 100 / self.tasks.len()) as u64 }
    }

    /// The process after a task has finished, and the notifications to publish: the completed task, and the progress.
    /// `outcome` is the size of the rendition in bytes, or why there is none. Returns `None` if the task had finished
    /// before.
    pub fn finish_task(&self, task: &str, outcome: Result<u64, String>) -> Option<(Self, Vec<NewNotification>)> {
        let mut next = Self { revision: self.revision + 1, ..self.clone() };
        let ended = next.tasks.iter_mut().find(|it| it.id == task && it.state != TASK_ENDED)?;
        ended.state = TASK_ENDED;
        match outcome {
            Ok(size) => ended.size = Some(size),
            Err(reason) => ended.error = Some(reason),
        }
        let ended = ended.clone();
        let notifications = vec![next.task_completed(&ended), next.tasks_progress()];
        Some((next, notifications))
    }

    fn task_completed(&self, task: &RenderTask) -> NewNotification {
        let (name, width, height) = task.rendition();
        let image = task.size.map_or(Value::Null, |size| {
            json!({
                "mediaType": self.format.media_type(), "size": size, "width": width, "height": height,
                "href": format!("/api/v1/Image/Generation/Download?applicationId={}&imageRenderProcessId={}&taskId={}", self.app, self.id, task.id),
            })
        });
        let data = json!({
            "operation": self.operation, "user": self.user, "process": { "id": self.id },
            "task": { "id": task.id, "renderKind": name }, "successful": task.error.is_none(),
            "error": task.error.clone().unwrap_or_default(), "image": image,
        });
        NewNotification::new(adcreative::TASK_COMPLETED, data)
    }

    /// The progress notification. Its collapse key lets a newer progress supersede an undelivered older one.
    fn tasks_progress(&self) -> NewNotification {
        let failed = self.tasks.iter().filter(|it| it.error.is_some()).count();
        let ended = self.tasks.iter().filter(|it| it.state == TASK_ENDED).count();
        let error = if failed == 0 { String::new() } else { format!("{failed} of {} tasks failed", self.tasks.len()) };
        let data = json!({
            "operation": self.operation, "user": self.user, "process": { "id": self.id },
            "progress": self.progress(), "total": self.tasks.len(), "completed": ended, "failed": failed,
            "successful": failed == 0, "error": error, "collapseKey": format!("process:{}", self.id),
        });
        NewNotification::new(adcreative::TASKS_PROGRESS, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn render_kinds_are_flags_or_names() {
        for (text, want) in [
            ("1", Some(1)),
            ("31", Some(31)),
            ("Social", Some(31)),
            ("display", Some(992)),
            ("Post, Story", Some(3)),
            ("fullhd", Some(1024)),
            ("0", None),
            ("32768", None),
            ("", None),
            ("Unset", None),
            ("Post,", None),
            ("-1", None),
        ] {
            assert_eq!(parse_render_kinds(text), want, "{text}");
        }
        assert_eq!(RENDER_KIND_SETS[1].1, 32 + 64 + 128 + 256 + 512);
    }

    #[test]
    fn each_task_ends_once_and_the_last_completes_the_process() {
        let task = |id: &str, kind| RenderTask { id: id.into(), kind, state: TASK_OPEN, error: None, size: None };
        let process = RenderProcess {
            id: "p".into(),
            app: AppId::random([1; 16]),
            user: "u".into(),
            operation: "ImageGeneration".into(),
            source: ImageSource::Upload,
            headline: None,
            colour: None,
            subject: true,
            format: RenditionFormat::Png,
            quality: 82,
            tasks: vec![task("a", 1), task("b", 2)],
            created_at: OffsetDateTime::UNIX_EPOCH,
            revision: 0,
        };
        let (half, notifications) = process.finish_task("a", Ok(10)).unwrap();
        assert_eq!(
            (half.progress(), notifications[0].kind.as_str(), &notifications[0].data["image"]["width"]),
            (50, "task.completed", &json!(1080))
        );
        assert_eq!((&notifications[1].data["progress"], &notifications[1].data["completed"]), (&json!(50), &json!(1)));
        assert_eq!(half.finish_task("a", Ok(10)), None, "twice is once");
        assert_eq!(half.finish_task("x", Ok(10)), None);
        let (whole, notifications) = half.finish_task("b", Err("no picture".into())).unwrap();
        assert_eq!(
            (whole.progress(), &notifications[0].data["successful"], &notifications[0].data["image"]),
            (100, &json!(false), &Value::Null)
        );
        assert_eq!(
            (&notifications[1].data["failed"], &notifications[1].data["error"]),
            (&json!(1), &json!("1 of 2 tasks failed"))
        );
    }
}
