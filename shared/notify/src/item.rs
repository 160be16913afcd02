//! `notify reprocess`: processes an item again. `notify erase`: erases results.

use std::path::Path;

use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::json;

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::json::text_member;
use crate::print::{self, outln};

/// Which item.
#[derive(ClapArgs)]
#[command(
    after_help = "Examples:\n  notify reprocess itm_0f8fad5bd9cb469fa165708677289500\n  notify reprocess itm_0f8fad5bd9cb469fa165708677289500 --processor ObjectDetection"
)]
pub(crate) struct ReprocessArgs {
    /// The item's id, as notifications and `GET /api/v1/Media/Items` have it
    item: String,
    /// One of its processors: `FacialRecognition`, `ObjectDetection` or `AutoTranslation`; without it, all
    #[arg(long)]
    processor: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Orders the item to be processed, and shows how it stands: one that waits or is under way is not ordered twice.
pub(crate) async fn reprocess(args: ReprocessArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let path = Client::path(&["api", "v1", "Media", "Items", &args.item, "reprocess"])?;
    let only: Vec<(&str, &String)> = args.processor.iter().map(|it| ("processor", it)).collect();
    let item = client.send("reprocessing", client.request(Method::POST, &path).query(&only)).await?;
    if as_json {
        outln!("{item}");
    } else {
        let text = |name: &str| item[name].as_str().unwrap_or_default();
        print::success(&format!("{} is {}", text("key"), text("status")));
    }
    Ok(())
}

/// Whose results.
#[derive(ClapArgs)]
#[command(
    after_help = "Examples:\n  notify erase itm_0f8fad5bd9cb469fa165708677289500\n  notify erase itm_0f8fad5bd9cb469fa165708677289500 --processor AutoTranslation\n  notify erase --all"
)]
pub(crate) struct EraseArgs {
    /// The item's id
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    item: Option<String>,
    /// One of its processors: `FacialRecognition`, `ObjectDetection` or `AutoTranslation`; without it, all
    #[arg(long, conflicts_with = "all")]
    processor: Option<String>,
    /// Erase the results of all items of the application
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    target: Target,
}

/// Erases results, with the faces in them.
pub(crate) async fn erase(args: EraseArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    if let Some(item) = &args.item {
        let segments: [&str; 6] = ["api", "v1", "Media", "Items", item, "Results"];
        let path = Client::path(&segments.into_iter().chain(args.processor.as_deref()).collect::<Vec<&str>>())?;
        let erased = client.send("erasing", client.request(Method::DELETE, &path)).await?;
        if as_json {
            outln!("{erased}");
        } else {
            print::success(&format!("the results of {} are erased", text_member(&erased, "key")));
        }
        return Ok(());
    }
    let (mut erased, mut more) = (0, true);
    let mut busy = 0;
    while more {
        let done = client.send("erasing", client.request(Method::DELETE, "/api/v1/Media/Results")).await?;
        erased += done["erased"].as_u64().unwrap_or_default();
        busy = done["busy"].as_u64().unwrap_or_default();
        more = done["more"] == true;
    }
    if as_json {
        outln!("{}", json!({ "erased": erased, "busy": busy }));
    } else {
        print::success(&format!("the results of {erased} items are erased"));
    }
    if busy > 0 {
        let text =
            format!("{busy} items are being processed and keep what they have; erase again when they have ended");
        return Err(CliError::Other(text));
    }
    Ok(())
}
