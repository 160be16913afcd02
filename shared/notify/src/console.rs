//! `notify console`: prints a link that opens the console, signed in.

use std::path::Path;

use clap::Args;
use reqwest::Method;
use serde_json::json;

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::json::text_member;
use crate::print::outln;

/// How long the link of `notify up` can be used, in minutes: a day.
const UP_MINUTES: u32 = 1_440;

/// Which console.
#[derive(Args)]
#[command(after_help = "Example:\n  notify console")]
pub(crate) struct ConsoleArgs {
    /// How long the link can be used, in minutes; at most 1440, a day
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    minutes: u32,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: ConsoleArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let link = link(&Client::open(args.target, data)?, args.minutes).await?;
    if as_json {
        outln!("{}", json!({ "link": link }));
    } else {
        outln!("{link}");
    }
    Ok(())
}

/// The link to the console of the stack that was just started; without a code if its keys were replaced.
pub(crate) async fn link_of_stack(data: &Path, url: &str) -> String {
    let signed_in = async { link(&Client::open(Target::default(), data)?, UP_MINUTES).await };
    signed_in.await.unwrap_or_else(|_: CliError| format!("{url}/console"))
}

/// A link with a code that signs in once. What follows the `#` is sent to no server.
async fn link(client: &Client, minutes: u32) -> Result<String, CliError> {
    let request = client.request(Method::POST, "/console/codes").json(&json!({ "minutes": minutes }));
    let code = client.send("making a code", request).await?;
    Ok(format!("{}/console#sign-in={}", client.url, text_member(&code, "code")))
}
