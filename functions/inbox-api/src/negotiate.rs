//! SignalR's negotiation: who wants in is checked, and gets the id of a connection (realtime, section 8.1, form 1).

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use domain::AppId;
use domain::id::sha256_hex;
use domain::millis;
use domain::notification::{NAME_RULE, is_name};
use domain::socket::{Hub, Member};
use entry::clock;
use entry::http::{Parameters, Problem, refused};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{State, reader};

/// What a client asks for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ask {
    #[serde(default)]
    negotiate_version: u32,
    #[serde(default)]
    use_stateful_reconnect: bool,
    /// Only with a key pair: for whom
    #[serde(default)]
    user: Option<String>,
}

/// A connection that waits for its socket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Negotiated {
    negotiate_version: u32,
    connection_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_stateful_reconnect: Option<bool>,
    available_transports: Vec<Transport>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transport {
    transport: &'static str,
    transfer_formats: Vec<&'static str>,
}

/// Negotiates a SignalR connection, with a user's token or a ticket as the bearer, or a key pair and `user`.
#[utoipa::path(post, path = "/hubs/notifications/negotiate", tag = "Sockets", security(("keys" = []), ("user" = [])), params(Ask),
    responses((status = 200, body = Negotiated), (status = 401, body = Problem)))]
pub(crate) async fn negotiate(
    Shared(state): Shared<State>,
    headers: HeaderMap,
    ask: Result<Parameters<Ask>, Problem>,
) -> Result<Json<Negotiated>, Problem> {
    let caller = caller(&state, &headers).await?;
    let Parameters(ask) = ask?;
    let now = clock::now();
    let member = match caller {
        Caller::User(member) => member,
        Caller::Application(app) => {
            let user = ask.user.filter(|it| is_name(it)).ok_or_else(|| Problem::invalid("user", NAME_RULE))?;
            Member { app, user, groups: Vec::new() }
        }
    };
    let stateful = ask.use_stateful_reconnect && ask.negotiate_version > 0;
    let token = clock::word(43); // 256 bits; whoever has it has the connection
    let hub = Hub::new(member, stateful, millis(now));
    state.table.put_new_hub(&sha256_hex(token.as_bytes()), &hub).await?;
    let (connection_id, connection_token) = match ask.negotiate_version {
        0 => (token, None), // there the id is what the socket is opened with
        _ => (clock::word(22), Some(token)),
    };
    let available_transports = vec![Transport { transport: "WebSockets", transfer_formats: vec!["Text"] }];
    Ok(Json(Negotiated {
        negotiate_version: ask.negotiate_version.min(1),
        connection_id,
        connection_token,
        use_stateful_reconnect: stateful.then_some(true), // a client that did not ask refuses it
        available_transports,
    }))
}

/// Who negotiates.
enum Caller {
    User(Member),
    /// An application, which says for whom.
    Application(AppId),
}

async fn caller(state: &State, headers: &HeaderMap) -> Result<Caller, Problem> {
    if let Some(member) = reader::member(&state.callers, headers).await? {
        return Ok(Caller::User(member));
    }
    let granted = state.callers.check(headers).await.map_err(refused)?;
    Ok(Caller::Application(granted.app))
}
