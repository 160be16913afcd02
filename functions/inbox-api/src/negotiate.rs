//! SignalR's negotiation: who wants in is checked, and gets the id of a connection (realtime, section 8.1, form 1).

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use domain::AppId;
use domain::id::sha256_hex;
use domain::millis;
use domain::notification::{NAME_RULE, is_valid_name};
use domain::socket::{ConnectionUser, HubConnection};
use entry::clock;
use entry::http::{Problem, QueryParams, auth_problem};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{Context, inbox_caller};

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
    Shared(state): Shared<Context>,
    headers: HeaderMap,
    ask: Result<QueryParams<Ask>, Problem>,
) -> Result<Json<Negotiated>, Problem> {
    let caller = authenticate(&state, &headers).await?;
    let QueryParams(ask) = ask?;
    let now = clock::now();
    let member = match caller {
        NegotiateCaller::User(member) => member,
        NegotiateCaller::Application(app) => {
            let user = ask.user.filter(|it| is_valid_name(it)).ok_or_else(|| Problem::invalid("user", NAME_RULE))?;
            ConnectionUser { app, user, groups: Vec::new() }
        }
    };
    let stateful = ask.use_stateful_reconnect && ask.negotiate_version > 0;
    let token = clock::random_alphanumeric(43); // 256 bits; whoever has it has the connection
    let hub = HubConnection::new(member, stateful, millis(now));
    state.table.create_hub_connection(&sha256_hex(token.as_bytes()), &hub).await?;
    let (connection_id, connection_token) = match ask.negotiate_version {
        0 => (token, None), // there the id is what the socket is opened with
        _ => (clock::random_alphanumeric(22), Some(token)),
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
enum NegotiateCaller {
    User(ConnectionUser),
    /// An application, which says for whom.
    Application(AppId),
}

async fn authenticate(state: &Context, headers: &HeaderMap) -> Result<NegotiateCaller, Problem> {
    if let Some(member) = inbox_caller::authenticated_member(&state.callers, headers).await? {
        return Ok(NegotiateCaller::User(member));
    }
    let granted = state.callers.authenticate(headers).await.map_err(auth_problem)?;
    Ok(NegotiateCaller::Application(granted.app))
}
