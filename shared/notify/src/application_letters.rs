//! An application's dead letters at the API: its messages in the deployment's queues, and deliveries whose attempts are used up.

use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::Client;
use crate::error::CliError;
use crate::json::text_member;
use crate::letter_target::LetterSources;

/// Letters that one request may name.
const MAX_IDS: usize = 100;

/// A letter.
pub(crate) struct ApplicationLetter {
    pub(crate) id: String,
    pub(crate) reason: String,
    pub(crate) sent_at_ms: i64,
    pub(crate) body: String,
}

/// The letters of a kind.
pub(crate) async fn list(
    sources: &LetterSources,
    client: &Client,
    kind: &str,
) -> Result<Vec<ApplicationLetter>, CliError> {
    let found = client.get(&Client::path(&["api", "v1", "DeadLetters", kind])?).await?;
    let letter = |it: &Value| {
        let sent = OffsetDateTime::parse(text_member(it, "sentAt"), &Rfc3339);
        ApplicationLetter {
            id: text_member(it, "id").to_owned(),
            reason: text_member(it, "reason").to_owned(),
            sent_at_ms: sent.map_or(0, domain::millis),
            body: it["body"].to_string(),
        }
    };
    let all = found["items"].as_array().into_iter().flatten().map(letter);
    Ok(all.filter(|it| sources.is_shown(&it.id)).collect())
}

/// Sends letters of a kind back, at most so many. Returns how many, and how many stay: their channels are switched off.
pub(crate) async fn redrive(
    sources: &LetterSources,
    client: &Client,
    kind: &str,
    most: usize,
) -> Result<(usize, usize), CliError> {
    let mut sent = 0;
    while sent < most {
        let there = list(sources, client, kind).await?;
        let ids: Vec<String> = there.into_iter().map(|it| it.id).take((most - sent).min(MAX_IDS)).collect();
        let moved = if ids.is_empty() { 0 } else { act(client, kind, "redrive", &ids).await? };
        if moved == 0 {
            return Ok((sent, ids.len()));
        }
        sent += moved;
    }
    Ok((sent, 0))
}

/// Discards letters by their ids. Returns how many.
pub(crate) async fn discard(client: &Client, kind: &str, ids: &[String]) -> Result<usize, CliError> {
    let mut done = 0;
    for ids in ids.chunks(MAX_IDS) {
        done += act(client, kind, "discard", ids).await?;
    }
    Ok(done)
}

/// Does something with letters. Returns with how many it was done.
async fn act(client: &Client, kind: &str, action: &str, ids: &[String]) -> Result<usize, CliError> {
    let path = Client::path(&["api", "v1", "DeadLetters", kind, action])?;
    let done = client.send(&path, client.request(Method::POST, &path).json(&json!({ "ids": ids }))).await?;
    let count = done["redriven"].as_u64().or_else(|| done["discarded"].as_u64()).unwrap_or_default();
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}
