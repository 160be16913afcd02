//! Publishing: one event or up to 100, in our own shape or as CloudEvents.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::notification::NewNotification;
use domain::{AppId, MAX_BATCH};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::idempotency::{self, IdempotentRequest};
use entry::http::{Problem, ProblemType, trace_context};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::cloud_event;
use crate::context::Context;
use crate::message::{MessageIn, PublishResult};

/// The largest body, in bytes: an event to a function has at most 6 MB (AWS Lambda quotas), in which a body may be in base64.
const MAX_BODY_BYTES: usize = 4_000_000;
/// The status of what was accepted.
const STATUS: StatusCode = StatusCode::ACCEPTED;

/// Publishes an event, or a list of up to 100, which get consecutive numbers. Every channel gets those that it accepts:
/// by its types, its filter, and the event's own `channels`. A list is answered with one result per entry: those that are
/// not valid are refused, the others are accepted. A request with an `Idempotency-Key` is safe to repeat for 24 hours. Its
/// `traceparent` and `tracestate` (W3C Trace Context) go on to webhooks and RabbitMQ, as headers.
///
/// CloudEvents 1.0 are taken as well: one in the structured content mode (`application/cloudevents+json`), a batch
/// (`application/cloudevents-batch+json`), or one in the binary content mode (the header `ce-specversion`).
#[utoipa::path(post, path = "/api/v1/Notification/Messages", tag = "Messages", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header), ("traceparent" = Option<String>, Header)), request_body = MessageIn,
    responses((status = 202, body = PublishResult), (status = 400, body = Problem), (status = 402, body = Problem), (status = 409, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn publish(
    State(context): State<Context>,
    Caller(app): Caller,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let too_large = |_| Problem::new(ProblemType::TooLarge, format!("a body has at most {MAX_BODY_BYTES} bytes"));
    let body = to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(too_large)?;
    let now = clock::now();
    let received = read_body(&headers, &body, now)?;
    let (is_list, mut entries) = match received {
        Received::One(one) => (false, vec![one]),
        Received::Many(all) => (true, all),
    };
    if entries.is_empty() || entries.len() > MAX_BATCH {
        return Err(Problem::invalid("", format!("1 to {MAX_BATCH} events")));
    }
    let trace = trace_context(&headers);
    for entry in &mut entries {
        let Ok(new) = entry else { continue };
        new.trace.clone_from(&trace);
        match context.type_schemas.check(context.table(), app, &new.kind, &new.data).await {
            Ok(()) => {}
            // the application's quota: nothing is stored, and the client can repeat the whole request later
            Err(problem) if problem.status == StatusCode::TOO_MANY_REQUESTS.as_u16() => return Err(problem),
            Err(problem) => *entry = Err(problem),
        }
    }
    if entries.iter().all(Result::is_err) {
        // nothing is stored, and so the request needs no idempotency record
        let results: Vec<PublishResult> =
            entries.iter().filter_map(|it| it.as_ref().err()).map(PublishResult::refused).collect();
        return match entries.into_iter().next() {
            Some(Err(problem)) if !is_list => Err(problem),
            _ => Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(results)).into_response()),
        };
    }
    let content = cloud_event::identity(&headers, &body);
    let request = match idempotency::begin(context.table(), app, &headers, "publish", &content, STATUS).await? {
        Ok(request) => request,
        Err(stored) => return Ok(stored),
    };
    let outcome = store(&context, app, &entries, is_list, &request, now).await;
    idempotency::end(context.table(), app, request, outcome).await
}

