//! `notify bench poll`: how long a notification takes to a long poll that waits for it (OMA notification channels).

use std::time::{Duration, Instant};

use futures_util::future::join;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::api::Api;
use super::latency::{latency_row, print_rows};
use super::setup::{create_application, start_stack, temporary_folder};
use crate::error::CliError;

/// Channels with a poll each, at the same time.
const CHANNELS: usize = 4;

pub(super) async fn run(notifications: usize, json: bool) -> Result<(), CliError> {
    let data = temporary_folder()?;
    let stack = start_stack(data.path()).await?;
    let api = create_application(&stack).await?;
    let each = notifications.div_ceil(CHANNELS);
    let all = stream::iter(0..CHANNELS).map(|user| time_channel(&api, user, each)).buffered(CHANNELS);
    let mut durations = Vec::new();
    for timed in all.collect::<Vec<Result<Vec<Duration>, CliError>>>().await {
        durations.extend(timed?);
    }
    print_rows(&[latency_row("notification to a waiting long poll", durations)], json);
    Ok(())
}

async fn time_channel(api: &Api, user: usize, notifications: usize) -> Result<Vec<Duration>, CliError> {
    let wanted = json!({ "notificationChannel": { "channelType": "LongPolling" } });
    let made = api.call("POST", &format!("/notificationchannel/v1/u{user}/channels"), &wanted).await?;
    let path = |url: &Value| url.as_str().unwrap_or_default().trim_start_matches(&api.url).to_owned();
    let made = &made["notificationChannel"];
    let (poll, callback) = (path(&made["channelData"]["channelURL"]), path(&made["callbackURL"]));
    let mut durations = Vec::new();
    for number in 0..notifications {
        let polled = async {
            let list = api.call("POST", &poll, &json!({ "longPollingRequestParameters": null })).await?;
            Ok::<_, CliError>((list, Instant::now()))
        };
        let notified = async {
            vary_tick_phase(user + number * CHANNELS).await;
            let began = Instant::now();
            let notification = json!({ "presenceNotification": { "presentityUserId": format!("u{number}") } });
            api.call("POST", &callback, &notification).await.map(|_| began)
        };
        let (polled, began) = join(polled, notified).await;
        let (list, came) = polled?;
        if list["notificationList"][0]["presenceNotification"]["presentityUserId"] != format!("u{number}") {
            return Err(CliError::Other(format!("a poll was answered with {list}")));
        }
        durations.push(came.duration_since(began?));
    }
    Ok(durations)
}

/// Varies the time between the beginning of a poll and its notification: it looks about once a second.
#[expect(clippy::disallowed_methods, reason = "what is measured depends on when it begins")]
async fn vary_tick_phase(number: usize) {
    tokio::time::sleep(Duration::from_millis(500 + number as u64 * 397 % 1_000)).await;
}
