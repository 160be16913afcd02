//! A request and its repeats: known again by the client's `Idempotency-Key`, or else by what they say within a minute
//! (billing, section 3.8).

use axum::http::HeaderMap;
use domain::AppId;
use domain::id::sha256_hex;
use entry::clock;
use table::{IdempotencyRecord, Table};

use crate::answer::Fault;
use crate::params::Params;
use crate::route::Endpoint;

/// For how long the same request without a key is a repeat, in seconds.
const REPEAT_SECONDS: i64 = 60;
/// For how many such periods more it is one, if the earlier one has not been carried out yet.
const UNFINISHED_PERIODS: i64 = 5;

/// One try of a request.
pub(crate) struct Attempt {
    app: AppId,
    /// The same for all tries of the request.
    pub(crate) seed: String,
    /// Whether an earlier try may have done something.
    pub(crate) is_retry: bool,
    /// When the first try began, in seconds since 1970.
    pub(crate) began: i64,
    record: IdempotencyRecord,
}

impl Attempt {
    /// Begins a try. An inner `Err` is the answer that an earlier one got, to a request with a key.
    ///
    /// # Errors
    /// 1006 for a key that cannot be, 1000 for one that was used with another request.
    pub(crate) async fn begin(
        table: &Table,
        app: AppId,
        endpoint: Endpoint,
        headers: &HeaderMap,
        params: &Params,
    ) -> Result<Result<Self, String>, Fault> {
        let (now, body) = (clock::now(), sha256_hex(params.canonical().as_bytes()));
        let key = match headers.get("idempotency-key") {
            None => None,
            Some(key) => {
                let key = key.to_str().ok().filter(|it| (1..=200).contains(&it.len()));
                Some(key.ok_or_else(|| Fault::out_of_bounds("Idempotency-Key", "1 to 200 printable characters"))?)
            }
        };
        let seed = match key {
            Some(key) => sha256_hex(format!("billing|key|{}|{key}", endpoint.name()).as_bytes()),
            None => unkeyed_seed(table, app, endpoint, &body, now.unix_timestamp()).await?,
        };
        let record = IdempotencyRecord::new(body.clone(), now);
        let Some(stored) = table.begin_idempotent(app, &seed, &record, &clock::random_alphanumeric(20)).await? else {
            return Ok(Ok(Self { app, seed, is_retry: false, began: now.unix_timestamp(), record }));
        };
        if stored.body != body {
            return Err(Fault::new(400, 1000, "The Idempotency-Key was used with another request."));
        }
        match stored.answer {
            Some(answer) if key.is_some() => Ok(Err(answer)),
            // without a key it is a request of its own: what was done may have been undone since
            answer => {
                let is_retry = answer.is_none();
                let began = if is_retry { stored.at.div_euclid(1_000) } else { now.unix_timestamp() };
                Ok(Ok(Self { app, seed, is_retry, began, record }))
            }
        }
    }

    /// Stores that the request was carried out.
    pub(crate) async fn complete(self, table: &Table, answer: &str) -> Result<(), Fault> {
        let record = IdempotencyRecord { answer: Some(answer.to_owned()), ..self.record };
        Ok(table.finish_idempotent(self.app, &self.seed, &record).await?)
    }

    /// Forgets the try: it did nothing that a repeat would have to find again, or its answer is not kept.
    pub(crate) async fn forget(self, table: &Table) -> Result<(), Fault> {
        Ok(table.forget_idempotent(self.app, &self.seed).await?)
    }
}

/// The seed of a request without a key: that of an earlier one that was begun a few minutes ago and not carried out, or else that
/// of its own period.
async fn unkeyed_seed(table: &Table, app: AppId, endpoint: Endpoint, body: &str, now: i64) -> Result<String, Fault> {
    let period = now.div_euclid(REPEAT_SECONDS);
    let seed = |period: i64| sha256_hex(format!("billing|body|{}|{body}|{period}", endpoint.name()).as_bytes());
    let earlier: Vec<String> = (period - UNFINISHED_PERIODS..period).rev().map(seed).collect();
    let records = table.idempotents(app, &earlier).await?;
    Ok(unfinished(earlier, &records).unwrap_or_else(|| seed(period)))
}

/// The first seed whose request has begun and was not carried out.
fn unfinished(seeds: Vec<String>, records: &[Option<IdempotencyRecord>]) -> Option<String> {
    let is_unfinished = |it: &Option<IdempotencyRecord>| it.as_ref().is_some_and(|it| it.answer.is_none());
    seeds.into_iter().zip(records).find(|it| is_unfinished(it.1)).map(|it| it.0)
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn the_latest_request_that_was_not_carried_out_goes_on() {
        let begun = || Some(IdempotencyRecord::new("b".to_owned(), OffsetDateTime::UNIX_EPOCH));
        let done = || begun().map(|it| IdempotencyRecord { answer: Some("a".to_owned()), ..it });
        for (records, want) in [
            (vec![None, None, None], None),
            (vec![None, begun(), begun()], Some("1")),
            (vec![done(), begun(), None], Some("1")),
            (vec![done(), done(), None], None),
            (vec![begun(), done(), None], Some("0")),
        ] {
            let seeds = (0..3).map(|it| it.to_string()).collect();
            assert_eq!(unfinished(seeds, &records).as_deref(), want, "{records:?}");
        }
    }
}