/// Stores the events that are valid, and writes the answer to all.
async fn store(
    context: &Context,
    app: AppId,
    entries: &[Result<NewNotification, Problem>],
    is_list: bool,
    request: &IdempotentRequest,
    now: OffsetDateTime,
) -> Result<String, Problem> {
    let accepted = entries.iter().filter(|it| it.is_ok()).count();
    context.plan_limits.admit(app, request, accepted).await?;
    let valid: Vec<NewNotification> = entries.iter().filter_map(|it| it.as_ref().ok().cloned()).collect();
    let retry_since = request.is_retry.then_some(request.started_at);
    let positions = context.publisher.publish(app, &valid, &request.write_id, retry_since, now).await?;
    context.plan_limits.count_notifications(app, accepted);
    let mut positions = positions.into_iter();
    let result_of = |entry: &Result<NewNotification, Problem>| match entry {
        Ok(_) => positions.next().map(|it| PublishResult::accepted(app, it)),
        Err(problem) => Some(PublishResult::refused(problem)),
    };
    let results: Vec<PublishResult> = entries.iter().filter_map(result_of).collect();
    let answer = if is_list { json!(results) } else { json!(results.first()) };
    Ok(answer.to_string())
}

/// The events of a request, each valid or refused.
enum Received {
    One(Result<NewNotification, Problem>),
    Many(Vec<Result<NewNotification, Problem>>),
}

/// Reads a body by its media type.
///
/// # Errors
/// 400 if it is no JSON, 415 for another media type.
fn read_body(headers: &HeaderMap, body: &[u8], now: OffsetDateTime) -> Result<Received, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_structured = matches!(media_type.as_str(), cloud_event::STRUCTURED | cloud_event::BATCHED);
    if cloud_event::is_binary(headers) && !is_structured {
        return Ok(Received::One(cloud_event::read_binary(headers, body, now)));
    }
    let not_json = |error: serde_json::Error| Problem::new(ProblemType::NotJson, error.to_string());
    let json = || serde_json::from_slice::<Value>(body).map_err(not_json);
    let message = |it: &Value| entry::http::json::read::<MessageIn>(it).and_then(|it| it.into_new_notification(now));
    match media_type.as_str() {
        cloud_event::STRUCTURED => Ok(Received::One(cloud_event::read(&json()?, now))),
        cloud_event::BATCHED => match json()? {
            Value::Array(all) => Ok(Received::Many(all.iter().map(|it| cloud_event::read(it, now)).collect())),
            _ => Err(Problem::invalid("", "a batch of CloudEvents is a JSON array")),
        },
        "application/json" => Ok(match json()? {
            Value::Array(all) => Received::Many(all.iter().map(message).collect()),
            one => Received::One(message(&one)),
        }),
        _ => {
            let media_types = "application/json, application/cloudevents+json or application/cloudevents-batch+json";
            Err(Problem::new(ProblemType::MediaType, format!("send the body as {media_types}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(content_type: &str, body: &str) -> Result<Received, Problem> {
        let headers: HeaderMap = [(header::CONTENT_TYPE, content_type.parse().unwrap())].into_iter().collect();
        read_body(&headers, body.as_bytes(), OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn the_media_type_says_what_a_body_is() {
        let event = r#"{"specversion":"1.0","id":"A","source":"/s","type":"a.b"}"#;
        let one = |it: Result<Received, Problem>| matches!(it, Ok(Received::One(Ok(_))));
        assert!(one(received("application/json; charset=utf-8", r#"{"type":"a.b"}"#)));
        assert!(one(received("Application/CloudEvents+JSON; charset=UTF-8", event)));
        let many = received(cloud_event::BATCHED, &format!("[{event},{{}}]"));
        assert!(matches!(many, Ok(Received::Many(all)) if all.len() == 2 && all[0].is_ok() && all[1].is_err()));
        for (content_type, body, status) in [
            ("application/json", "{", 400),
            ("text/plain", "{}", 415),
            ("", "{}", 415),
            (cloud_event::BATCHED, event, 422),
        ] {
            assert_eq!(received(content_type, body).err().map(|it| it.status), Some(status), "{content_type}");
        }
        assert!(matches!(received("application/json", event), Ok(Received::One(Err(_)))), "not our own shape");
    }
}
