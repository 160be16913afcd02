//! The seed's `/proxy` and `/replay`: what a message store says of an object that has changed, and from where a subscription is told
//! again. Both are requests to a box of the message store in the seed's words.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::message_store::{BoxId, Stored, StoredAttribute};
use domain::notification::is_valid_name;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::dialect::{Detail, body, invalid, member};
use crate::nms;
use crate::request::{OmaRequest, authenticate};
use crate::seed_body::{SeedDump, SeedRefusal, SeedReplay, SeedReplayIn, SeedStored};

/// The store that is meant if none is named: that of `notify message`.
const DEFAULT_STORE: &str = "messages";

/// Takes the dump of an object: it is stored in the user's box, which tells the subscriptions that it fits.
#[utoipa::path(post, path = "/proxy", tag = "OMA, as the seed has it", security(("keys" = [])), request_body = SeedDump,
    responses((status = 201, body = SeedStored)))]
pub(crate) async fn proxy(context: &Context, asked: &OmaRequest<'_>) -> Result<Response, Detail> {
    let (body, in_box) = body_and_box(context, asked).await?;
    let Value::Object(dump) = member(&body, ["object", "dump"]) else {
        return Err(invalid("object: it is an object, whose members are its attributes"));
    };
    let stored = nms::store_dump(context, &in_box, attributes(dump)).await?;
    Ok((StatusCode::CREATED, Json(shown(asked, &stored))).into_response())
}

/// Tells a subscription of a user's box again from a token on.
#[utoipa::path(post, path = "/replay", tag = "OMA, as the seed has it", security(("keys" = [])),
    request_body = SeedReplayIn, responses((status = 202, body = SeedReplay), (status = 404, body = SeedRefusal)))]
pub(crate) async fn replay(context: &Context, asked: &OmaRequest<'_>) -> Result<Response, Detail> {
    let (body, in_box) = body_and_box(context, asked).await?;
    let id = match member(&body, ["subscriptionId", "subscription_id"]) {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.strip_prefix('s').unwrap_or(text).parse().ok(),
        _ => None,
    };
    let id = id.ok_or_else(|| invalid("subscriptionId: the number of a subscription"))?;
    let Value::String(token) = member(&body, ["restartToken", "restart_token"]) else {
        return Err(invalid("restartToken: the position after which it is told again"));
    };
    let subscription = nms::replay(context, asked, &in_box, id, token).await?;
    let shown = SeedReplay { id, index: subscription.next_index, restart_token: token.clone() };
    Ok((StatusCode::ACCEPTED, Json(shown)).into_response())
}

/// A body, and the box of the user that it names. A stranger's is not read.
async fn body_and_box(context: &Context, asked: &OmaRequest<'_>) -> Result<(Value, BoxId), Detail> {
    let caller = authenticate(context, &asked.parts.headers).await?;
    let body = body(asked)?;
    let user = match member(&body, ["userId", "user_id"]) {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(invalid("userId: a text or a number")),
    };
    let store = member(&body, ["storeName", "store_name"]).as_str().unwrap_or(DEFAULT_STORE);
    if !is_valid_name(store) || user.contains('/') {
        return Err(invalid("storeName, userId: names without a slash"));
    }
    let (app, name) = caller.user(&user)?;
    let in_box = BoxId { app, store: store.to_owned(), name };
    Ok((body, in_box))
}

/// Members as attributes: a list has several values, and what is nested is kept as JSON.
fn attributes(dump: &Map<String, Value>) -> Vec<StoredAttribute> {
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    let values = |it: &Value| match it {
        Value::Array(all) => all.iter().map(text).collect(),
        Value::Null => Vec::new(),
        single => vec![text(single)],
    };
    dump.iter().map(|(name, value)| StoredAttribute { name: name.clone(), values: values(value) }).collect()
}

fn shown(asked: &OmaRequest<'_>, stored: &Stored) -> SeedStored {
    let resource_url = message_store::object_url(&asked.root, &stored.in_box, stored.id);
    SeedStored { id: stored.id, resource_url, last_mod_seq: stored.changed_seq }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_members_of_a_dump_are_attributes() {
        let dump = json!({ "from_": "a", "to": ["b", "c"], "id": 7, "meta": { "x": [1] }, "none": null });
        let found = attributes(dump.as_object().unwrap());
        let find = |name: &str| found.iter().find(|it| it.name == name).map(|it| it.values.join("|")).unwrap();
        assert_eq!(["from_", "to", "id", "meta", "none"].map(find), ["a", "b|c", "7", r#"{"x":[1]}"#, ""]);
    }
}
