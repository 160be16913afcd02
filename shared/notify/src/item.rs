//! `notify reprocess`: processes an item again.

use std::path::Path;

use clap::Args as ClapArgs;
use reqwest::Method;

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::print::{self, outln};

/// Which item.
#[derive(ClapArgs)]
#[command(after_help = "Example:\n  notify reprocess itm_0f8fad5bd9cb469fa165708677289500")]
pub(crate) struct ReprocessArgs {
    /// The item's id, as notifications and `GET /api/v1/Media/Items` have it
    item: String,
    #[command(flatten)]
    target: Target,
}

/// Orders the item to be processed, and shows how it stands: one that waits or is under way is not ordered twice.
pub(crate) async fn reprocess(args: ReprocessArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let path = Client::path(&["api", "v1", "Media", "Items", &args.item, "reprocess"])?;
    let item = client.send("reprocessing", client.request(Method::POST, &path)).await?;
    if as_json {
        outln!("{item}");
    } else {
        let text = |name: &str| item[name].as_str().unwrap_or_default();
        print::success(&format!("{} is {}", text("key"), text("status")));
    }
    Ok(())
}
